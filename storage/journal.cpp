#include "storage/journal.hpp"

#include <optional>

#include "base/check.hpp"
#include "storage/keys.hpp"
#include "storage/row_access.hpp"

namespace evermill::storage {
namespace {

std::string run_prefix(partition_id partition, run_number run) {
  std::string key;
  append_partition(key, partition);
  append_number(key, run.value);
  return key;
}

std::string turn_key(partition_id partition, run_number run, event_seq first) {
  std::string key = run_prefix(partition, run);
  append_number(key, first.value);
  return key;
}

std::string place(partition_id partition, run_number run, event_seq seq) {
  return "journal of partition " + std::to_string(partition.value) + ", run " + std::to_string(run.value) + ", event " +
         std::to_string(seq.value);
}

storage_error corrupt(partition_id partition, run_number run, event_seq seq, const std::string& why) {
  return {storage_errc::corrupt, place(partition, run, seq) + ": " + why};
}

}  // namespace

void append_turn(write_batch& batch, partition_id partition, run_number run, event_seq first,
                 const messages::TurnRecord& turn) {
  EVERMILL_CHECK(first.value > 0 && turn.events_size() > 0, "a turn has a place and at least its decision event");
  put_message(batch, family::journal, turn_key(partition, run, first), turn);
}

journal_reader::journal_reader(const key_value_store& store, partition_id partition, run_number run, event_seq from)
    : partition_(partition),
      run_(run),
      expected_(from),
      prefix_bytes_(run_prefix(partition, run).size()),
      rows_(store.scan(family::journal, turn_key(partition, run, from), end_of(run_prefix(partition, run)))) {}

storage_result<bool> journal_reader::next(stored_turn& turn) {
  if (!rows_->valid()) {
    if (auto status = rows_->status(); !status) return unexpected(status.error());
    return false;
  }
  const std::string_view key = rows_->key();
  std::string_view rest = key.substr(prefix_bytes_);
  const auto first = take_number(rest);
  if (!first || !rest.empty()) return unexpected(corrupt(partition_, run_, expected_, "followed by a malformed key"));
  if (*first != expected_.value) {
    return unexpected(corrupt(partition_, run_, expected_,
                              "missing; the next turn there is starts at event " + std::to_string(*first)));
  }
  const auto name = [this] { return place(partition_, run_, expected_); };
  auto parsed = parse_message(family::journal, key, rows_->value(), name, turn.record);
  if (!parsed) return unexpected(parsed.error());
  if (turn.record.events_size() == 0) return unexpected(corrupt(partition_, run_, expected_, "a turn without events"));
  turn.first = expected_;
  expected_ = turn.last().next();
  rows_->next();
  return true;
}

storage_result<stored_turn> read_turn(const key_value_store& store, partition_id partition, run_number run,
                                      event_seq first) {
  const std::string key = turn_key(partition, run, first);
  std::string value;
  auto found = store.get(family::journal, key, value);
  if (!found) return unexpected(found.error());
  if (!*found) return unexpected(corrupt(partition, run, first, "missing"));
  stored_turn turn{first, {}};
  const auto name = [&] { return place(partition, run, first); };
  auto parsed = parse_message(family::journal, key, value, name, turn.record);
  if (!parsed) return unexpected(parsed.error());
  if (turn.record.events_size() == 0) return unexpected(corrupt(partition, run, first, "a turn without events"));
  return turn;
}

storage_result<event_seq> first_of_turn(const key_value_store& store, partition_id partition, run_number run, event_seq seq) {
  const std::size_t prefix_bytes = run_prefix(partition, run).size();
  // Turns are short, as a rule: the one that is looked for begins just before. Stores walk forwards only.
  for (std::uint64_t back = 8;; back *= 16) {
    const event_seq from(seq.value > back ? seq.value - back : 1);
    std::optional<std::uint64_t> first;
    const auto rows = store.scan(family::journal, turn_key(partition, run, from), turn_key(partition, run, seq.next()));
    for (; rows->valid(); rows->next()) {
      std::string_view rest = rows->key().substr(prefix_bytes);
      first = take_number(rest);
      if (!first) return unexpected(corrupt(partition, run, from, "followed by a malformed key"));
    }
    if (auto status = rows->status(); !status) return unexpected(status.error());
    if (first) {
      auto turn = read_turn(store, partition, run, event_seq(*first));
      if (!turn) return unexpected(turn.error());
      return turn->last() < seq ? seq : turn->first;
    }
    if (from.value == 1) return seq;
  }
}

storage_result<std::size_t> erase_journal(write_batch& batch, const key_value_store& store, partition_id partition, run_number run) {
  const std::string prefix = run_prefix(partition, run);
  std::size_t turns = 0;
  const auto rows = store.scan(family::journal, prefix, end_of(prefix));
  for (; rows->valid(); rows->next(), ++turns) batch.erase(family::journal, rows->key());
  if (auto status = rows->status(); !status) return unexpected(status.error());
  return turns;
}

storage_result<bool> has_journal(const key_value_store& store, partition_id partition, run_number run) {
  const std::string prefix = run_prefix(partition, run);
  const auto rows = store.scan(family::journal, prefix, end_of(prefix));
  if (auto status = rows->status(); !status) return unexpected(status.error());
  return rows->valid();
}

}  // namespace evermill::storage
