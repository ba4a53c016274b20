#include "observed_store.hpp"

#include <xxhash.h>

#include <algorithm>

#include "storage/keys.hpp"
#include "storage/memory_store.hpp"
#include "storage/rocksdb_store.hpp"
#include "storage/row_access.hpp"
#include "storage/rows.hpp"

namespace evermill::simulation {
namespace {

using storage::family;

storage::storage_error gone() { return {storage::storage_errc::io, "the simulated process is dead"}; }
storage::storage_error disk_failed() { return {storage::storage_errc::io, "the simulated memory failed"}; }

std::uint64_t digest_of(const storage::write_batch& batch) {
  struct {
    std::uint64_t digest = 0;
    void add(family f, std::string_view text) {
      digest = XXH3_64bits_withSeed(text.data(), text.size(), digest + static_cast<std::uint64_t>(f));
    }
    void put(family f, std::string_view key, std::string_view value) {
      add(f, key);
      add(f, value);
    }
    void erase(family f, std::string_view key) { add(f, key); }
  } visitor;
  batch.for_each(visitor);
  return visitor.digest;
}

/// Where the two differ, or `is` can't be read.
struct comparison {
  std::string where;  ///< "": nowhere
  bool unreadable = false;
};

comparison compare_family(family f, const storage::key_value_store& store, const storage::key_value_store& wanted) {
  const std::string name = "family " + std::to_string(static_cast<int>(f));
  const auto is = store.scan(f, "", "");
  const auto must = wanted.scan(f, "", "");
  for (; is->valid() && must->valid(); is->next(), must->next()) {
    if (is->key() != must->key() || is->value() != must->value()) return {"a row of " + name};
    std::string value;
    if (f != family::instances) continue;  // the one that is read by key
    const auto got = store.get(f, is->key(), value);
    if (!got) return {got.error().message, true};
    if (!*got || value != must->value()) return {"a row of " + name + ", read by its key"};
  }
  if (const auto status = is->status(); !status) return {status.error().message, true};
  if (is->valid()) return {"a row too many in " + name};
  if (must->valid()) return {"a row is missing in " + name};
  return {};
}

comparison compare(const storage::key_value_store& store, const storage::key_value_store& wanted) {
  comparison worst;
  for (std::size_t i = 0; i < storage::family_count; ++i) {
    comparison one = compare_family(static_cast<family>(i), store, wanted);
    if (!one.where.empty() && !one.unreadable) return one;
    if (one.unreadable) worst = std::move(one);
  }
  return worst;
}

}  // namespace

// --- its life

observed_store::observed_store(run_record& record)
    : record_(record), consumed_(*this, record), twin_(storage::make_memory_store()) {}

void observed_store::attach(std::unique_ptr<storage::key_value_store> real, const simulated_disk* disk) {
  real_ = std::move(real);
  disk_ = disk;
  alive_ = true;
  failed_ = false;
  failed_batches_.clear();  // what is decided after the store was read again may be the same
  if (unknown_ && difference()) {
    record_.count("fault: a failed write was durable");
    apply(*unknown_);
  } else if (unknown_) {
    record_.count("fault: a failed write was lost");
  }
  unknown_.reset();
  check_contents();
}

void observed_store::attach_memory() {
  alive_ = true;
  failed_ = false;
  failed_batches_.clear();
  planned_failure_.reset();
}

void observed_store::detach() {
  alive_ = false;
  real_.reset();
}

// --- reads and writes

storage::storage_result<void> observed_store::write(const storage::write_batch& batch) {
  if (!alive_) return unexpected(gone());
  const std::uint64_t digest = digest_of(batch);
  if (failed_batches_.contains(digest)) record_.finding("a batch whose outcome is unknown was written again");
  const auto written = real_ ? real_->write(batch) : write_to_memory(batch);
  if (!written) {
    failed_ = true;
    failed_batches_.insert(digest);
    if (real_ && !unknown_) unknown_ = batch;
    record_.trace("write failed");
    return written;
  }
  if (failed_) record_.finding("a write succeeded after one whose outcome is unknown");
  if (real_ && disk_->unsynced_log_bytes() > 0) record_.finding("a write succeeded that a power cut can take");
  ++commits_;
  record_.trace("commit " + std::to_string(commits_) + " " + std::to_string(digest));
  apply(batch);
  return {};
}

storage::storage_result<void> observed_store::write_to_memory(const storage::write_batch& batch) {
  if (failed_) return unexpected(disk_failed());
  if (!planned_failure_) return {};
  record_.count(*planned_failure_ ? "fault: a failed write was durable" : "fault: a failed write was lost");
  if (*std::exchange(planned_failure_, std::nullopt)) apply(batch);
  return unexpected(disk_failed());
}

storage::storage_result<bool> observed_store::get(family f, std::string_view key, std::string& value) const {
  if (!alive_) return unexpected(gone());
  if (real_) return real_->get(f, key, value);
  auto found = twin_->get(f, key, value);
  if (damaged_ && *found && damaged_->where.family == f && damaged_->where.key == key) {
    value[damaged_->byte] ^= damaged_->flip;
    damaged_->read = true;
  }
  return found;
}

class observed_store::damaged_cursor final : public storage::cursor {
 public:
  damaged_cursor(std::unique_ptr<storage::cursor> rows, std::shared_ptr<const damaged_row> damage)
      : rows_(std::move(rows)), damage_(std::move(damage)) {}
  bool valid() const override { return rows_->valid(); }
  std::string_view key() const override { return rows_->key(); }
  std::string_view value() const override {
    if (rows_->key() != damage_->where.key) return rows_->value();
    damage_->read = true;
    altered_ = rows_->value();
    altered_[damage_->byte] ^= damage_->flip;
    return altered_;
  }
  void next() override { rows_->next(); }
  void seek(std::string_view key) override { rows_->seek(key); }
  storage::storage_result<void> status() const override { return {}; }

