// Stores on a directory, and what is in them.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "storage/key_value_store.hpp"
#include "storage/rocksdb_store.hpp"

namespace evermill::tests {

inline storage::storage_result<std::unique_ptr<storage::key_value_store>> try_open(
    const std::filesystem::path& directory, rocksdb::Env* env = nullptr) {
  storage::rocksdb_options options;
  options.directory = directory;
  options.block_cache_bytes = 1u << 20;
  options.memtable_bytes = 4u << 20;
  options.env = env;
  return storage::open_rocksdb_store(options);
}

inline std::unique_ptr<storage::key_value_store> open(const std::filesystem::path& directory,
                                                      rocksdb::Env* env = nullptr) {
  auto opened = try_open(directory, env);
  if (!opened) throw std::runtime_error(opened.error().message);
  return std::move(*opened);
}

using row_map = std::map<std::string, std::string>;

/// All rows of a family; a walk that ends with an error fails the test.
inline row_map rows_of(const storage::key_value_store& store, storage::family f, std::string_view from = "",
                       std::string_view to = "") {
  row_map rows;
  const auto walk = store.scan(f, from, to);
  for (; walk->valid(); walk->next()) rows.emplace(walk->key(), walk->value());
  EXPECT_TRUE(walk->status().has_value());
  return rows;
}

inline void put(storage::key_value_store& store, storage::family f, std::string_view key, std::string_view value) {
  storage::write_batch batch;
  batch.put(f, key, value);
  ASSERT_TRUE(store.write(batch).has_value());
}

}  // namespace evermill::tests
