#include "storage/rows.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <ostream>

#include "storage/journal.hpp"
#include "storage/executions.hpp"
#include "storage/memory_store.hpp"
#include "stores.hpp"

namespace evermill::tests {
namespace {

using storage::family;
using storage::key_value_store;
using storage::storage_errc;
using storage::storage_error;
using storage::write_batch;

constexpr partition_id here{3};
constexpr partition_id elsewhere{2};
constexpr run_number run{17};
constexpr event_seq seq{300};

messages::DecisionEvent decision(std::string workflow_id) {
  messages::DecisionEvent event;
  event.set_workflow_id(std::move(workflow_id));
  event.mutable_taint();
  return event;
}

template <class T>
std::optional<storage_error> error_of(const storage::storage_result<T>& outcome) {
  return outcome ? std::nullopt : std::optional(outcome.error());
}

/// A row of one kind in partition `where`, how it is read, and what its errors call it when it lies in partition 3.
struct kind_of_row {
  const char* name;
  family in;
  std::function<void(write_batch&, partition_id where)> put;
  std::function<std::optional<storage_error>(const key_value_store&, partition_id where)> read;
  std::string called;
  friend std::ostream& operator<<(std::ostream& to, const kind_of_row& kind) { return to << kind.name; }
};

std::vector<kind_of_row> all_kinds() {
  std::vector<kind_of_row> kinds;
  kinds.push_back({"Header", family::instances,
                   [](write_batch& batch, partition_id where) {
                     messages::InstanceHeader header;
                     header.set_run_id("r-1");
                     storage::put_header(batch, where, "order-1", header);
                   },
                   [](const key_value_store& store, partition_id where) {
                     return error_of(storage::find_header(store, where, "order-1"));
                   },
                   "header of \"order-1\" in partition 3"});
  kinds.push_back({"ListedHeader", family::instances, kinds.back().put,
                   [](const key_value_store& store, partition_id where) {
                     return error_of(storage::list_instances(store, where, "", 10));
                   },
                   kinds.back().called});
  kinds.push_back({"PartitionState", family::partitions,
                   [](write_batch& batch, partition_id where) {
                     messages::PartitionState state;
                     state.set_commit_number(9);
                     storage::put_partition_state(batch, where, state);
                   },
                   [](const key_value_store& store, partition_id where) {
                     return error_of(storage::load_partition_state(store, where));
                   },
                   "state of partition 3"});
  kinds.push_back({"OpenWork", family::open_work,
                   [](write_batch& batch, partition_id where) {
                     messages::OpenWork work;
                     work.set_workflow_id("order-1");
                     storage::put_open_work(batch, where, run, work);
                   },
                   [](const key_value_store& store, partition_id where) {
                     return error_of(storage::scan_open_work(store, where, run_number(0), 10));
                   },
                   "open work of partition 3, run 17"});
  kinds.push_back({"OpenActivity", family::open_work,
                   [work = kinds.back().put](write_batch& batch, partition_id where) {
                     work(batch, where);
                     messages::OpenActivity activity;
                     activity.set_attempt(2);
                     storage::put_open_activity(batch, where, run, seq, activity);
                   },
                   [](const key_value_store& store, partition_id where) {
                     return error_of(storage::find_open_work(store, where, run));
                   },
                   "open work of partition 3, run 17, event 300"});
  kinds.push_back({"Timer", family::timers,
                   [](write_batch& batch, partition_id where) {
                     storage::put_timer(batch, where, {from_micros(5), run, seq, "order-1"});
                   },
                   [](const key_value_store& store, partition_id where) {
                     return error_of(storage::scan_timers(store, where, {}, 10));
                   },
                   "timer of partition 3, run 17, event 300"});
  kinds.push_back({"Outbox", family::outbox,
                   [](write_batch& batch, partition_id where) {
                     storage::put_outbound(batch, where, partition_id(1), 9, decision("order-1"));
                   },
                   [](const key_value_store& store, partition_id where) {
                     return error_of(storage::scan_outbound(store, where, partition_id(1), 0, 10));
                   },
                   "outbox of partition 3 for partition 1, message 9"});
  kinds.push_back({"Inbox", family::inbox,
                   [](write_batch& batch, partition_id where) {
                     storage::put_parked(batch, where, run, 2, decision("order-1"));
                   },
                   [](const key_value_store& store, partition_id where) {
                     return error_of(storage::scan_parked(store, where, run));
                   },
                   "inbox of partition 3, run 17, message 2"});
  kinds.push_back({"Published", family::published,
                   [](write_batch& batch, partition_id where) {
                     messages::CommittedTurns turns;
                     turns.add_turns()->set_workflow_id("order-1");
                     storage::put_published(batch, where, 9, turns);
                   },
                   [](const key_value_store& store, partition_id where) {
                     return error_of(storage::scan_published(store, where, 0, 10));
                   },
                   "turns to be published of partition 3, number 9"});
  kinds.push_back({"Turn", family::journal,
                   [](write_batch& batch, partition_id where) {
                     messages::TurnRecord turn;
                     turn.add_events()->mutable_timer_fired();
                     storage::append_turn(batch, where, run, seq, turn);
                   },
                   [](const key_value_store& store, partition_id where) {
                     return error_of(storage::read_turn(store, where, run, seq));
                   },
                   "journal of partition 3, run 17, event 300"});
  return kinds;
}

class StoredRow : public testing::TestWithParam<kind_of_row> {
 protected:
  StoredRow() {
    write_batch batch;
    GetParam().put(batch, here);
    EXPECT_TRUE(store_->write(batch).has_value());
    const row_map rows = rows_of(*store_, GetParam().in);
    std::tie(key_, value_) = *rows.rbegin();
  }
  std::optional<storage_error> read_with(std::string_view value) {
    put(*store_, GetParam().in, key_, value);
    return GetParam().read(*store_, here);
  }
  void expect_corrupt(const std::optional<storage_error>& error, const std::string& what) {
    ASSERT_TRUE(error.has_value()) << what;
    EXPECT_EQ(error->code, storage_errc::corrupt) << what;
    EXPECT_TRUE(error->message.starts_with(GetParam().called + ": ")) << what << ": " << error->message;
  }