 private:
  const std::unique_ptr<storage::cursor> rows_;
  const std::shared_ptr<const damaged_row> damage_;
  mutable std::string altered_;
};

std::unique_ptr<storage::cursor> observed_store::scan(family f, std::string_view from, std::string_view to) const {
  if (real_) return real_->scan(f, from, to);
  auto rows = twin_->scan(f, from, to);
  if (!damaged_ || damaged_->where.family != f) return rows;
  return std::make_unique<damaged_cursor>(std::move(rows), damaged_);
}

void observed_store::damage_a_row(const chooser& choose) {
  std::vector<std::pair<place, std::size_t>> rows;
  for (std::size_t i = 0; i < storage::family_count; ++i) {
    for (auto row = twin_->scan(static_cast<family>(i), "", ""); row->valid(); row->next()) {
      rows.push_back({{static_cast<family>(i), std::string(row->key())}, row->value().size()});
    }
  }
  if (rows.empty()) return;
  const auto& [where, bytes] = rows[choose(rows.size())];
  const auto byte = static_cast<std::size_t>(choose(bytes));
  damaged_ = std::make_shared<damaged_row>(damaged_row{where, byte, static_cast<char>(1 << choose(8))});
  record_.trace("a bit flips in family " + std::to_string(static_cast<int>(where.family)));
}

storage::storage_result<void> observed_store::compact() {
  if (!real_) return {};
  return real_->compact();
}

storage::storage_result<void> observed_store::flush(storage::family f) {
  if (!real_) return {};
  return storage::flush_family(*real_, f);
}

// --- what must be there

void observed_store::check_contents() {
  if (!real_) return;
  if (const auto where = difference()) record_.finding("the store does not hold what was durable: " + *where);
}

std::optional<std::string> observed_store::difference() const {
  comparison found = compare(*real_, *twin_);
  if (found.where.empty()) return std::nullopt;
  return std::move(found.where);
}

observed_store::contents observed_store::judge(const storage::key_value_store& other, std::string& where) const {
  const comparison found = compare(other, *twin_);
  where = found.where;
  if (found.unreadable) return contents::unreadable;
  if (found.where.empty()) return contents::right;
  if (unknown_) {
    const comparison with = compare(other, *twin_and(*unknown_));
    if (with.unreadable) return contents::unreadable;
    if (with.where.empty()) return contents::right;
  }
  storage::write_batch undone;
  for (const auto& [where, value] : before_last_write_) {
    value ? undone.put(where.family, where.key, *value) : undone.erase(where.family, where.key);
  }
  return compare(other, *twin_and(undone)).where.empty() ? contents::without_last_write : contents::wrong;
}

std::unique_ptr<storage::key_value_store> observed_store::twin_and(const storage::write_batch& more) const {
  auto twin = storage::make_memory_store();
  for (std::size_t i = 0; i < storage::family_count; ++i) {
    storage::write_batch rows;
    for (auto row = twin_->scan(static_cast<family>(i), "", ""); row->valid(); row->next()) {
      rows.put(static_cast<family>(i), row->key(), row->value());
    }
    static_cast<void>(twin->write(rows));
  }
  static_cast<void>(twin->write(more));
  return twin;
}

// --- what becomes durable

void observed_store::apply(const storage::write_batch& batch) {
  before_last_write_.clear();
  struct {
    observed_store& store;
    storage::write_batch one{};
    void remember(family f, std::string_view key) {
      std::string value;
      const bool was_there = *store.twin_->get(f, key, value);
      const bool damaged = store.damaged_ && store.damaged_->where.family == f && store.damaged_->where.key == key;
      if (damaged) store.mend();  // written anew
      store.before_last_write_.try_emplace({f, std::string(key)}, was_there ? std::optional(std::move(value)) : std::nullopt);
    }
    void put(family f, std::string_view key, std::string_view value) {
      remember(f, key);
      store.apply_put(f, key, value);
    }
    void erase(family f, std::string_view key) {
      if (f == family::journal) store.record_.finding("a turn was erased from a journal");
      remember(f, key);
      one.clear();
      one.erase(f, key);
      static_cast<void>(store.twin_->write(one));
    }
  } visitor{*this};
  batch.for_each(visitor);
}

void observed_store::apply_put(family f, std::string_view key, std::string_view value) {
  if (f == family::journal) index_turn(key, value);
  if (f == family::instances) index_header(key, value);
  storage::write_batch one;
  one.put(f, key, value);
  static_cast<void>(twin_->write(one));
  if (f == family::inbox) index_parked(key, value);
  if (f == family::partitions) index_state(key, value);
}

void observed_store::index_turn(std::string_view key, std::string_view value) {
  std::string_view rest = key;
  run_id id;
  id.partition = storage::take_partition(rest)->value;
  id.run = *storage::take_number(rest);
  const std::uint64_t first = *storage::take_number(rest);
  messages::TurnRecord turn;
  const std::string name = "journal of partition " + std::to_string(id.partition) + ", run " + std::to_string(id.run) +
                           ", event " + std::to_string(first);
  if (!storage::parse_message(family::journal, key, value, name, turn)) return record_.finding(name + " is unreadable");
  if (!turn.events().empty()) check_attempt(id, turn.events(0), name);
  const std::string wrong = journals_[id].append(first, std::move(turn));
  if (!wrong.empty()) record_.finding(name + " " + wrong);
}

/// Only the attempt that counts may close its activity.
void observed_store::check_attempt(const run_id& id, const messages::Event& event, const std::string& name) {
  const attempt_end end = attempt_end_of(event);
  if (end.seq == 0 || !is_open(id.partition, id.run, end.seq)) return;  // the model tells
  if (end.attempt != current_attempt(id.partition, id.run, end.seq)) {
    record_.finding(name + " is the end of an attempt that did not count any more");
  }
}

void observed_store::index_parked(std::string_view key, std::string_view value) {
  messages::DecisionEvent parked;
  if (!storage::parse_message(family::inbox, key, value, "parked", parked)) return record_.finding("an unreadable inbox");
  const std::uint16_t partition = storage::take_partition(key)->value;
  parked_for_[parked.event().SerializeAsString()] = {partition, parked.run_number()};
}

void observed_store::index_header(std::string_view key, std::string_view value) {
  messages::InstanceHeader header;
  if (!storage::parse_message(family::instances, key, value, "header", header)) {
    return record_.finding("an unreadable header");
  }
  if (header.blocked().reason() == messages::Blocked::STUCK) record_.count("execution stuck");
  if (header.blocked().reason() == messages::Blocked::UNSERVED) record_.count("execution unserved");
}

void observed_store::index_state(std::string_view key, std::string_view value) {
  messages::PartitionState state;
  if (!storage::parse_message(family::partitions, key, value, "state", state)) {
    return record_.finding("an unreadable state of a partition");
  }
  consumed_.on_state(*storage::take_partition(key), state);
}

// --- questions

const durable_journal* observed_store::journal(std::uint16_t partition, std::uint64_t run) const {
  const auto found = journals_.find({partition, run});
  return found != journals_.end() ? &found->second : nullptr;
}

const run_id* observed_store::last_parked_for(const messages::Event& event) const {
  const auto found = parked_for_.find(event.SerializeAsString());
  return found != parked_for_.end() ? &found->second : nullptr;
}

bool observed_store::is_open(std::uint16_t partition, std::uint64_t run, std::uint64_t seq) const {
  const durable_journal* of = journal(partition, run);
  return of != nullptr && !of->ended && of->open.contains(seq);
}

bool observed_store::is_parked(std::uint16_t partition, std::uint64_t run, std::uint64_t seq) const {
  const auto rows = storage::scan_parked(*twin_, partition_id(partition), run_number(run));
  return rows && std::any_of(rows->begin(), rows->end(), [&](const auto& row) { return closed_by(row.second.event()) == seq; });
}

attempt_id observed_store::current_attempt(std::uint16_t partition, std::uint64_t run, std::uint64_t seq) const {
  const auto work = storage::find_open_work(*twin_, partition_id(partition), run_number(run));
  if (work && *work) {
    for (const auto& [scheduled, activity] : (*work)->activities) {
      if (scheduled.value == seq) return {activity.attempt(), activity.dispatch_boot()};
    }
  }
  const durable_journal* of = journal(partition, run);
  const auto first = of != nullptr ? of->open.find(seq) : std::map<std::uint64_t, attempt_id>::const_iterator{};
  return of != nullptr && first != of->open.end() ? first->second : attempt_id{};
}

bool observed_store::holds(std::uint16_t partition, const std::string& workflow_id, const messages::Event& request) const {
  const std::string wanted = request.SerializeAsString();
  for (auto found = journals_.lower_bound({partition, 0}); found != journals_.end(); ++found) {
    if (found->first.partition != partition) break;
    if (found->second.workflow_id != workflow_id) continue;
    for (const messages::TurnRecord& turn : found->second.turns) {
      if (turn.events(0).event_case() == request.event_case() && turn.events(0).SerializeAsString() == wanted) return true;
    }
  }
  for (auto rows = twin_->scan(family::inbox, "", ""); rows->valid(); rows->next()) {
    messages::DecisionEvent parked;
    if (!storage::parse_message(family::inbox, rows->key(), rows->value(), "parked", parked)) continue;
    if (parked.workflow_id() == workflow_id && parked.event().SerializeAsString() == wanted) return true;
  }
  return false;
}

}  // namespace evermill::simulation
