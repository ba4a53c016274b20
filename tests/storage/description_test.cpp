#include <gtest/gtest.h>

#include "storage/memory_store.hpp"
#include "storage/row_access.hpp"
#include "storage/rows.hpp"
#include "stores.hpp"

namespace evermill::tests {
namespace {

using storage::boot_store;
using storage::family;
using storage::storage_errc;

std::string first_id() { return "id-1"; }
std::string other_id() { return "id-2"; }

struct BootStore : testing::Test {
  void store_description(const messages::StoreDescription& description) {
    storage::write_batch batch;
    storage::put_message(batch, family::description, "description", description);
    ASSERT_TRUE(store->write(batch).has_value());
  }
  std::unique_ptr<storage::key_value_store> store = storage::make_memory_store();
};

TEST_F(BootStore, DescribesANewStore) {
  const auto description = boot_store(*store, 7, first_id);
  ASSERT_TRUE(description.has_value());
  EXPECT_EQ(description->format_version(), 1U);
  EXPECT_EQ(description->partition_count(), 7U);
  EXPECT_EQ(description->boot_number(), 1U);
  EXPECT_EQ(description->store_id(), "id-1");
}

TEST_F(BootStore, ChoosesTheDefaultNumberOfPartitions) {
  EXPECT_EQ(boot_store(*store, 0, first_id)->partition_count(), storage::default_partitions);
}

TEST_F(BootStore, RaisesTheBootNumberAndKeepsTheRest) {
  ASSERT_TRUE(boot_store(*store, 7, first_id).has_value());
  EXPECT_EQ(boot_store(*store, 7, other_id)->boot_number(), 2U);
  const auto third = boot_store(*store, 0, other_id);
  EXPECT_EQ(third->boot_number(), 3U);
  EXPECT_EQ(third->partition_count(), 7U);
  EXPECT_EQ(third->store_id(), "id-1");
}

TEST_F(BootStore, RefusesAnotherNumberOfPartitionsAndChangesNothing) {
  ASSERT_TRUE(boot_store(*store, 7, first_id).has_value());
  const row_map before = rows_of(*store, family::description);
  const auto refused = boot_store(*store, 8, first_id);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, storage_errc::mismatch);
  EXPECT_EQ(refused.error().message,
            "the data directory was created with 7 partitions, not 8; their number is fixed");
  EXPECT_EQ(rows_of(*store, family::description), before);
}

TEST_F(BootStore, RefusesANewerFormatAndChangesNothing) {
  messages::StoreDescription later;
  later.set_format_version(2);
  later.set_partition_count(7);
  store_description(later);
  const row_map before = rows_of(*store, family::description);
  const auto refused = boot_store(*store, 7, first_id);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, storage_errc::newer_format);
  EXPECT_NE(refused.error().message.find("has format 2, this build knows up to 1"), std::string::npos);
  EXPECT_EQ(rows_of(*store, family::description), before);
}

TEST_F(BootStore, RefusesRowsWithoutADescriptionInWhateverFamily) {
  for (std::size_t f = 1; f < storage::family_count; ++f) {
    const auto other = storage::make_memory_store();
    put(*other, static_cast<family>(f), "a key", "a value");
    const auto refused = boot_store(*other, 7, first_id);
    ASSERT_FALSE(refused.has_value()) << f;
    EXPECT_EQ(refused.error().code, storage_errc::corrupt);
    EXPECT_NE(refused.error().message.find("family " + std::to_string(f)), std::string::npos);
    EXPECT_TRUE(rows_of(*other, family::description).empty());
  }
}

TEST_F(BootStore, RefusesADamagedDescription) {
  ASSERT_TRUE(boot_store(*store, 7, first_id).has_value());
  std::string value = rows_of(*store, family::description).at("description");
  value.back() = static_cast<char>(value.back() ^ 1);
  put(*store, family::description, "description", value);
  const auto refused = boot_store(*store, 7, first_id);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, storage_errc::corrupt);
  EXPECT_EQ(refused.error().message, "description of the store: checksum mismatch");
}

}  // namespace
}  // namespace evermill::tests