  std::unique_ptr<key_value_store> store_ = storage::make_memory_store();
  std::string key_;
  std::string value_;
};

TEST_P(StoredRow, IsReadAsItWasWritten) { EXPECT_FALSE(GetParam().read(*store_, here).has_value()); }

TEST_P(StoredRow, IsCorruptWhereAnyByteIsChanged) {
  for (std::size_t i = 0; i < value_.size(); ++i) {
    std::string changed = value_;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    expect_corrupt(read_with(changed), "byte " + std::to_string(i));
  }
}

TEST_P(StoredRow, IsCorruptWhereItWasCut) {
  for (std::size_t size = 0; size < value_.size(); ++size) {
    expect_corrupt(read_with(value_.substr(0, size)), "cut to " + std::to_string(size));
  }
}

TEST_P(StoredRow, IsCorruptUnderAnotherKey) {
  write_batch batch;
  GetParam().put(batch, elsewhere);
  ASSERT_TRUE(store_->write(batch).has_value());
  std::string moved_to = key_;
  moved_to[1] = static_cast<char>(elsewhere.value);
  put(*store_, GetParam().in, moved_to, value_);
  const auto error = GetParam().read(*store_, elsewhere);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, storage_errc::corrupt);
}

TEST_P(StoredRow, OfALaterVersionIsToldFromDamage) {
  std::string later = value_;
  later[0] = 2;
  const auto error = read_with(later);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, storage_errc::newer_format);
  EXPECT_EQ(error->message, GetParam().called + ": written by a newer version of evermill");
}

INSTANTIATE_TEST_SUITE_P(, StoredRow, testing::ValuesIn(all_kinds()),
                         [](const auto& info) { return std::string(info.param.name); });

class Rows : public testing::Test {
 protected:
  void commit() {
    ASSERT_TRUE(store_->write(batch_).has_value());
    batch_.clear();
  }
  std::unique_ptr<key_value_store> store_ = storage::make_memory_store();
  write_batch batch_;
};

