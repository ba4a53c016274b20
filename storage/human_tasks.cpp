// Open human tasks, in the order of their runs.
#include "storage/keys.hpp"
#include "storage/row_access.hpp"
#include "storage/rows.hpp"

namespace evermill::storage {
namespace {

std::string task_key(partition_id partition, run_number run, event_seq created) {
  std::string key;
  append_partition(key, partition);
  append_number(key, run.value);
  append_number(key, created.value);
  return key;
}

std::string task_name(partition_id partition, std::uint64_t run, std::uint64_t created) {
  return "human task of partition " + std::to_string(partition.value) + ", run " + std::to_string(run) + ", event " +
         std::to_string(created);
}

}  // namespace

void put_human_task(write_batch& batch, partition_id partition, run_number run, event_seq created,
                    const messages::HumanTask& task) {
  put_message(batch, family::human_tasks, task_key(partition, run, created), task);
}

void erase_human_task(write_batch& batch, partition_id partition, run_number run, event_seq created) {
  batch.erase(family::human_tasks, task_key(partition, run, created));
}

storage_result<std::optional<messages::HumanTask>> find_human_task(const key_value_store& store, partition_id partition,
                                                                   run_number run, event_seq created) {
  const std::string key = task_key(partition, run, created);
  std::string value;
  const auto there = store.get(family::human_tasks, key, value);
  if (!there) return unexpected(there.error());
  if (!*there) return std::nullopt;
  messages::HumanTask task;
  const std::string name = task_name(partition, run.value, created.value);
  if (auto parsed = parse_message(family::human_tasks, key, value, name, task); !parsed) return unexpected(parsed.error());
  return task;
}

storage_result<std::vector<stored_human_task>> scan_human_tasks(const key_value_store& store, partition_id partition,
                                                                run_number run, event_seq created, std::size_t limit) {
  std::string from = task_key(partition, run, created);
  from.push_back('\0');
  std::string prefix;
  append_partition(prefix, partition);
  std::vector<stored_human_task> found;
  auto rows = store.scan(family::human_tasks, from, end_of(prefix));
  for (; rows->valid() && found.size() < limit; rows->next()) {
    std::string_view rest = rows->key();
    take_partition(rest);
    const auto of_run = take_number(rest);
    const auto seq = take_number(rest);
    const std::string name = task_name(partition, of_run.value_or(0), seq.value_or(0));
    if (!of_run || !seq || !rest.empty()) {
      return unexpected(storage_error{storage_errc::corrupt, name + ": malformed key"});
    }
    found.push_back({run_number(*of_run), event_seq(*seq), {}});
    auto parsed = parse_message(family::human_tasks, rows->key(), rows->value(), name, found.back().task);
    if (!parsed) return unexpected(parsed.error());
  }
  if (auto status = rows->status(); !status) return unexpected(status.error());
  return found;
}

}  // namespace evermill::storage
