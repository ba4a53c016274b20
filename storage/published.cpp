// Turns that are to be published, one row per commit, in the order of the commits.
#include "storage/keys.hpp"
#include "storage/row_access.hpp"
#include "storage/rows.hpp"

namespace evermill::storage {
namespace {

std::string publish_key(partition_id partition, std::uint64_t number) {
  std::string key;
  append_partition(key, partition);
  append_number(key, number);
  return key;
}

std::string publish_name(partition_id partition, std::uint64_t number) {
  return "turns to be published of partition " + std::to_string(partition.value) + ", number " + std::to_string(number);
}

}  // namespace

void put_published(write_batch& batch, partition_id partition, std::uint64_t number, const messages::CommittedTurns& turns) {
  put_message(batch, family::published, publish_key(partition, number), turns);
}

void erase_published(write_batch& batch, partition_id partition, std::uint64_t number) {
  batch.erase(family::published, publish_key(partition, number));
}

storage_result<std::vector<numbered_turns>> scan_published(const key_value_store& store, partition_id partition,
                                                           std::uint64_t after, std::size_t limit) {
  std::string from = publish_key(partition, after);
  from.push_back('\0');
  std::string prefix;
  append_partition(prefix, partition);
  std::vector<numbered_turns> found;
  auto rows = store.scan(family::published, from, end_of(prefix));
  for (; rows->valid() && found.size() < limit; rows->next()) {
    std::string_view rest = rows->key();
    take_partition(rest);
    const auto number = take_number(rest);
    const std::string name = publish_name(partition, number.value_or(0));
    if (!number || !rest.empty()) return unexpected(storage_error{storage_errc::corrupt, name + ": malformed key"});
    numbered_turns row{*number, {}};
    auto parsed = parse_message(family::published, rows->key(), rows->value(), name, row.turns);
    if (!parsed) return unexpected(parsed.error());
    found.push_back(std::move(row));
  }
  if (auto status = rows->status(); !status) return unexpected(status.error());
  return found;
}

}  // namespace evermill::storage