TEST_F(Rows, ARowInAnotherFamilyIsCorrupt) {
  // This key is an inbox's (partition 3, run 17, index 9) and an outbox's (from 3 to 0x0111, number 9).
  storage::put_parked(batch_, here, run, 9, decision("order-1"));
  commit();
  const row_map parked = rows_of(*store_, family::inbox);
  put(*store_, family::outbox, parked.begin()->first, parked.begin()->second);
  const auto moved = storage::scan_outbound(*store_, here, partition_id(0x0111), 0, 10);
  ASSERT_FALSE(moved.has_value());
  EXPECT_EQ(moved.error().code, storage_errc::corrupt);
}

TEST_F(Rows, HeadersComeBackByWorkflowId) {
  messages::InstanceHeader header;
  header.set_run_number(17);
  header.set_workflow_type("order");
  header.set_status(messages::RUNNING);
  storage::put_header(batch_, here, "order-1", header);
  commit();
  const auto found = storage::find_header(*store_, here, "order-1");
  ASSERT_TRUE(found.has_value() && found->has_value());
  EXPECT_EQ((*found)->SerializeAsString(), header.SerializeAsString());
  EXPECT_EQ(storage::find_header(*store_, here, "order-")->has_value(), false);
  EXPECT_EQ(storage::find_header(*store_, elsewhere, "order-1")->has_value(), false);
}

TEST_F(Rows, InstancesAreListedInPagesOfTheirPartition) {
  for (const char* id : {"a", "aa", "b", "c"}) storage::put_header(batch_, here, id, {});
  storage::put_header(batch_, partition_id(4), "z", {});
  commit();
  std::vector<std::string> listed;
  for (std::string after;;) {
    const auto page = storage::list_instances(*store_, here, after, 2);
    ASSERT_TRUE(page.has_value());
    if (page->empty()) break;
    for (const auto& row : *page) listed.push_back(row.workflow_id);
    after = listed.back();
  }
  EXPECT_EQ(listed, (std::vector<std::string>{"a", "aa", "b", "c"}));
}

TEST_F(Rows, APartitionThatNeverCommittedHasAnEmptyState) {
  const auto state = storage::load_partition_state(*store_, here);
  ASSERT_TRUE(state.has_value());
  messages::PartitionState expected;
  expected.set_execution_index(storage::execution_index_version);  // nothing is missing in it
  EXPECT_EQ(state->SerializeAsString(), expected.SerializeAsString());
}

TEST_F(Rows, OpenWorkIsScannedByRunWithItsActivities) {
  for (const std::uint64_t number : {2, 255, 256}) {
    storage::put_open_work(batch_, here, run_number(number), {});
    for (const std::uint64_t scheduled : {300, 7}) {
      messages::OpenActivity activity;
      activity.set_attempt(static_cast<std::uint32_t>(scheduled));
      storage::put_open_activity(batch_, here, run_number(number), event_seq(scheduled), activity);
    }
  }
  storage::put_open_work(batch_, partition_id(4), run_number(1), {});
  commit();
  const auto found = storage::scan_open_work(*store_, here, run_number(3), 10);
  ASSERT_TRUE(found.has_value());
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ((*found)[0].run, run_number(255));
  EXPECT_EQ((*found)[1].run, run_number(256));
  ASSERT_EQ((*found)[1].activities.size(), 2U);
  EXPECT_EQ((*found)[1].activities[0].first, event_seq(7));
  EXPECT_EQ((*found)[1].activities[1].second.attempt(), 300U);
  EXPECT_EQ(storage::scan_open_work(*store_, here, run_number(0), 2)->size(), 2U);
}

TEST_F(Rows, OpenWorkIsGoneWithItsRow) {
  storage::put_open_work(batch_, here, run, {});
  storage::put_open_activity(batch_, here, run, seq, {});
  commit();
  storage::erase_open_activity(batch_, here, run, seq);
  commit();
  EXPECT_TRUE((*storage::find_open_work(*store_, here, run))->activities.empty());
  storage::erase_open_work(batch_, here, run);
  commit();
  EXPECT_FALSE(storage::find_open_work(*store_, here, run)->has_value());
  EXPECT_TRUE(rows_of(*store_, family::open_work).empty());
}

