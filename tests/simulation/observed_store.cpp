#include "observed_store.hpp"

#include <xxhash.h>

#include "actors/run.hpp"
#include "storage/keys.hpp"
#include "storage/memory_store.hpp"
#include "storage/row_access.hpp"

namespace evermill::simulation {
namespace {

using storage::family;

storage::storage_error gone() { return {storage::storage_errc::io, "the simulated process is dead"}; }

std::uint64_t digest_of(const storage::write_batch& batch) {
  struct {
    std::uint64_t digest = 0;
    void add(family f, std::string_view text) { digest = XXH3_64bits_withSeed(text.data(), text.size(), digest + static_cast<std::uint64_t>(f)); }
    void put(family f, std::string_view key, std::string_view value) {
      add(f, key);
      add(f, value);
    }
    void erase(family f, std::string_view key) { add(f, key); }
  } visitor;
  batch.for_each(visitor);
  return visitor.digest;
}

}  // namespace

const messages::Event* durable_journal::event(std::uint64_t seq) const {
  std::uint64_t first = 1;
  for (const messages::TurnRecord& turn : turns) {
    const auto count = static_cast<std::uint64_t>(turn.events_size());
    if (seq < first + count) return seq < first ? nullptr : &turn.events(static_cast<int>(seq - first));
    first += count;
  }
  return nullptr;
}

observed_store::observed_store(run_record& record) : record_(record), twin_(storage::make_memory_store()) {}

void observed_store::attach(std::unique_ptr<storage::key_value_store> real, const simulated_disk* disk) {
  real_ = std::move(real);
  disk_ = disk;
  alive_ = true;
  if (unknown_ && difference()) {
    record_.count("fault: a failed write was durable");
    static_cast<void>(twin_->write(*unknown_));
    index_all();
  } else if (unknown_) {
    record_.count("fault: a failed write was lost");
  }
  unknown_.reset();
  check_contents();
}

void observed_store::attach_memory() { alive_ = true; }

void observed_store::detach() {
  alive_ = false;
  real_.reset();
}

storage::storage_result<void> observed_store::write(const storage::write_batch& batch) {
  if (!alive_) return unexpected(gone());
  if (real_) {
    const auto written = real_->write(batch);
    if (!written) {
      if (!unknown_) unknown_ = batch;
      record_.trace("write failed");
      return written;
    }
    if (disk_->unsynced_log_bytes() > 0) record_.finding("a write succeeded that a power cut can take");
  }
  ++commits_;
  record_.trace("commit " + std::to_string(commits_) + " " + std::to_string(digest_of(batch)));
  apply(batch);
  return {};
}

storage::storage_result<bool> observed_store::get(family f, std::string_view key, std::string& value) const {
  if (!alive_) return unexpected(gone());
  return real_ ? real_->get(f, key, value) : twin_->get(f, key, value);
}

std::unique_ptr<storage::cursor> observed_store::scan(family f, std::string_view from, std::string_view to) const {
  return real_ ? real_->scan(f, from, to) : twin_->scan(f, from, to);
}

storage::storage_result<void> observed_store::compact() {
  if (!real_) return {};
  return real_->compact();
}

void observed_store::check_contents() {
  if (!real_) return;
  if (const auto where = difference()) record_.finding("the store does not hold what was durable: " + *where);
}

std::optional<std::string> observed_store::difference() const {
  for (std::size_t i = 0; i < storage::family_count; ++i) {
    const auto f = static_cast<family>(i);
    const auto is = real_->scan(f, "", "");
    const auto must = twin_->scan(f, "", "");
    for (; is->valid() && must->valid(); is->next(), must->next()) {
      if (is->key() != must->key() || is->value() != must->value()) return "a row of family " + std::to_string(i);
    }
    if (is->valid()) return "a row too many in family " + std::to_string(i);
    if (must->valid()) return "a row is missing in family " + std::to_string(i);
    if (auto status = is->status(); !status) return status.error().message;
  }
  return std::nullopt;
}

const durable_journal* observed_store::journal(std::uint16_t partition, std::uint64_t run) const {
  const auto found = journals_.find({partition, run});
  return found != journals_.end() ? &found->second : nullptr;
}

void observed_store::apply(const storage::write_batch& batch) {
  static_cast<void>(twin_->write(batch));
  struct {
    observed_store& store;
    void put(family f, std::string_view key, std::string_view value) {
      if (f == family::journal) store.index(key, value);
      if (f == family::inbox) store.index_parked(key, value);
    }
    void erase(family f, std::string_view) {
      if (f == family::journal) store.record_.finding("a turn was erased from a journal");
    }
  } visitor{*this};
  batch.for_each(visitor);
}

void observed_store::index_parked(std::string_view key, std::string_view value) {
  messages::DecisionEvent parked;
  if (!storage::parse_message(family::inbox, key, value, "parked", parked)) return record_.finding("an unreadable inbox");
  const std::uint16_t partition = storage::take_partition(key)->value;
  parked_for_[parked.event().SerializeAsString()] = {partition, parked.run_number()};
}

const run_id* observed_store::last_parked_for(const messages::Event& event) const {
  const auto found = parked_for_.find(event.SerializeAsString());
  return found != parked_for_.end() ? &found->second : nullptr;
}

void observed_store::index_all() {
  journals_.clear();
  for (auto rows = twin_->scan(family::inbox, "", ""); rows->valid(); rows->next()) index_parked(rows->key(), rows->value());
  for (auto rows = twin_->scan(family::journal, "", ""); rows->valid(); rows->next()) index(rows->key(), rows->value());
}

/// Journals grow at their end, without gaps, from their start on, and not after their end.
void observed_store::index(std::string_view key, std::string_view value) {
  std::string_view rest = key;
  const std::uint16_t partition = storage::take_partition(rest)->value;
  const std::uint64_t run = *storage::take_number(rest);
  const std::uint64_t first = *storage::take_number(rest);
  messages::TurnRecord turn;
  const std::string name =
      "journal of partition " + std::to_string(partition) + ", run " + std::to_string(run) + ", event " + std::to_string(first);
  if (!storage::parse_message(family::journal, key, value, name, turn)) return record_.finding(name + " is unreadable");
  durable_journal& journal = journals_[{partition, run}];
  if (first != journal.last + 1) record_.finding(name + " follows event " + std::to_string(journal.last));
  if (journal.ended) record_.finding(name + " comes after the end");
  if (turn.events().empty()) return record_.finding(name + " is empty");
  const bool starts = turn.events(0).has_workflow_execution_started();
  if (starts != (journal.last == 0)) record_.finding(name + ": a journal begins with its start, and has one");
  if (starts) journal.workflow_id = turn.events(0).workflow_execution_started().workflow_id();
  journal.last += static_cast<std::uint64_t>(turn.events_size());
  for (int i = 0; i < turn.events_size(); ++i) {
    if (!actors::is_end(turn.events(i))) continue;
    journal.ended = true;
    if (i + 1 < turn.events_size()) record_.finding(name + ": events follow the end");
  }
  journal.turns.push_back(std::move(turn));
}

}  // namespace evermill::simulation
