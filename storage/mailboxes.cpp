// Decision events at rest: the outbox of each lane, and the inboxes of runs that take no turns.
#include "storage/keys.hpp"
#include "storage/row_access.hpp"
#include "storage/rows.hpp"

namespace evermill::storage {
namespace {

using numbered_events = std::vector<std::pair<std::uint64_t, messages::DecisionEvent>>;

std::string lane_prefix(partition_id source, partition_id destination) {
  std::string key;
  append_partition(key, source);
  append_partition(key, destination);
  return key;
}

std::string inbox_prefix(partition_id partition, run_number run) {
  std::string key;
  append_partition(key, partition);
  append_number(key, run.value);
  return key;
}

std::string numbered(std::string prefix, std::uint64_t number) {
  append_number(prefix, number);
  return prefix;
}

storage_result<numbered_events> scan_numbered(const key_value_store& store, family f, const std::string& prefix,
                                              std::uint64_t from, std::size_t limit, const std::string& what) {
  numbered_events found;
  auto rows = store.scan(f, numbered(prefix, from), end_of(prefix));
  for (; rows->valid() && found.size() < limit; rows->next()) {
    std::string_view rest = rows->key().substr(prefix.size());
    const auto number = take_number(rest);
    if (!number || !rest.empty()) return unexpected(storage_error{storage_errc::corrupt, what + ": malformed key"});
    auto& [index, event] = found.emplace_back(*number, messages::DecisionEvent());
    auto parsed = parse_message(f, rows->key(), rows->value(), what + ", message " + std::to_string(index), event);
    if (!parsed) return unexpected(parsed.error());
  }
  if (auto status = rows->status(); !status) return unexpected(status.error());
  return found;
}

}  // namespace

void put_outbound(write_batch& batch, partition_id source, partition_id destination, std::uint64_t number,
                  const messages::DecisionEvent& event) {
  put_message(batch, family::outbox, numbered(lane_prefix(source, destination), number), event);
}

void erase_outbound(write_batch& batch, partition_id source, partition_id destination, std::uint64_t number) {
  batch.erase(family::outbox, numbered(lane_prefix(source, destination), number));
}

storage_result<numbered_events> scan_outbound(const key_value_store& store, partition_id source,
                                              partition_id destination, std::uint64_t after, std::size_t limit) {
  return scan_numbered(
      store, family::outbox, lane_prefix(source, destination), after + 1, limit,
      "outbox of partition " + std::to_string(source.value) + " for partition " + std::to_string(destination.value));
}

void put_parked(write_batch& batch, partition_id partition, run_number run, std::uint64_t index,
                const messages::DecisionEvent& event) {
  put_message(batch, family::inbox, numbered(inbox_prefix(partition, run), index), event);
}

void erase_parked(write_batch& batch, partition_id partition, run_number run, std::uint64_t index) {
  batch.erase(family::inbox, numbered(inbox_prefix(partition, run), index));
}

storage_result<numbered_events> scan_parked(const key_value_store& store, partition_id partition, run_number run) {
  return scan_numbered(store, family::inbox, inbox_prefix(partition, run), 0, static_cast<std::size_t>(-1),
                       "inbox of partition " + std::to_string(partition.value) + ", run " + std::to_string(run.value));
}

storage_result<bool> has_parked(const key_value_store& store, partition_id partition, run_number run) {
  const std::string prefix = inbox_prefix(partition, run);
  const auto rows = store.scan(family::inbox, prefix, end_of(prefix));
  if (auto status = rows->status(); !status) return unexpected(status.error());
  return rows->valid();
}

}  // namespace evermill::storage
