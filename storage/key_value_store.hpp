// An ordered key-value store with atomic batches: all that evermill asks of a storage engine.
//
// Two implementations, judged by one conformance test: RocksDB (storage/rocksdb_store.hpp) and an in-memory twin
// (storage/memory_store.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.hpp"
#include "evermill/result.hpp"

namespace evermill::storage {

/// Each family is an ordered map of its own. The numbers are part of the storage format.
enum class family : std::uint8_t {
  description = 0,  ///< the store as a whole
  partitions = 1,   ///< one row per partition: positions and counters
  instances = 2,    ///< one row per workflow id
  journal = 3,      ///< one row per turn
  open_work = 4,    ///< what is unfinished, so that recovery need not read journals
  timers = 5,       ///< ordered by time
  outbox = 6,       ///< messages to partitions, until acknowledged
  inbox = 7,        ///< decision events parked for instances that take no turns
  requests = 8,     ///< requests from outside that were done, by their ids
  human_tasks = 9,  ///< one row per open human task
  log_positions = 10,  ///< one row per partition, in a store that follows a commit log
  published = 11,  ///< one row per commit whose turns are to be published, until they are
  executions = 12,  ///< one row per execution, in the order of lists: found again from `instances`
};
inline constexpr std::size_t family_count = 13;

enum class storage_errc {
  io,              ///< the disk or the operating system refused; the outcome of a write is unknown
  no_space,        ///< the disk is full; the outcome of a write is unknown
  corrupt,         ///< data is there but wrong: checksum, gap, undecodable
  locked,          ///< another process has the directory open
  newer_format,    ///< written by a later version
  foreign,         ///< the directory is not an evermill data directory
  read_only,       ///< no permission to write
  missing,         ///< opened for reading, and there is nothing
  mismatch,        ///< opened with a setting that differs from the one it was created with
};

struct storage_error {
  storage_errc code{};
  std::string message;  ///< what, where, and what to do
};

template <class T>
using storage_result = result<T, storage_error>;

/// Writes that take effect together, in order. Not thread-safe. Cheap to reuse: `clear` keeps the memory.
class write_batch {
 public:
  void put(family f, std::string_view key, std::string_view value);
  void erase(family f, std::string_view key);
  void append(const write_batch& other);
  void clear() noexcept { operations_.clear(), count_ = 0; }
  bool empty() const noexcept { return count_ == 0; }
  std::size_t count() const noexcept { return count_; }
  std::size_t bytes() const noexcept { return operations_.size(); }

  /// The operations as they are written into a commit log, and read from it: per operation the family's number (with the highest
  /// bit set where it erases), then key and, unless it erases, value, each after its length as a LEB128 number.
  std::string_view as_bytes() const noexcept { return operations_; }
  /// Nothing where the bytes are no list of operations on families that this build knows.
  static std::optional<write_batch> from_bytes(std::string bytes);
  /// How many bytes of a list of operations that may end within one are whole operations.
  static std::size_t whole_bytes(std::string_view bytes);

  /// Calls `visit.put(family, key, value)` or `visit.erase(family, key)` per operation, in order.
  template <class Visitor>
  void for_each(Visitor&& visit) const;

 private:
  struct operation {
    family target{};
    bool erase = false;
    std::string_view key, value;
  };
  /// Takes an operation off the front of `bytes`, which are not empty; nothing where they hold none.
  static std::optional<operation> take(std::string_view& bytes);

  std::string operations_;
  std::size_t count_ = 0;
};

/// Walks a family in key order, over the state as of its creation. Views are valid until the next move.
class cursor {
 public:
  virtual ~cursor() = default;
  virtual bool valid() const = 0;
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
  virtual void next() = 0;
  /// Goes forward to the first row that is not before `key`, which is not before the current one. Still the same state.
  virtual void seek(std::string_view key) = 0;
  /// Has an error ended the walk early? Look at it when `valid` turns false.
  virtual storage_result<void> status() const = 0;
};

/// What the store has done so far; for figures and for telling durability.
struct store_statistics {
  std::uint64_t commits = 0;        ///< calls of `write`
  std::uint64_t syncs = 0;          ///< of the log, as counted where they are made
  std::uint64_t bytes_written = 0;  ///< to the log and the tables
  std::uint64_t bytes_on_disk = 0;  ///< of the tables
  std::uint64_t memtable_bytes = 0;            ///< written and not in a table yet
  std::uint64_t block_cache_bytes = 0;         ///< of tables, kept to be read again
  std::uint64_t pending_compaction_bytes = 0;  ///< that wait to be written anew; an estimate
};

/// Thread-safe. A write that failed leaves its outcome unknown: the store must be opened anew before it is trusted.
class key_value_store {
 public:
  virtual ~key_value_store() = default;

  /// Applies the batch atomically. On success it is durable: a power cut cannot undo it (when `durable()` says so).
  virtual storage_result<void> write(const write_batch& batch) = 0;

  /// Replaces `value` and returns true, or returns false where the key is absent.
  virtual storage_result<bool> get(family f, std::string_view key, std::string& value) const = 0;

  /// A walk over the keys in [from, to). An empty `to` means to the end.
  virtual std::unique_ptr<cursor> scan(family f, std::string_view from, std::string_view to) const = 0;

  /// Does a successful `write` survive a power cut?
  virtual bool durable() const = 0;

  virtual store_statistics statistics() const = 0;

  /// Reads all that lies on the disk and checks it, needed or not. May take long.
  virtual storage_result<void> check_files() const { return {}; }

  /// Compacts everything; for measuring sizes. May take long.
  virtual storage_result<void> compact() = 0;
};

template <class Visitor>
void write_batch::for_each(Visitor&& visit) const {
  for (std::string_view rest = operations_; !rest.empty();) {
    const auto op = take(rest);
    EVERMILL_CHECK(op, "a batch holds whole operations on known families");
    if (op->erase) {
      visit.erase(op->target, op->key);
    } else {
      visit.put(op->target, op->key, op->value);
    }
  }
}

}  // namespace evermill::storage