TEST_F(Rows, TimersComeEarliestFirstStrictlyAfterAPosition) {
  const std::vector<storage::timer_row> ordered = {{from_micros(5), run_number(2), event_seq(9), "b"},
                                                   {from_micros(5), run_number(300), event_seq(1), "c"},
                                                   {from_micros(1'000), run_number(1), event_seq(1), "a"}};
  for (auto timer = ordered.rbegin(); timer != ordered.rend(); ++timer) storage::put_timer(batch_, here, *timer);
  storage::put_timer(batch_, partition_id(4), ordered[0]);
  commit();
  EXPECT_EQ(*storage::scan_timers(*store_, here, {}, 10), ordered);
  EXPECT_EQ(*storage::scan_timers(*store_, here, ordered[0], 1), (std::vector<storage::timer_row>{ordered[1]}));
  storage::timer_row watermark;
  watermark.fire_at = from_micros(6);
  EXPECT_EQ(*storage::scan_timers(*store_, here, watermark, 10), (std::vector<storage::timer_row>{ordered[2]}));
  storage::erase_timer(batch_, here, ordered[0].fire_at, ordered[0].run, ordered[0].started);
  commit();
  EXPECT_EQ(storage::scan_timers(*store_, here, {}, 10)->size(), 2U);
}

TEST_F(Rows, ALaneIsScannedInTheOrderOfItsNumbers) {
  for (const std::uint64_t number : {256, 1, 255}) {
    storage::put_outbound(batch_, here, partition_id(1), number, decision(std::to_string(number)));
  }
  storage::put_outbound(batch_, here, partition_id(2), 3, decision("another lane"));
  commit();
  const auto after_first = storage::scan_outbound(*store_, here, partition_id(1), 1, 10);
  ASSERT_TRUE(after_first.has_value());
  ASSERT_EQ(after_first->size(), 2U);
  EXPECT_EQ((*after_first)[0].first, 255U);
  EXPECT_EQ((*after_first)[1].second.workflow_id(), "256");
  storage::erase_outbound(batch_, here, partition_id(1), 1);
  commit();
  EXPECT_EQ(storage::scan_outbound(*store_, here, partition_id(1), 0, 1)->front().first, 255U);
}

TEST_F(Rows, ParkedEventsComeBackInTheirOrder) {
  for (const std::uint64_t index : {300, 0, 2}) storage::put_parked(batch_, here, run, index, decision("order-1"));
  storage::put_parked(batch_, here, run.next(), 1, decision("order-2"));
  commit();
  storage::erase_parked(batch_, here, run, 2);
  commit();
  const auto parked = storage::scan_parked(*store_, here, run);
  ASSERT_TRUE(parked.has_value());
  ASSERT_EQ(parked->size(), 2U);
  EXPECT_EQ((*parked)[0].first, 0U);
  EXPECT_EQ((*parked)[1].first, 300U);
}

TEST_F(Rows, AKeyThatNoRowHasIsCorrupt) {
  const std::string partition("\x00\x03", 2);
  const std::string run_17("\x01\x11", 2);
  put(*store_, family::timers, partition + "short", "");
  put(*store_, family::open_work, partition + run_17 + "\x02", "");
  put(*store_, family::outbox, partition + std::string("\x00\x01\x09", 3), "");
  put(*store_, family::inbox, partition + run_17 + std::string("\x01\x02tail", 6), "");
  for (const auto& error : {error_of(storage::scan_timers(*store_, here, {}, 10)),
                            error_of(storage::scan_open_work(*store_, here, run_number(0), 10)),
                            error_of(storage::scan_outbound(*store_, here, partition_id(1), 0, 10)),
                            error_of(storage::scan_parked(*store_, here, run))}) {
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code, storage_errc::corrupt);
    EXPECT_NE(error->message.find("malformed key"), std::string::npos) << error->message;
    EXPECT_NE(error->message.find("partition 3"), std::string::npos) << error->message;
  }
}

}  // namespace
}  // namespace evermill::tests
