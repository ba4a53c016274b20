// Requests from outside that were done, so that the same one is not done twice.
#include "storage/keys.hpp"
#include "storage/row_access.hpp"
#include "storage/rows.hpp"

namespace evermill::storage {
namespace {

/// Neither id has a control character, so that zero divides them.
std::string request_key(partition_id partition, std::string_view workflow_id, std::string_view request_id) {
  std::string key;
  append_partition(key, partition);
  key.append(workflow_id);
  key.push_back('\0');
  key.append(request_id);
  return key;
}

std::string row_name(std::string_view workflow_id, std::string_view request_id) {
  return "request " + std::string(request_id) + " to " + std::string(workflow_id);
}

}  // namespace

void put_request(write_batch& batch, partition_id partition, std::string_view workflow_id, std::string_view request_id,
                 const messages::HandledRequest& request) {
  put_message(batch, family::requests, request_key(partition, workflow_id, request_id), request);
}

void erase_request(write_batch& batch, partition_id partition, std::string_view workflow_id, std::string_view request_id) {
  batch.erase(family::requests, request_key(partition, workflow_id, request_id));
}

storage_result<std::optional<messages::HandledRequest>> find_request(const key_value_store& store, partition_id partition,
                                                                     std::string_view workflow_id,
                                                                     std::string_view request_id) {
  const std::string key = request_key(partition, workflow_id, request_id);
  std::string value;
  auto found = store.get(family::requests, key, value);
  if (!found) return unexpected(found.error());
  if (!*found) return std::nullopt;
  messages::HandledRequest request;
  const auto name = [&] { return row_name(workflow_id, request_id); };
  if (auto parsed = parse_message(family::requests, key, value, name, request); !parsed) return unexpected(parsed.error());
  return request;
}

storage_result<std::vector<stored_request>> scan_requests(const key_value_store& store, partition_id partition,
                                                          const request_name& after, std::size_t limit) {
  std::string from = request_key(partition, after.workflow_id, after.request_id);
  from.push_back('\0');
  std::string prefix;
  append_partition(prefix, partition);
  std::vector<stored_request> found;
  auto rows = store.scan(family::requests, from, end_of(prefix));
  for (; rows->valid() && found.size() < limit; rows->next()) {
    const std::string_view ids = rows->key().substr(prefix.size());
    const std::size_t middle = ids.find('\0');
    if (middle == std::string_view::npos) {
      return unexpected(storage_error{storage_errc::corrupt, row_name(ids, "") + ": malformed key"});
    }
    stored_request& row = found.emplace_back();
    row.name = {std::string(ids.substr(0, middle)), std::string(ids.substr(middle + 1))};
    const auto name = [&] { return row_name(row.name.workflow_id, row.name.request_id); };
    auto parsed = parse_message(family::requests, rows->key(), rows->value(), name, row.request);
    if (!parsed) return unexpected(parsed.error());
  }
  if (auto status = rows->status(); !status) return unexpected(status.error());
  return found;
}

}  // namespace evermill::storage
