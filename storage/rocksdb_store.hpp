// The durable store: one RocksDB with a column family per `family`.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

#include "base/log.hpp"
#include "storage/key_value_store.hpp"

namespace rocksdb {
class Env;
}

namespace evermill::storage {

struct rocksdb_options {
  std::filesystem::path directory;
  /// Nothing is created, locked or written; a snapshot of what was durable when it was opened. `write` and `compact`
  /// fail as `read_only`.
  bool read_only = false;
  /// false: writes are not synced (figures only; `durable()` tells).
  bool sync = true;
  std::size_t block_cache_bytes = 64u << 20;
  std::size_t memtable_bytes = 64u << 20;   ///< all families together
  /// Where RocksDB's own warnings and errors go.
  log lines;
  /// For simulations and fault tests; not owned, must outlive the store. Null: the machine's file system.
  rocksdb::Env* env = nullptr;
  /// Flushes and compactions happen only when asked for; for deterministic simulations.
  bool manual_background_work = false;
};

/// Opens or creates the directory and takes its lock for the life of the object. Errors: locked, read_only, no_space,
/// io, corrupt, foreign (files that are not evermill's), newer_format, missing.
storage_result<std::unique_ptr<key_value_store>> open_rocksdb_store(const rocksdb_options& options);

/// Writes what memory holds of one family to a table, as RocksDB does by itself when it is much; the log goes on in a new file, and the
/// old one stays for the other families. For tests: `store` is one that open_rocksdb_store() gave.
storage_result<void> flush_family(key_value_store& store, family f);

}  // namespace evermill::storage
