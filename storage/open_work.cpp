// What is unfinished: a row per run, and a row per activity that is past its first attempt.
#include "storage/keys.hpp"
#include "storage/row_access.hpp"
#include "storage/rows.hpp"

namespace evermill::storage {
namespace {

constexpr char run_row = 0;
constexpr char activity_row = 1;

std::string run_key(partition_id partition, run_number run) {
  std::string key;
  append_partition(key, partition);
  append_number(key, run.value);
  return key;
}

std::string work_key(partition_id partition, run_number run) { return run_key(partition, run) + run_row; }

std::string activity_key(partition_id partition, run_number run, event_seq scheduled) {
  std::string key = run_key(partition, run) + activity_row;
  append_number(key, scheduled.value);
  return key;
}

std::string row_name(partition_id partition, std::uint64_t run) {
  return "open work of partition " + std::to_string(partition.value) + ", run " + std::to_string(run);
}

storage_result<std::vector<run_open_work>> scan_rows(const key_value_store& store, partition_id partition,
                                                     std::string_view from, std::string_view to, std::size_t limit) {
  std::vector<run_open_work> found;
  auto rows = store.scan(family::open_work, from, to);
  for (; rows->valid(); rows->next()) {
    std::string_view rest = rows->key();
    take_partition(rest);
    const auto run = take_number(rest);
    const auto malformed = [&] {
      return unexpected(storage_error{storage_errc::corrupt, row_name(partition, run.value_or(0)) + ": malformed key"});
    };
    if (!run || rest.empty()) return malformed();
    const char kind = rest.front();
    rest.remove_prefix(1);
    if (kind == run_row) {
      if (!rest.empty()) return malformed();
      if (found.size() == limit) break;
      found.push_back({run_number(*run), {}, {}});
      auto parsed =
          parse_message(family::open_work, rows->key(), rows->value(), row_name(partition, *run), found.back().work);
      if (!parsed) return unexpected(parsed.error());
      continue;
    }
    const auto scheduled = take_number(rest);
    if (kind != activity_row || !scheduled || !rest.empty()) return malformed();
    if (found.empty() || found.back().run.value != *run) continue;  // its run's row was closed by the same commit
    messages::OpenActivity activity;
    auto parsed = parse_message(family::open_work, rows->key(), rows->value(),
                                row_name(partition, *run) + ", event " + std::to_string(*scheduled), activity);
    if (!parsed) return unexpected(parsed.error());
    found.back().activities.emplace_back(event_seq(*scheduled), std::move(activity));
  }
  if (auto status = rows->status(); !status) return unexpected(status.error());
  return found;
}

}  // namespace

void put_open_work(write_batch& batch, partition_id partition, run_number run, const messages::OpenWork& work) {
  put_message(batch, family::open_work, work_key(partition, run), work);
}

void erase_open_work(write_batch& batch, partition_id partition, run_number run) {
  batch.erase(family::open_work, work_key(partition, run));
}

void put_open_activity(write_batch& batch, partition_id partition, run_number run, event_seq scheduled,
                       const messages::OpenActivity& activity) {
  put_message(batch, family::open_work, activity_key(partition, run, scheduled), activity);
}

void erase_open_activity(write_batch& batch, partition_id partition, run_number run, event_seq scheduled) {
  batch.erase(family::open_work, activity_key(partition, run, scheduled));
}

storage_result<std::vector<run_open_work>> scan_open_work(const key_value_store& store, partition_id partition,
                                                          run_number from, std::size_t limit) {
  std::string prefix;
  append_partition(prefix, partition);
  return scan_rows(store, partition, run_key(partition, from), end_of(prefix), limit);
}

storage_result<std::optional<run_open_work>> find_open_work(const key_value_store& store, partition_id partition,
                                                            run_number run) {
  const std::string key = run_key(partition, run);
  auto found = scan_rows(store, partition, key, end_of(key), 1);
  if (!found) return unexpected(found.error());
  if (found->empty()) return std::optional<run_open_work>();
  return std::optional(std::move(found->front()));
}

}  // namespace evermill::storage
