#include "storage/journal.hpp"

#include <gtest/gtest.h>

#include "messages/record.hpp"
#include "storage/keys.hpp"
#include "storage/memory_store.hpp"
#include "storage/row_access.hpp"
#include "stores.hpp"

namespace evermill::tests {
namespace {

using storage::family;
using storage::journal_reader;
using storage::storage_errc;
using storage::write_batch;

constexpr partition_id here{3};
constexpr run_number run{17};

messages::TurnRecord turn_of(int events, std::int64_t time_us = 1) {
  messages::TurnRecord turn;
  turn.set_time_us(time_us);
  for (int i = 0; i < events; ++i) turn.add_events()->mutable_timer_fired()->set_started_seq(1);
  return turn;
}

class Journal : public testing::Test {
 protected:
  void append(run_number to, std::uint64_t first, int events) {
    write_batch batch;
    storage::append_turn(batch, here, to, event_seq(first), turn_of(events, static_cast<std::int64_t>(first)));
    ASSERT_TRUE(store_->write(batch).has_value());
  }
  static std::string key(std::uint64_t first) {
    std::string bytes;
    storage::append_partition(bytes, here);
    storage::append_number(bytes, run.value);
    storage::append_number(bytes, first);
    return bytes;
  }
  /// The turns' first events, and the error that ended the walk, if one did.
  std::pair<std::vector<std::uint64_t>, std::string> read(std::uint64_t from = 1) {
    journal_reader reader(*store_, here, run, event_seq(from));
    storage::stored_turn turn;
    std::vector<std::uint64_t> firsts;
    while (true) {
      const auto more = reader.next(turn);
      if (!more) {
        EXPECT_EQ(more.error().code, storage_errc::corrupt);
        return {firsts, more.error().message};
      }
      if (!*more) return {firsts, ""};
      firsts.push_back(turn.first.value);
      EXPECT_EQ(turn.record.time_us(), static_cast<std::int64_t>(turn.first.value));
    }
  }

  std::unique_ptr<storage::key_value_store> store_ = storage::make_memory_store();
};

using firsts = std::vector<std::uint64_t>;

TEST_F(Journal, IsReadInOrderAndOfItsRunOnly) {
  append(run_number(16), 1, 1);
  append(run_number(18), 1, 1);
  append(run, 255, 2);
  append(run, 1, 3);
  append(run, 4, 251);
  append(run, 257, 1);
  EXPECT_EQ(read(), std::pair(firsts{1, 4, 255, 257}, std::string()));
}

TEST_F(Journal, OfAnUnknownRunIsEmpty) { EXPECT_EQ(read(), std::pair(firsts{}, std::string())); }

TEST_F(Journal, IsReadFromATurnInTheMiddle) {
  append(run, 1, 3);
  append(run, 4, 1);
  append(run, 5, 1);
  EXPECT_EQ(read(4), std::pair(firsts{4, 5}, std::string()));
  EXPECT_EQ(read(6), std::pair(firsts{}, std::string()));
  EXPECT_EQ(read(2), std::pair(firsts{}, std::string("journal of partition 3, run 17, event 2: missing; the next turn "
                                                     "there is starts at event 4")));
}

TEST_F(Journal, NamesTheFirstEventOfAGap) {
  append(run, 1, 3);
  append(run, 5, 1);
  EXPECT_EQ(read(), std::pair(firsts{1}, std::string("journal of partition 3, run 17, event 4: missing; the next turn "
                                                     "there is starts at event 5")));
}

TEST_F(Journal, NoticesThatItsBeginningIsMissing) {
  append(run, 2, 1);
  EXPECT_EQ(read().second,
            "journal of partition 3, run 17, event 1: missing; the next turn there is starts at event 2");
}

TEST_F(Journal, NoticesTurnsThatOverlap) {
  append(run, 1, 3);
  append(run, 2, 1);
  EXPECT_EQ(read().second,
            "journal of partition 3, run 17, event 4: missing; the next turn there is starts at event 2");
}

TEST_F(Journal, NamesTheTurnWithABadChecksum) {
  append(run, 1, 1);
  append(run, 2, 1);
  std::string value = rows_of(*store_, family::journal).at(key(2));
  value.back() = static_cast<char>(value.back() ^ 1);
  put(*store_, family::journal, key(2), value);
  EXPECT_EQ(read(), std::pair(firsts{1}, std::string("journal of partition 3, run 17, event 2: checksum mismatch")));
}

TEST_F(Journal, RefusesATurnWithoutEvents) {
  append(run, 1, 1);
  write_batch batch;
  storage::put_message(batch, family::journal, key(2), turn_of(0));
  ASSERT_TRUE(store_->write(batch).has_value());
  const std::string why = "journal of partition 3, run 17, event 2: a turn without events";
  EXPECT_EQ(read(), std::pair(firsts{1}, why));
  EXPECT_EQ(storage::read_turn(*store_, here, run, event_seq(2)).error().message, why);
}

TEST_F(Journal, RefusesAKeyWithMoreBehindIt) {
  append(run, 1, 1);
  put(*store_, family::journal, key(2) + "x", "");
  EXPECT_EQ(read().second, "journal of partition 3, run 17, event 2: followed by a malformed key");
}

TEST_F(Journal, FindsTheTurnOfAnEventWhereverItIs) {
  std::uint64_t first = 1;
  std::vector<std::uint64_t> firsts_of_events{0};
  write_batch batch;
  for (int turn = 0; turn < 700; ++turn) {
    const int events = turn == 350 ? 500 : 1 + turn % 3;  // one that is longer than what is looked through first
    messages::TurnRecord record;
    for (int i = 0; i < events; ++i) record.add_events();
    storage::append_turn(batch, here, run, event_seq(first), record);
    firsts_of_events.insert(firsts_of_events.end(), static_cast<std::size_t>(events), first);
    first += static_cast<std::uint64_t>(events);
  }
  ASSERT_TRUE(store_->write(batch));
  for (std::uint64_t seq = 1; seq < first; ++seq) {
    ASSERT_EQ(storage::first_of_turn(*store_, here, run, event_seq(seq))->value, firsts_of_events[seq]) << seq;
  }
  for (const std::uint64_t beyond : {first, first + 1, first + 10'000}) {
    EXPECT_EQ(storage::first_of_turn(*store_, here, run, event_seq(beyond))->value, beyond);
  }
  EXPECT_EQ(storage::first_of_turn(*store_, here, run_number(run.value + 1), event_seq(9))->value, 9u);
}

TEST_F(Journal, ReadsOneTurn) {
  append(run, 1, 3);
  append(run, 4, 2);
  const auto turn = storage::read_turn(*store_, here, run, event_seq(4));
  ASSERT_TRUE(turn.has_value());
  EXPECT_EQ(turn->first, event_seq(4));
  EXPECT_EQ(turn->last(), event_seq(5));
  const auto missing = storage::read_turn(*store_, here, run, event_seq(5));
  EXPECT_EQ(missing.error().code, storage_errc::corrupt);
  EXPECT_EQ(missing.error().message, "journal of partition 3, run 17, event 5: missing");
}

TEST(JournalDeathTest, RefusesToAppendATurnWithoutEvents) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  write_batch batch;
  EXPECT_DEATH(storage::append_turn(batch, here, run, event_seq(1), turn_of(0)), "a turn has a place");
  EXPECT_DEATH(storage::append_turn(batch, here, run, event_seq(0), turn_of(1)), "a turn has a place");
}

}  // namespace
}  // namespace evermill::tests
