#pragma once

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <filesystem>

namespace evermill::tests {

/// What a process leaves that was killed while it made its data directory: a RocksDB without any of evermill's families.
inline void make_interrupted_first_start(const std::filesystem::path& directory) {
  rocksdb::Options how;
  how.create_if_missing = true;
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(how, directory.string(), &opened).ok());
  delete opened;
}

}  // namespace evermill::tests
