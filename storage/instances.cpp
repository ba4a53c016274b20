// Headers, one per workflow id, and the state of a partition.
#include "storage/executions.hpp"
#include "storage/keys.hpp"
#include "storage/row_access.hpp"
#include "storage/rows.hpp"

namespace evermill::storage {
namespace {

std::string instance_key(partition_id partition, std::string_view workflow_id) {
  std::string key;
  append_partition(key, partition);
  key.append(workflow_id);
  return key;
}

std::string partition_key(partition_id partition) {
  std::string key;
  append_partition(key, partition);
  return key;
}

std::string header_name(partition_id partition, std::string_view workflow_id) {
  return "header of \"" + std::string(workflow_id) + "\" in partition " + std::to_string(partition.value);
}

}  // namespace

void put_header(write_batch& batch, partition_id partition, std::string_view workflow_id,
                const messages::InstanceHeader& header) {
  put_message(batch, family::instances, instance_key(partition, workflow_id), header);
}

storage_result<std::optional<messages::InstanceHeader>> find_header(const key_value_store& store,
                                                                    partition_id partition,
                                                                    std::string_view workflow_id) {
  const std::string key = instance_key(partition, workflow_id);
  std::string value;
  auto found = store.get(family::instances, key, value);
  if (!found) return unexpected(found.error());
  if (!*found) return std::optional<messages::InstanceHeader>();
  messages::InstanceHeader header;
  auto parsed = parse_message(family::instances, key, value, header_name(partition, workflow_id), header);
  if (!parsed) return unexpected(parsed.error());
  return std::optional(std::move(header));
}

void erase_header(write_batch& batch, partition_id partition, std::string_view workflow_id) {
  batch.erase(family::instances, instance_key(partition, workflow_id));
}

storage_result<std::vector<listed_instance>> list_instances(const key_value_store& store, partition_id partition,
                                                            std::string_view after, std::size_t limit) {
  std::string from = instance_key(partition, after);
  if (!after.empty()) from.push_back('\0');
  std::vector<listed_instance> listed;
  auto rows = store.scan(family::instances, from, end_of(partition_key(partition)));
  for (; rows->valid() && listed.size() < limit; rows->next()) {
    listed_instance& row = listed.emplace_back();
    row.workflow_id = rows->key().substr(2);
    auto parsed = parse_message(family::instances, rows->key(), rows->value(), header_name(partition, row.workflow_id),
                                row.header);
    if (!parsed) return unexpected(parsed.error());
  }
  if (auto status = rows->status(); !status) return unexpected(status.error());
  return listed;
}

void put_partition_state(write_batch& batch, partition_id partition, const messages::PartitionState& state) {
  put_message(batch, family::partitions, partition_key(partition), state);
}

storage_result<messages::PartitionState> load_partition_state(const key_value_store& store, partition_id partition) {
  const std::string key = partition_key(partition);
  messages::PartitionState state;
  std::string value;
  auto found = store.get(family::partitions, key, value);
  if (!found) return unexpected(found.error());
  if (!*found) {
    state.set_execution_index(execution_index_version);  // nothing is missing in it
    return state;
  }
  auto parsed =
      parse_message(family::partitions, key, value, "state of partition " + std::to_string(partition.value), state);
  if (!parsed) return unexpected(parsed.error());
  return state;
}

}  // namespace evermill::storage
