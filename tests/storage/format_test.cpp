// Golden bytes: docs/storage-format.md as a test. Where one of these changes, stores that exist can't be read any more:
// raise the format version instead of the expectation.
#include <gtest/gtest.h>

#include "messages/record.hpp"
#include "storage/executions.hpp"
#include "storage/journal.hpp"
#include "storage/memory_store.hpp"
#include "storage/rows.hpp"
#include "stores.hpp"

namespace evermill::tests {
namespace {

using storage::family;

std::string hex(std::string_view bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    if (!text.empty()) text.push_back(' ');
    text.push_back(digits[static_cast<unsigned char>(c) >> 4]);
    text.push_back(digits[static_cast<unsigned char>(c) & 15]);
  }
  return text;
}

class StorageFormat : public testing::Test {
 protected:
  /// Key and value of the last row that the batch puts into the family.
  std::pair<std::string, std::string> row(family f) {
    EXPECT_TRUE(store_->write(batch_).has_value());
    const row_map rows = rows_of(*store_, f);
    return {hex(rows.rbegin()->first), hex(rows.rbegin()->second)};
  }
  std::unique_ptr<storage::key_value_store> store_ = storage::make_memory_store();
  storage::write_batch batch_;
};

using bytes = std::pair<std::string, std::string>;

TEST_F(StorageFormat, Turn) {
  messages::TurnRecord turn;
  turn.set_time_us(1'700'000'000'000'000);
  turn.add_events()->mutable_timer_fired()->set_started_seq(2);
  turn.add_events()->mutable_timer_started()->set_fire_at_us(5);
  storage::append_turn(batch_, partition_id(3), run_number(17), event_seq(3), turn);
  EXPECT_EQ(row(family::journal), (bytes{"00 03 01 11 01 03",
                                          "01 a0 b1 0e 3c 08 80 80 f9 c0 c1 c4 82 03 12 04 42 02 08 02 12 05 92 02 02 08 05"}));
}

TEST_F(StorageFormat, Description) {
  ASSERT_TRUE(storage::boot_store(*store_, 4, [] { return std::string("id"); }).has_value());
  EXPECT_EQ(row(family::description), (bytes{"64 65 73 63 72 69 70 74 69 6f 6e",
                                             "01 95 a4 87 e9 08 01 10 04 18 01 22 02 69 64"}));
}

TEST_F(StorageFormat, PartitionState) {
  messages::PartitionState state;
  state.set_commit_number(256);
  storage::put_partition_state(batch_, partition_id(258), state);
  EXPECT_EQ(row(family::partitions), (bytes{"01 02", "01 0b 75 98 24 08 80 02"}));
}

TEST_F(StorageFormat, InstanceHeader) {
  messages::InstanceHeader header;
  header.set_run_number(17);
  header.set_status(messages::COMPLETED);
  storage::put_header(batch_, partition_id(3), "o-1", header);
  EXPECT_EQ(row(family::instances), (bytes{"00 03 6f 2d 31", "01 29 8a 4c 00 08 11 20 02"}));
}

TEST_F(StorageFormat, Execution) {
  storage::put_execution(batch_, {partition_id(3), storage::listed_state::blocked, "t", {0x0102030405060708, "o-1"}});
  EXPECT_EQ(row(family::executions), (bytes{"00 03 81 74 00 fe fd fc fb fa f9 f8 f7 6f 2d 31", "01 c9 f3 b7 b7"}));
}

TEST_F(StorageFormat, OpenWork) {
  messages::OpenWork work;
  work.set_workflow_id("o-1");
  work.add_activities(4);
  storage::put_open_work(batch_, partition_id(3), run_number(256), work);
  EXPECT_EQ(row(family::open_work), (bytes{"00 03 02 01 00 00", "01 9f 34 e7 84 0a 03 6f 2d 31 1a 01 04"}));
}

TEST_F(StorageFormat, OpenActivity) {
  messages::OpenActivity activity;
  activity.set_attempt(2);
  storage::put_open_activity(batch_, partition_id(3), run_number(256), event_seq(4), activity);
  EXPECT_EQ(row(family::open_work), (bytes{"00 03 02 01 00 01 01 04", "01 0d dd 42 70 08 02"}));
}

TEST_F(StorageFormat, Timer) {
  storage::put_timer(batch_, partition_id(3), {from_micros(0x0102030405060708), run_number(17), event_seq(4), "o-1"});
  EXPECT_EQ(row(family::timers), (bytes{"00 03 01 02 03 04 05 06 07 08 01 11 01 04", "01 6d c7 a3 8a 0a 03 6f 2d 31"}));
}

TEST_F(StorageFormat, Outbox) {
  messages::DecisionEvent event;
  event.set_workflow_id("o-1");
  storage::put_outbound(batch_, partition_id(3), partition_id(1), 9, event);
  EXPECT_EQ(row(family::outbox), (bytes{"00 03 00 01 01 09", "01 c9 26 cf ef 0a 03 6f 2d 31"}));
}

TEST_F(StorageFormat, Inbox) {
  messages::DecisionEvent event;
  event.set_workflow_id("o-1");
  storage::put_parked(batch_, partition_id(3), run_number(17), 0, event);
  EXPECT_EQ(row(family::inbox), (bytes{"00 03 01 11 00", "01 5e 89 7c 50 0a 03 6f 2d 31"}));
}

}  // namespace
}  // namespace evermill::tests
