// Timers in the order in which they are due.
#include <google/protobuf/wrappers.pb.h>

#include "storage/keys.hpp"
#include "storage/row_access.hpp"
#include "storage/rows.hpp"

namespace evermill::storage {
namespace {

std::string timer_key(partition_id partition, timestamp fire_at, run_number run, event_seq started) {
  std::string key;
  append_partition(key, partition);
  append_time(key, to_micros(fire_at));
  append_number(key, run.value);
  append_number(key, started.value);
  return key;
}

std::string row_name(partition_id partition, std::uint64_t run, std::uint64_t started) {
  return "timer of partition " + std::to_string(partition.value) + ", run " + std::to_string(run) + ", event " +
         std::to_string(started);
}

}  // namespace

void put_timer(write_batch& batch, partition_id partition, const timer_row& timer) {
  google::protobuf::StringValue workflow_id;
  workflow_id.set_value(timer.workflow_id);
  put_message(batch, family::timers, timer_key(partition, timer.fire_at, timer.run, timer.started), workflow_id);
}

void erase_timer(write_batch& batch, partition_id partition, timestamp fire_at, run_number run, event_seq started) {
  batch.erase(family::timers, timer_key(partition, fire_at, run, started));
}

storage_result<std::vector<timer_row>> scan_timers(const key_value_store& store, partition_id partition,
                                                   const timer_row& after, std::size_t limit) {
  std::string from = timer_key(partition, after.fire_at, after.run, after.started);
  from.push_back('\0');
  std::string prefix;
  append_partition(prefix, partition);
  std::vector<timer_row> found;
  auto rows = store.scan(family::timers, from, end_of(prefix));
  for (; rows->valid() && found.size() < limit; rows->next()) {
    std::string_view rest = rows->key();
    take_partition(rest);
    const auto time = take_time(rest);
    const auto run = take_number(rest);
    const auto started = take_number(rest);
    if (!time || !run || !started || !rest.empty()) {
      return unexpected(storage_error{storage_errc::corrupt,
                                      row_name(partition, run.value_or(0), started.value_or(0)) + ": malformed key"});
    }
    google::protobuf::StringValue workflow_id;
    auto parsed =
        parse_message(family::timers, rows->key(), rows->value(), row_name(partition, *run, *started), workflow_id);
    if (!parsed) return unexpected(parsed.error());
    found.push_back(
        {from_micros(*time), run_number(*run), event_seq(*started), std::move(*workflow_id.mutable_value())});
  }
  if (auto status = rows->status(); !status) return unexpected(status.error());
  return found;
}

}  // namespace evermill::storage
