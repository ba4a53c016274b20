#include "storage/rocksdb_store.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <rocksdb/write_buffer_manager.h>

#include <array>
#include <atomic>
#include <mutex>
#include <vector>

#include "storage/counting_file_system.hpp"

namespace evermill::storage {
namespace {

constexpr std::array<const char*, family_count> family_names = {rocksdb::kDefaultColumnFamilyName.c_str() == nullptr
                                                                    ? ""
                                                                    : "description",
                                                                "partitions",
                                                                "instances",
                                                                "journal",
                                                                "open_work",
                                                                "timers",
                                                                "outbox",
                                                                "inbox"};

}  // namespace
}  // namespace evermill::storage
