#include "cluster/snapshot.hpp"

#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "base/planted.hpp"
#include "cluster/streams.hpp"
#include "cluster/waiting_reader.hpp"
#include "messages/record.hpp"
#include "storage/keys.hpp"
#include "storage/log_judge.hpp"

namespace evermill::cluster {
namespace {

using queue::broker_errc;
using queue::broker_error;
using queue::broker_result;
using queue::position;
using storage::storage_errc;
using storage::storage_error;
using storage::storage_result;

constexpr std::size_t rows_overhead_bytes = 1024;
constexpr std::size_t bytes_on_their_way = 8u << 20;
constexpr std::chrono::seconds snapshot_step_limit{60};  // for the broker to answer or to give something
constexpr std::size_t rows_per_write = 1000;
constexpr std::size_t snapshot_poll_limit = 64;
constexpr std::size_t most_begun = 16;  // that are not ended, when a stream is read

std::string prefix_of(partition_id partition) {
  std::string key;
  storage::append_partition(key, partition);
  return key;
}

/// Of those whose rows belong to one partition each, and are what its commits say.
bool is_of_partition(storage::family f) { return f != storage::family::description && f != storage::family::log_positions; }

std::string record_key(partition_id partition) { return "snapshot/" + prefix_of(partition); }

broker_error damaged(partition_id partition, const std::string& what) {
  return {broker_errc::refused, "the snapshot of partition " + std::to_string(partition.value) + " in the stream \"" +
                                    snapshot_stream_name + "\" " + what};
}

/// Appends records one after the other, some at a time on their way.
class steady_writer {
 public:
  steady_writer(queue::broker& broker, partition_id partition) : broker_(broker), partition_(partition) {}

  broker_result<void> append(const messages::SnapshotRecord& what) {
    queue::record record;
    append_record(record.value, record_key(partition_), what);
    const std::size_t bytes = record.value.size();
    bytes_ += bytes;
    if (auto room = wait([&] { return state_->on_their_way + bytes <= bytes_on_their_way || state_->on_their_way == 0; }); !room) {
      return room;
    }
    {
      const std::lock_guard lock(state_->mutex);
      state_->on_their_way += bytes;
    }
    std::vector<queue::record> records;
    records.push_back(std::move(record));
    auto taken = broker_.append({snapshot_stream_name, partition_.value}, std::move(records),
                                [state = state_, bytes](const broker_result<position>& at) { state->answered(bytes, at); });
    if (!taken) state_->answered(bytes, unexpected(taken.error()));
    return {};
  }
  /// Of the last record.
  broker_result<position> finish() {
    if (auto done = wait([&] { return state_->on_their_way == 0; }); !done) return unexpected(done.error());
    return state_->last;
  }
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  struct progress {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t on_their_way = 0;
    position last = 0;
    std::optional<broker_error> error;

    void answered(std::size_t bytes, const broker_result<position>& at) {
      const std::lock_guard lock(mutex);
      on_their_way -= bytes;
      if (at) last = std::max(last, *at);
      if (at && *at == 0 && !error) error = {broker_errc::unavailable, "the broker does not know where it has put a part of the snapshot"};
      if (!at && !error) error = at.error();
      changed.notify_all();
    }
  };

  template <class Condition>
  broker_result<void> wait(Condition&& condition) {
    std::unique_lock lock(state_->mutex);
    const bool is_so = state_->changed.wait_for(lock, snapshot_step_limit, [&] { return state_->error || condition(); });
    if (state_->error) return unexpected(*state_->error);
    if (!is_so) return unexpected(broker_error{broker_errc::unavailable, "the broker does not answer"});
    return {};
  }

  queue::broker& broker_;
  const partition_id partition_;
  const std::shared_ptr<progress> state_ = std::make_shared<progress>();
  std::uint64_t bytes_ = 0;
};

/// Only of a planted bug.
[[maybe_unused]] position bounds_of_log_end(queue::broker& broker, partition_id partition) {
  const auto bounds = broker.bounds({log_stream_name, partition.value});
  return bounds ? bounds->last : 0;
}

/// Calls `each(at, record)` for every record of the partition's snapshots behind `after` through `last`, until it gives false.
template <class Each>
broker_result<void> read_records(queue::broker& broker, partition_id partition, position after, position last, Each&& each) {
  auto reader = waiting_reader::open(broker, {snapshot_stream_name, partition.value}, after);
  if (!reader) return unexpected(reader.error());
  std::vector<queue::stored_record> polled;
  for (position at = after; at < last;) {
    polled.clear();
    if (const auto count = reader->poll(polled, snapshot_poll_limit, snapshot_step_limit); !count) return unexpected(count.error());
    for (const queue::stored_record& record : polled) {
      at = record.at;
      if (at > last) return {};
      messages::SnapshotRecord what;
      if (const auto parsed = parse_record(record_key(partition), record.what.value, what); !parsed) {
        return unexpected(damaged(partition, "can't be read at " + std::to_string(at) + ": " + std::string(to_string(parsed.error()))));
      }
      if (!each(at, std::move(what))) return {};
    }
  }
  return {};
}

/// Follows the records of one snapshot, and says whether they are all there and as they were written.
class checker {
 public:
  explicit checker(const messages::SnapshotBegin& begin) : id_(begin.id()) {}

