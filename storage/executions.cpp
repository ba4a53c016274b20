// Rows of the index of executions.
#include "storage/executions.hpp"

#include <algorithm>
#include <tuple>

#include "base/namespaces.hpp"
#include "storage/keys.hpp"
#include "storage/row_access.hpp"

namespace evermill::storage {
namespace {

std::string execution_key(const execution_row& row) {
  std::string key;
  key.reserve(2 + 1 + row.workflow_type.size() + 1 + 8 + row.at.workflow_id.size());
  append_partition(key, row.partition);
  key.push_back(static_cast<char>(row.is));
  key.append(row.workflow_type);
  key.push_back('\0');
  append_descending_time(key, row.at.started_us);
  key.append(row.at.workflow_id);
  return key;
}

}  // namespace

listed_state listed_state_of(const messages::InstanceHeader& header) noexcept {
  if (header.blocked().reason() != messages::Blocked::NONE) return listed_state::blocked;
  return static_cast<listed_state>(header.status());
}

bool is_before(const list_position& a, const list_position& b) noexcept {
  return std::tie(b.started_us, a.workflow_id) < std::tie(a.started_us, b.workflow_id);
}

std::int64_t execution_started_us(const messages::InstanceHeader& header) noexcept {
  const std::int64_t started = header.execution_started_us() != 0 ? header.execution_started_us() : header.started_us();
  return std::max<std::int64_t>(started, 0);  // as keys have it
}

execution_row execution_row_of(partition_id partition, std::string_view workflow_id, const messages::InstanceHeader& header) {
  return {partition, listed_state_of(header), namespaces::beside(workflow_id, header.workflow_type()),
          {execution_started_us(header), std::string(workflow_id)}};
}

void put_execution(write_batch& batch, const execution_row& row) {
  put_message(batch, family::executions, execution_key(row), messages::ListedExecution());
}

void erase_execution(write_batch& batch, const execution_row& row) { batch.erase(family::executions, execution_key(row)); }

storage_result<void> erase_executions(write_batch& batch, const key_value_store& store, partition_id partition) {
  std::string all;
  append_partition(all, partition);
  const auto rows = store.scan(family::executions, all, end_of(all));
  for (; rows->valid(); rows->next()) batch.erase(family::executions, rows->key());
  return rows->status();
}

storage_result<bool> has_execution(const key_value_store& store, const execution_row& row) {
  std::string value;
  return store.get(family::executions, execution_key(row), value);
}

}  // namespace evermill::storage
