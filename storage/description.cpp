#include "base/planted.hpp"
#include "messages/record.hpp"
#include "storage/row_access.hpp"
#include "storage/rows.hpp"

namespace evermill::storage {
namespace {
constexpr std::string_view description_key = "description";
constexpr std::uint32_t format_version = 1;

/// Rows without a description are not a new store: its partition count, and so every row's place, would be a guess.
storage_result<void> check_empty(const key_value_store& store) {
  for (std::size_t i = 0; i < family_count; ++i) {
    const auto rows = store.scan(static_cast<family>(i), "", "");
    if (auto status = rows->status(); !status) return unexpected(status.error());
    if (!rows->valid()) continue;
    return unexpected(
        storage_error{storage_errc::corrupt, "the description of the store is missing, yet there are rows in family " +
                                                 std::to_string(i) + "; restore the data directory from a backup"});
  }
  return {};
}

}  // namespace

void put_description(write_batch& batch, const messages::StoreDescription& description) {
  put_message(batch, family::description, description_key, description);
}

storage_result<std::optional<messages::StoreDescription>> find_description(const key_value_store& store) {
  std::string value;
  auto found = store.get(family::description, description_key, value);
  if (!found) return unexpected(found.error());
  if (!*found) {
    if (auto empty = check_empty(store); !empty) return unexpected(empty.error());
    return std::optional<messages::StoreDescription>();
  }
  messages::StoreDescription description;
  auto parsed = parse_message(family::description, description_key, value, "description of the store", description);
  if (!parsed) return unexpected(parsed.error());
  if (description.format_version() > format_version) {
    return unexpected(storage_error{storage_errc::newer_format,
                                    "the data directory has format " + std::to_string(description.format_version()) +
                                        ", this build knows up to " + std::to_string(format_version) +
                                        "; use the evermill that wrote it, or a later one"});
  }
  return std::optional(std::move(description));
}

storage_result<messages::StoreDescription> boot_store(key_value_store& store, std::uint32_t partitions,
                                                      const std::function<std::string()>& make_store_id) {
  auto found = find_description(store);
  if (!found) return unexpected(found.error());
  messages::StoreDescription description;
  if (*found) {
    description = std::move(**found);
    if (partitions != 0 && partitions != description.partition_count()) {
      return unexpected(storage_error{storage_errc::mismatch, "the data directory was created with " +
                                                                  std::to_string(description.partition_count()) +
                                                                  " partitions, not " + std::to_string(partitions) +
                                                                  "; their number is fixed"});
    }
  } else {
    description.set_format_version(format_version);
    description.set_partition_count(partitions != 0 ? partitions : default_partitions);
    description.set_store_id(make_store_id());
  }
  if (!planted(bug::keep_boot_number) || !*found) description.set_boot_number(description.boot_number() + 1);
  write_batch batch;
  put_description(batch, description);
  if (auto written = store.write(batch); !written) return unexpected(written.error());
  return description;
}

}  // namespace evermill::storage
