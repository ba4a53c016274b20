#include "storage/rocksdb_store.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/iterator.h>
#include <rocksdb/memtablerep.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <iterator>
#include <limits>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/planted.hpp"
#include "storage/counting_file_system.hpp"
#include "storage/log_tail.hpp"
#include "storage/rocksdb_lines.hpp"
#include "storage/run_prefix.hpp"

namespace evermill::storage {
namespace {

namespace fs = std::filesystem;

/// By the number of the family. RocksDB wants the first one to be called "default".
constexpr std::array<const char*, family_count> family_names = {"default",   "partitions", "instances", "journal",
                                                                "open_work", "timers",     "outbox",    "inbox",
                                                                "requests",  "human_tasks", "log_positions", "published",
                                                                "executions"};
/// Of the first stores: those that came later may be missing, and are created then.
constexpr std::size_t oldest_family_count = 12;
constexpr std::size_t max_wal_bytes = 32u << 20;  // reading them again is most of what a restart takes
constexpr std::size_t max_index_memtable_bytes = 8u << 20;
constexpr std::size_t never_full_bytes = std::size_t{1} << 33;
constexpr std::size_t manual_arena_block_bytes = 16u << 10;
constexpr std::size_t bytes_per_bucket = 1024;  // of memtables: about a run each; the buckets' array is eight bytes each
constexpr std::size_t fewest_buckets = 64;
constexpr std::size_t most_buckets = 1u << 16;
constexpr int memtable_levels = 10;  // with RocksDB's branching of 4: one run may have a million rows in a memtable
constexpr int bloom_bits_per_key = 10;
constexpr int max_tries = 10;  // to open what another process changes meanwhile

std::string named(const fs::path& directory) { return "data directory \"" + directory.string() + "\""; }

/// The operating system's own words, which RocksDB puts last.
bool ends_with_errno(const rocksdb::Status& status, int number) {
  return status.ToString().ends_with(std::generic_category().message(number));
}

storage_error damaged(const fs::path& directory, const std::string& how) {
  return {storage_errc::corrupt,
          named(directory) + ": the store is damaged (" + how + "); restore it from a backup; nothing was changed"};
}

storage_error to_error(const rocksdb::Status& status, const fs::path& directory) {
  const std::string where = named(directory) + ": ";
  if (status.IsNoSpace()) return {storage_errc::no_space, where + "the disk is full; free some space and start again"};
  if (status.IsCorruption()) return damaged(directory, status.ToString());
  return {storage_errc::io, where + status.ToString()};
}

/// Only the fixed parts of RocksDB's text tell a lock that is held from other I/O errors: a path may say anything.
bool lock_is_held(const rocksdb::Status& status, const fs::path& directory) {
  if (!status.IsIOError() || status.getState() == nullptr) return false;
  const std::string_view text = status.getState();
  return text.starts_with("While lock file: ") || text.starts_with("lock hold by current process") ||
         text.starts_with((directory / "LOCK").string() + ": lock is already held");  // the in-memory file system
}

storage_error open_error(const rocksdb::Status& status, const fs::path& directory) {
  if (lock_is_held(status, directory)) {
    return {storage_errc::locked,
            named(directory) + " is open in another engine or process; stop that one, or choose another directory"};
  }
  if (ends_with_errno(status, EACCES) || ends_with_errno(status, EROFS) || ends_with_errno(status, EPERM)) {
    return {storage_errc::read_only, named(directory) + " can't be written; check its owner and permissions"};
  }
  if (ends_with_errno(status, ENOENT)) return damaged(directory, status.ToString());  // CURRENT or a manifest names it
  if (status.IsInvalidArgument()) {
    return {storage_errc::foreign, named(directory) + " holds a store that is not evermill's (" + status.ToString() +
                                       "); choose an empty or new directory"};
  }
  return to_error(status, directory);
}

storage_result<void> prepare_directory(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (!error) return {};
  auto code = storage_errc::io;
  if (error == std::errc::no_space_on_device) code = storage_errc::no_space;
  if (error == std::errc::permission_denied || error == std::errc::read_only_file_system)
    code = storage_errc::read_only;
  return unexpected(storage_error{code, named(directory) + " can't be created: " + error.message()});
}

/// What an interrupted first start, and evermill itself, may leave in a directory that has no store yet.
bool may_precede_a_store(std::string_view name) {
  return name == "." || name == ".." || name == "LOCK" || name == "LOG" || name == "IDENTITY" ||
         name.starts_with("LOG.old") || name.starts_with("OPTIONS-") || name.starts_with("MANIFEST-") ||
         name.ends_with(".dbtmp") || name.starts_with("evermill.");
}

storage_error foreign_error(const fs::path& directory, const std::string& what) {
  return {storage_errc::foreign, named(directory) + " holds " + what + "; choose an empty or new directory"};
}

/// Are all our families there? A store that lacks some is ours only when an interrupted first start left it: then it is
/// empty.
storage_result<bool> check_families(rocksdb::Env& env, const fs::path& directory) {
  rocksdb::DBOptions how;
  how.env = &env;
  how.info_log = make_rocksdb_lines(log());
  std::vector<std::string> names;
  rocksdb::Status status = rocksdb::DB::ListColumnFamilies(how, directory.string(), &names);
  if (!status.ok()) return unexpected(open_error(status, directory));
  for (const std::string& name : names) {
    if (std::find(family_names.begin(), family_names.end(), name) == family_names.end()) {
      return unexpected(foreign_error(directory, "a store that is not evermill's (it has a family \"" + name + "\")"));
    }
  }
  const auto has = [&](const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  if (std::all_of(family_names.begin(), family_names.begin() + oldest_family_count, has)) return true;
  rocksdb::DB* opened = nullptr;
  status = rocksdb::DB::OpenForReadOnly(rocksdb::Options(how, {}), directory.string(), &opened);
  const std::unique_ptr<rocksdb::DB> store(opened);
  if (!status.ok()) return unexpected(open_error(status, directory));
  const std::unique_ptr<rocksdb::Iterator> rows(store->NewIterator(rocksdb::ReadOptions()));
  rows->SeekToFirst();
  if (rows->Valid()) return unexpected(foreign_error(directory, "a store that is not evermill's"));
  return false;
}

/// The logs of commits, oldest first.
std::vector<std::string> logs_of(const std::vector<std::string>& names) {
  std::vector<std::string> logs;
  std::copy_if(names.begin(), names.end(), std::back_inserter(logs), [](const std::string& name) { return name.ends_with(".log"); });
  std::sort(logs.begin(), logs.end(), [](const std::string& a, const std::string& b) {  // numbers of six digits or more
    return std::pair(a.size(), std::string_view(a)) < std::pair(b.size(), std::string_view(b));
  });
  return logs;
}

/// What RocksDB would take for a crash's trace, and drop in silence.
storage_result<void> check_logs(rocksdb::Env& env, const fs::path& directory, const std::vector<std::string>& names) {
  log_contents before;
  std::string before_name;
  for (const std::string& name : logs_of(names)) {
    log_contents found;
    const rocksdb::Status status = check_log(env, (directory / name).string(), log_kind::commits, found);
    if (!status.ok()) return unexpected(open_error(status, directory));
    if (lacks_its_end(before, found)) {
      return unexpected(damaged(directory, "the end of " + before_name + " is not readable, and " + name + " goes on behind it"));
    }
    if (found.first_sequence) {
      before = found;
      before_name = name;
    } else {
      before.ends_whole = before.ends_whole && found.ends_whole;
    }
  }
  for (const std::string& name : names) {
    if (!name.starts_with("MANIFEST-")) continue;
    log_contents ignored;
    const rocksdb::Status status = check_log(env, (directory / name).string(), log_kind::manifest, ignored);
    if (!status.ok()) return unexpected(open_error(status, directory));
  }
  return {};
}

storage_result<bool> check_store(rocksdb::Env& env, const fs::path& directory, const std::vector<std::string>& names) {
  if (auto logs = check_logs(env, directory, names); !logs) return unexpected(logs.error());
  auto complete = check_families(env, directory);
  if (!complete) return complete;
  // RocksDB creates a log before it creates our families, and removes an old one only when there is a new one.
  if (*complete && logs_of(names).empty()) {
    return unexpected(damaged(directory, "its write-ahead log, a file named *.log, is missing"));
  }
  return complete;
}

/// Is a store there? Somebody else's files and stores stay untouched.
storage_result<bool> check_directory(rocksdb::Env& env, const fs::path& directory) {
  std::vector<std::string> names;
  const bool listed = env.GetChildren(directory.string(), &names).ok();
  if (env.FileExists((directory / "CURRENT").string()).ok()) return check_store(env, directory, names);
  if (!listed) return false;  // opening it will say why, or create it
  for (const std::string& name : names) {
    if (!may_precede_a_store(name)) {
      return unexpected(foreign_error(directory, "other files (\"" + name + "\") and no store"));
    }
  }
  return false;
}

/// What another process that has the store open changes before it deletes a file, and which files there are.
std::string outline_of(rocksdb::Env& env, const fs::path& directory) {
  std::vector<std::string> names;
  if (!env.GetChildren(directory.string(), &names).ok()) return {};
  std::sort(names.begin(), names.end());
  std::string outline;
  for (const std::string& name : names) {
    std::uint64_t bytes = 0;
    if (name.starts_with("MANIFEST-")) static_cast<void>(env.GetFileSize((directory / name).string(), &bytes));
    outline += name + ' ' + std::to_string(bytes) + '\n';
  }
  std::string current;
  static_cast<void>(rocksdb::ReadFileToString(&env, (directory / "CURRENT").string(), &current));
  return outline + current;
}

/// Reads without the lock. An error is the store's own only where nothing has changed meanwhile: else another process
/// may have deleted what was about to be read.
template <class Read>
auto until_it_stands_still(rocksdb::Env& env, const fs::path& directory, Read&& read) {
  for (int tries = 1;; ++tries) {
    const std::string before = outline_of(env, directory);
    auto result = read();
    if (result || tries == max_tries || outline_of(env, directory) == before) return result;
  }
}

/// LZ4 where this RocksDB was built with it.
rocksdb::CompressionType compression() {
  const std::vector<rocksdb::CompressionType> known = rocksdb::GetSupportedCompressions();
  const bool lz4 = std::find(known.begin(), known.end(), rocksdb::kLZ4Compression) != known.end();
  return lz4 ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
}

class rocksdb_cursor final : public cursor {
 public:
  rocksdb_cursor(std::unique_ptr<rocksdb::Iterator> rows, std::string to, fs::path directory)
      : rows_(std::move(rows)), to_(std::move(to)), directory_(std::move(directory)) {}
  bool valid() const override { return rows_->Valid() && (to_.empty() || rows_->key().compare(to_) < 0); }
  std::string_view key() const override { return {rows_->key().data(), rows_->key().size()}; }
  std::string_view value() const override { return {rows_->value().data(), rows_->value().size()}; }
  void next() override { rows_->Next(); }
  void seek(std::string_view key) override { rows_->Seek(rocksdb::Slice(key.data(), key.size())); }
  storage_result<void> status() const override {
    if (rows_->status().ok() || planted(bug::read_error_is_the_end)) return {};
    return unexpected(to_error(rows_->status(), directory_));
  }

 private:
  std::unique_ptr<rocksdb::Iterator> rows_;
  const std::string to_;
  const fs::path directory_;
};

class rocksdb_store final : public key_value_store {
 public:
  explicit rocksdb_store(const rocksdb_options& options) : options_(options) {
    rocksdb::Env* base = options.env != nullptr ? options.env : rocksdb::Env::Default();
    env_ = rocksdb::NewCompositeEnv(make_counting_file_system(base->GetFileSystem(), counters_));
  }

  ~rocksdb_store() override {
    if (!db_) return;
    for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
    db_->Close();
  }

  storage_result<void> open() {
    const auto nothing_there = [this] {
      return unexpected(storage_error{storage_errc::missing, named(options_.directory) + " does not exist or is empty; "
                                                             "check the path, or start a workflow there first"});
    };
    if (options_.read_only && !env_->FileExists((options_.directory / "CURRENT").string()).ok()) return nothing_there();
    const auto complete =
        until_it_stands_still(*env_, options_.directory, [this] { return check_directory(*env_, options_.directory); });
    if (!complete) return unexpected(complete.error());
    if (options_.read_only && !*complete) return nothing_there();  // what an interrupted first start left
    rocksdb::Status status = open_families(family_count);
    // An older evermill's, which nothing is created in: what came later is empty.
    if (options_.read_only && status.IsInvalidArgument()) status = open_families(oldest_family_count);
    if (!status.ok()) return unexpected(open_error(status, options_.directory));
    return {};
  }

  storage_result<void> write(const write_batch& batch) override {
    if (options_.read_only) return unexpected(only_reading());
    if (failed_) {
      return unexpected(storage_error{storage_errc::io, "data directory \"" + options_.directory.string() +
                                                            "\": an earlier write failed; open the store anew"});
    }
    rocksdb::WriteBatch rows(batch.bytes() + 64);
    rocksdb::WriteOptions how;
    how.sync = options_.sync && !planted(bug::skip_sync);
    batch.for_each(writer{*this, rows, how});
    if (planted(bug::lose_last_record)) static_cast<void>(rows.RollbackToSavePoint());
    const rocksdb::Status status = db_->Write(how, &rows);
    if (!status.ok()) {
      failed_ = true;
      return unexpected(to_error(status, options_.directory));
    }
    ++commits_;
    return {};
  }

  storage_result<bool> get(family f, std::string_view key, std::string& value) const override {
    if (handle(f) == nullptr) return false;
    const rocksdb::Status status =
        db_->Get(rocksdb::ReadOptions(), handle(f), rocksdb::Slice(key.data(), key.size()), &value);
    if (status.IsNotFound()) return false;
    if (!status.ok()) return unexpected(to_error(status, options_.directory));
    return true;
  }

  std::unique_ptr<cursor> scan(family f, std::string_view from, std::string_view to) const override {
    rocksdb::ReadOptions how;
    how.total_order_seek = f != family::journal || !within_one_run(from, to);
    // There are none here, and RocksDB before 8.6 loses a table's read error where it looks for them.
    how.ignore_range_deletions = true;
    std::unique_ptr<rocksdb::Iterator> rows(handle(f) != nullptr ? db_->NewIterator(how, handle(f)) : rocksdb::NewEmptyIterator());
    rows->Seek(rocksdb::Slice(from.data(), from.size()));
    return std::make_unique<rocksdb_cursor>(std::move(rows), std::string(to), options_.directory);
  }

  bool durable() const override { return options_.sync; }

  store_statistics statistics() const override {
    store_statistics sum;
    sum.commits = commits_;
    sum.syncs = counters_.syncs;
    sum.bytes_written = counters_.bytes_written;
    sum.block_cache_bytes = cache_->GetUsage();
    for (rocksdb::ColumnFamilyHandle* columns : handles_) {
      const auto add = [&](const std::string& property, std::uint64_t& to) {
        std::uint64_t bytes = 0;
        if (db_->GetIntProperty(columns, property, &bytes)) to += bytes;
      };
      add(rocksdb::DB::Properties::kTotalSstFilesSize, sum.bytes_on_disk);
      add(rocksdb::DB::Properties::kCurSizeAllMemTables, sum.memtable_bytes);
      add(rocksdb::DB::Properties::kEstimatePendingCompactionBytes, sum.pending_compaction_bytes);
    }
    return sum;
  }

  storage_result<void> check_files() const override {
    rocksdb::ReadOptions how;
    how.verify_checksums = true;
    how.fill_cache = false;
    const rocksdb::Status status = db_->VerifyChecksum(how);
    if (!status.ok()) return unexpected(to_error(status, options_.directory));
    return {};
  }

  storage_result<void> compact() override {
    if (options_.read_only) return unexpected(only_reading());
    for (rocksdb::ColumnFamilyHandle* columns : handles_) {
      rocksdb::Status status = db_->Flush(rocksdb::FlushOptions(), columns);
      if (status.ok()) status = db_->CompactRange(rocksdb::CompactRangeOptions(), columns, nullptr, nullptr);
      if (!status.ok()) return unexpected(to_error(status, options_.directory));
    }
    return {};
  }

  storage_result<void> flush(family f) {
    const rocksdb::Status status = db_->Flush(rocksdb::FlushOptions(), handle(f));
    if (!status.ok()) return unexpected(to_error(status, options_.directory));
    return {};
  }

 private:
  storage_error only_reading() const { return {storage_errc::read_only, named(options_.directory) + " was opened for reading"}; }

  struct writer {
    rocksdb_store& store;
    rocksdb::WriteBatch& rows;
    rocksdb::WriteOptions& how;
    void put(family f, std::string_view key, std::string_view value) {
      if (planted(bug::skip_sync_of_one_family) && f == family::outbox) how.sync = false;
      if (planted(bug::lose_last_record)) rows.SetSavePoint();
      if (planted(bug::split_batch) && f == family::partitions) {
        static_cast<void>(store.db_->Write(how, &rows));
        rows.Clear();
      }
      rows.Put(store.handle(f), {key.data(), key.size()}, {value.data(), value.size()});
    }
    void erase(family f, std::string_view key) { rows.Delete(store.handle(f), {key.data(), key.size()}); }
  };

  rocksdb::Status open_families(std::size_t count) {
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (std::size_t i = 0; i < count; ++i) families.emplace_back(family_names[i], family_options(static_cast<family>(i)));
    rocksdb::DB* opened = nullptr;
    const rocksdb::DBOptions db = database_options();
    const std::string directory = options_.directory.string();
    const rocksdb::Status status = options_.read_only
                                       ? rocksdb::DB::OpenForReadOnly(db, directory, families, &handles_, &opened)
                                       : rocksdb::DB::Open(db, directory, families, &handles_, &opened);
    db_.reset(opened);
    return status;
  }

  /// Null: of a family that the store has not.
  rocksdb::ColumnFamilyHandle* handle(family f) const {
    const auto number = static_cast<std::size_t>(f);
    return number < handles_.size() ? handles_[number] : nullptr;
  }

  rocksdb::DBOptions database_options() const {
    rocksdb::DBOptions db;
    db.env = env_.get();
    db.create_if_missing = true;
    db.create_missing_column_families = true;
    // A bad record that is followed by a good one is corruption; only what a crash can tear off is forgiven.
    db.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
    if (planted(bug::skip_damaged_records)) db.wal_recovery_mode = rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
    db.track_and_verify_wals_in_manifest = true;
    db.max_total_wal_size = max_wal_bytes;
    db.db_write_buffer_size = options_.memtable_bytes;
    db.max_background_jobs = 2;
    db.allow_concurrent_memtable_write = false;  // there is one writer
    db.info_log = make_rocksdb_lines(options_.lines);
    db.stats_dump_period_sec = 0;
    db.stats_persist_period_sec = 0;
    if (options_.manual_background_work) {
      db.max_total_wal_size = std::numeric_limits<std::uint64_t>::max();
      db.db_write_buffer_size = 0;
    }
    return db;
  }

  rocksdb::ColumnFamilyOptions family_options(family f) const {
    rocksdb::ColumnFamilyOptions columns;
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = cache_;
    table.cache_index_and_filter_blocks = true;
    table.format_version = 5;
    if (f == family::instances) {
      table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(bloom_bits_per_key));
      columns.memtable_prefix_bloom_size_ratio = 0.05;
      columns.memtable_whole_key_filtering = true;
    }
    columns.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    if (f == family::journal) {
      // A row is looked for within its run: a skip list over all runs costs a cache miss per level.
      columns.prefix_extractor = make_run_prefix();
      columns.memtable_factory.reset(rocksdb::NewHashSkipListRepFactory(
          std::clamp(options_.memtable_bytes / bytes_per_bucket, fewest_buckets, most_buckets), memtable_levels));
    }
    columns.compression = compression();
    columns.write_buffer_size = options_.memtable_bytes / 2;
    // Where many executions start and end, a list of those that run passes the erased rows of a memtable.
    if (f == family::executions) columns.write_buffer_size = std::min(columns.write_buffer_size, max_index_memtable_bytes);
    if (options_.manual_background_work) {
      columns.disable_auto_compactions = true;
      columns.write_buffer_size = never_full_bytes;
      columns.memtable_prefix_bloom_size_ratio = 0;  // it would be a share of that
      columns.arena_block_size = manual_arena_block_bytes;
    }
    return columns;
  }

  const rocksdb_options options_;
  file_counters counters_;
  std::unique_ptr<rocksdb::Env> env_;
  std::shared_ptr<rocksdb::Cache> cache_ = rocksdb::NewLRUCache(options_.block_cache_bytes);
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  std::atomic<std::uint64_t> commits_{0};
  std::atomic<bool> failed_{false};
};

storage_result<std::unique_ptr<key_value_store>> open_once(const rocksdb_options& options) {
  auto store = std::make_unique<rocksdb_store>(options);
  if (auto opened = store->open(); !opened) return unexpected(opened.error());
  return store;
}

}  // namespace

storage_result<void> flush_family(key_value_store& store, family f) { return dynamic_cast<rocksdb_store&>(store).flush(f); }

storage_result<std::unique_ptr<key_value_store>> open_rocksdb_store(const rocksdb_options& options) {
  if (options.env == nullptr && !options.read_only) {
    if (auto created = prepare_directory(options.directory); !created) return unexpected(created.error());
  }
  if (!options.read_only) return open_once(options);
  rocksdb::Env& env = options.env != nullptr ? *options.env : *rocksdb::Env::Default();
  return until_it_stands_still(env, options.directory, [&] { return open_once(options); });
}

}  // namespace evermill::storage