  bool is_of_it(const std::string& id) const { return id == id_; }
  /// False: something is missing.
  bool add(const messages::SnapshotRows& rows) {
    if (rows.part() != parts_) return false;
    ++parts_;
    hash_ = XXH3_64bits_withSeed(rows.operations().data(), rows.operations().size(), hash_);
    return true;
  }
  bool is_whole(const messages::SnapshotEnd& end) const { return end.parts() == parts_ && end.checksum() == hash_; }
  std::uint32_t parts() const noexcept { return parts_; }
  std::uint64_t checksum() const noexcept { return hash_; }

 private:
  std::string id_;
  std::uint32_t parts_ = 0;
  std::uint64_t hash_ = 0;
};

struct found_snapshot {
  position before = 0;  ///< its first record is the next one
  position last = 0;
  messages::SnapshotBegin begin;
};

/// Those that are whole, of those that begin behind `before` and end at `last` or earlier. Records of several may lie between each
/// other: whoever has lost the partition may not know yet.
broker_result<std::vector<found_snapshot>> find_whole(queue::broker& broker, partition_id partition, position before, position last) {
  struct candidate {
    found_snapshot found;
    checker check;
  };
  std::vector<found_snapshot> whole;
  std::deque<candidate> begun;
  const auto find = [&](const std::string& id) {
    return std::find_if(begun.begin(), begun.end(), [&](const candidate& each) { return each.check.is_of_it(id); });
  };
  auto read = read_records(broker, partition, before, last, [&](position at, messages::SnapshotRecord&& record) {
    if (record.has_begin()) {
      if (begun.size() == most_begun) begun.pop_front();
      const checker check(record.begin());
      begun.push_back({{before, 0, std::move(*record.mutable_begin())}, check});
    } else if (record.has_rows()) {
      if (const auto its = find(record.rows().id()); its != begun.end() && !its->check.add(record.rows())) begun.erase(its);
    } else if (record.has_end()) {
      if (const auto its = find(record.end().id()); its != begun.end()) {
        if (its->check.is_whole(record.end())) {
          its->found.last = at;
          whole.push_back(std::move(its->found));
        }
        begun.erase(its);
      }
    }
    before = at;
    return true;
  });
  if (!read) return unexpected(read.error());
  return whole;
}

/// The one that goes on furthest in the log, which need not be the one that was written last. Null: there is none.
const found_snapshot* best_of(const std::vector<found_snapshot>& whole) {
  const auto best = std::max_element(whole.begin(), whole.end(), [](const found_snapshot& a, const found_snapshot& b) {
    return a.begin.position().position() < b.begin.position().position();
  });
  return best == whole.end() ? nullptr : &*best;
}

storage_result<void> erase_rows(storage::key_value_store& store, partition_id partition) {
  const std::string from = prefix_of(partition);
  storage::write_batch batch;
  storage::erase_log_position(batch, partition);
  if (auto erased = store.write(batch); !erased) return erased;
  for (std::size_t i = 0; i < storage::family_count; ++i) {
    const auto f = static_cast<storage::family>(i);
    if (!is_of_partition(f)) continue;
    const auto rows = store.scan(f, from, storage::end_of(from));
    for (batch.clear(); rows->valid(); rows->next()) {
      batch.erase(f, rows->key());
      if (batch.count() < rows_per_write) continue;
      if (auto erased = store.write(batch); !erased) return erased;
      batch.clear();
    }
    if (auto status = rows->status(); !status) return status;
    if (batch.empty()) continue;
    if (auto erased = store.write(batch); !erased) return erased;
  }
  return {};
}

}  // namespace

storage_result<std::optional<snapshot_rows>> look_at_rows(const storage::key_value_store& store, partition_id partition) {
  auto position = storage::load_log_position(store, partition);
  if (!position) return unexpected(position.error());
  if (position->cluster_id().empty()) return std::optional<snapshot_rows>();
  snapshot_rows found{partition, std::move(*position), {}};
  const std::string from = prefix_of(partition);
  for (std::size_t i = 0; i < storage::family_count; ++i) {
    const auto f = static_cast<storage::family>(i);
    if (is_of_partition(f)) found.families.push_back({f, store.scan(f, from, storage::end_of(from))});
  }
  return std::optional(std::move(found));
}

broker_result<std::uint64_t> write_snapshot(queue::broker& broker, snapshot_rows&& rows, const std::string& member,
                                            random_source& random) {
  const std::string id = make_uuid(random);
  const std::size_t part_bytes = broker.max_record_bytes() - rows_overhead_bytes;
  messages::SnapshotRecord begin;
  begin.mutable_begin()->set_id(id);
  begin.mutable_begin()->set_member(member);
  *begin.mutable_begin()->mutable_position() = rows.position;
  const auto bounds = broker.bounds({snapshot_stream_name, rows.partition.value});
  if (!bounds) return unexpected(bounds.error());
  steady_writer writer(broker, rows.partition);
  if (auto written = writer.append(begin); !written) return unexpected(written.error());
  checker sum(begin.begin());
  std::string gathered;
  const auto write_parts = [&](bool all) -> broker_result<void> {
    while (gathered.size() >= part_bytes || (all && !gathered.empty())) {
      messages::SnapshotRecord part;
      part.mutable_rows()->set_id(id);
      part.mutable_rows()->set_part(sum.parts());
      part.mutable_rows()->set_operations(gathered.substr(0, part_bytes));
      gathered.erase(0, std::min(part_bytes, gathered.size()));
      sum.add(part.rows());
      if (auto written = writer.append(part); !written) return written;
    }
    return {};
  };
  for (auto& [family, cursor] : rows.families) {
    storage::write_batch batch;
    for (; cursor->valid(); cursor->next()) {
      batch.put(family, cursor->key(), cursor->value());
      if (batch.bytes() < part_bytes) continue;
      gathered.append(batch.as_bytes());
      batch.clear();
      if (auto written = write_parts(false); !written) return unexpected(written.error());
    }
    if (auto status = cursor->status(); !status) return unexpected(broker_error{broker_errc::refused, status.error().message});
    gathered.append(batch.as_bytes());
  }
  if (auto written = write_parts(true); !written) return unexpected(written.error());
  messages::SnapshotRecord end;
  end.mutable_end()->set_id(id);
  end.mutable_end()->set_parts(sum.parts());
  end.mutable_end()->set_checksum(sum.checksum());
  if (auto written = writer.append(end); !written) return unexpected(written.error());
  const auto last = writer.finish();
  if (!last) return unexpected(last.error());

  const auto whole = find_whole(broker, rows.partition, bounds->first > 0 ? bounds->first - 1 : 0, *last);
  if (!whole) return unexpected(whole.error());
  const bool is_whole = std::any_of(whole->begin(), whole->end(), [&](const found_snapshot& each) { return each.begin.id() == id; });
  if (!is_whole) return unexpected(damaged(rows.partition, "is not as it was written: nothing is trimmed"));
  const found_snapshot& best = *best_of(*whole);
  const position through = planted(bug::trim_log_early) ? bounds_of_log_end(broker, rows.partition) : best.begin.position().position();
  if (auto trimmed = broker.trim({log_stream_name, rows.partition.value}, through); !trimmed) return unexpected(trimmed.error());
  if (best.before > 0) {
    auto trimmed = broker.trim({snapshot_stream_name, rows.partition.value}, best.before);
    if (!trimmed) return unexpected(trimmed.error());
  }
  return writer.bytes();
}

storage_result<void> load_snapshot(queue::broker& broker, partition_id partition, storage::key_value_store& store) {
  const auto failed = [](const broker_error& why) { return unexpected(storage_error{storage_errc::io, why.message}); };
  const auto bounds = broker.bounds({snapshot_stream_name, partition.value});
  if (!bounds) return failed(bounds.error());
  const auto whole = find_whole(broker, partition, bounds->first > 0 ? bounds->first - 1 : 0, bounds->last);
  if (!whole) return failed(whole.error());
  const found_snapshot* const best = best_of(*whole);
  if (best == nullptr) {
    return unexpected(storage_error{storage_errc::missing, "the log of partition " + std::to_string(partition.value) +
                                                               " does not begin at its beginning, and there is no snapshot of it"});
  }
  if (auto erased = erase_rows(store, partition); !erased) return erased;
  std::string left;
  storage_result<void> stored;
  const auto store_whole = [&](std::string&& bytes) -> storage_result<void> {
    left += bytes;
    const std::size_t whole = storage::write_batch::whole_bytes(left);
    auto batch = storage::write_batch::from_bytes(left.substr(0, whole));
    if (!batch) return unexpected(storage_error{storage_errc::corrupt, damaged(partition, "holds no list of rows").message});
    left.erase(0, whole);
    return batch->empty() ? storage_result<void>() : store.write(*batch);
  };
  auto read = read_records(broker, partition, best->before, best->last, [&](position, messages::SnapshotRecord&& record) {
    if (record.has_rows() && record.rows().id() == best->begin.id()) {
      stored = store_whole(std::move(*record.mutable_rows()->mutable_operations()));
    }
    return stored.has_value();
  });
  if (!read) return failed(read.error());
  if (!stored) return stored;
  if (!left.empty()) return unexpected(storage_error{storage_errc::corrupt, damaged(partition, "ends within a row").message});
  storage::write_batch batch;
  storage::put_log_position(batch, partition, best->begin.position());
  return store.write(batch);
}

}  // namespace evermill::cluster
