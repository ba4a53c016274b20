// A file system that counts what it is asked to sync and to write, so that figures agree with a count from outside.
#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <cstdint>
#include <memory>

namespace evermill::storage {

struct file_counters {
  std::atomic<std::uint64_t> syncs{0};          ///< fsync, fdatasync and sync_file_range, of files and directories
  std::atomic<std::uint64_t> bytes_written{0};  ///< handed to the operating system
};

/// `counters` must outlive the file system and every file opened through it.
std::shared_ptr<rocksdb::FileSystem> make_counting_file_system(std::shared_ptr<rocksdb::FileSystem> base,
                                                               file_counters& counters);

}  // namespace evermill::storage
