#include "cluster/stream_records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace evermill::cluster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string stream = "decisions";
constexpr std::size_t limit = 2048;

messages::StreamRecord event_of(const std::string& workflow_id, std::size_t bytes = 0) {
  messages::StreamRecord record;
  record.mutable_decision()->set_workflow_id(workflow_id);
  record.mutable_decision()->mutable_terminate()->set_reason(std::string(bytes, 'x'));
  return record;
}

/// What is read of a stream, one record after the other.
class StreamRecords : public testing::Test {
 protected:
  std::vector<queue::record> records(const std::string& id, std::size_t bytes, const std::string& writer, std::uint64_t number) {
    return to_records(stream, event_of(id, bytes), limit, {writer, number});
  }
  void add(const queue::record& record, timestamp written = {}) {
    if (auto wrong = gatherer_.add({++at_, written, record})) rejected_.push_back(std::to_string(wrong->at) + ": " + wrong->reason);
    while (auto next = gatherer_.next()) {
      given_.push_back(next->what.decision().workflow_id());
      places_.push_back(next->at);
    }
  }
  void restart() {
    gatherer_ = record_gatherer(stream);
    given_.clear();
    places_.clear();
  }

  record_gatherer gatherer_{stream};
  queue::position at_ = 0;
  std::vector<std::string> given_;
  std::vector<queue::position> places_;
  std::vector<std::string> rejected_;
};

TEST_F(StreamRecords, ASmallMessageIsOneRecord) {
  const auto one = records("a", 10, "w", 1);
  ASSERT_EQ(one.size(), 1U);
  add(one.front());
  EXPECT_THAT(given_, ElementsAre("a"));
}

TEST_F(StreamRecords, NoRecordIsLargerThanTheLimit) {
  for (const std::size_t bytes : {1000, 1500, 1536, 1537, 5000, 100'000}) {
    for (const queue::record& each : records("a", bytes, "writer", 1)) EXPECT_LE(each.value.size(), limit) << bytes;
  }
}

TEST_F(StreamRecords, ALargeMessageComesWholeAndHoldsUpWhatFollows) {
  const auto large = records("large", 4000, "w", 1);
  ASSERT_GE(large.size(), 3U);
  add(records("before", 0, "v", 1).front());
  add(large[0]);
  add(records("between", 0, "v", 2).front());
  add(large[1]);
  EXPECT_THAT(given_, ElementsAre("before"));
  for (std::size_t i = 2; i < large.size(); ++i) add(large[i]);
  EXPECT_THAT(given_, ElementsAre("before", "large", "between"));
  EXPECT_THAT(places_, ElementsAre(1U, 2U, 3U)) << "it lies where its first part does: who goes on behind it misses nothing";
}

TEST_F(StreamRecords, MessagesOfSeveralWritersMayLieBetweenEachOther) {
  const auto one = records("one", 4000, "v", 1);
  const auto two = records("two", 4000, "w", 1);
  for (std::size_t i = 0; i < one.size(); ++i) {
    add(one[i]);
    add(two[i]);
  }
  EXPECT_THAT(given_, ElementsAre("one", "two"));
}

TEST_F(StreamRecords, PartsThatAreWrittenTwiceCountOnce) {
  const auto large = records("large", 4000, "w", 1);
  for (const queue::record& each : large) add(each);
  for (const queue::record& each : large) {
    add(each);
    add(each);
  }
  EXPECT_THAT(given_, ElementsAre("large", "large")) << "a message that is written twice is two messages";
}

TEST_F(StreamRecords, WhoBeginsInTheMiddleOfAMessageLeavesItOut) {
  const auto large = records("large", 4000, "w", 1);
  for (std::size_t i = 1; i < large.size(); ++i) add(large[i]);
  add(records("next", 0, "w", 2).front());
  EXPECT_THAT(given_, ElementsAre("next"));
}

TEST_F(StreamRecords, AMessageThatIsNeverFinishedHoldsUpNothingForEver) {
  const auto large = records("large", 4000, "w", 1);
  const timestamp then(std::chrono::seconds(1000));
  add(large[0], then);
  add(records("soon", 0, "v", 1).front(), then + std::chrono::seconds(119));
  EXPECT_THAT(given_, IsEmpty());
  add(records("later", 0, "v", 2).front(), then + std::chrono::seconds(121));
  EXPECT_THAT(given_, ElementsAre("soon", "later"));
}

TEST_F(StreamRecords, WhatCanNotBeReadIsSetAsideAndHoldsUpNothing) {
  queue::record damaged = records("a", 10, "w", 1).front();
  damaged.value.back() ^= 1;
  add(damaged);
  queue::record foreign;
  foreign.value = "hello";
  add(foreign);
  add(to_records("inbox", event_of("b"), limit, {"w", 2}).front());
  add(records("c", 0, "w", 3).front());
  EXPECT_THAT(rejected_, ElementsAre(HasSubstr("1: "), HasSubstr("2: "), HasSubstr("3: ")));
  EXPECT_THAT(given_, ElementsAre("c"));
}

TEST_F(StreamRecords, WhoGoesOnBehindAnyMessageThatWasGivenMissesNone) {
  std::mt19937 random(7);
  std::vector<queue::record> all;
  std::vector<std::vector<queue::record>> writers;  // each with one message at a time
  int last = 0;
  for (int i = 0; i < 400; ++i) {
    if (writers.size() < 4 && random() % 3 == 0) {
      const std::size_t bytes = random() % 2 == 0 ? 0 : random() % 8000;
      const int number = ++last;
      writers.push_back(records("m" + std::to_string(number), bytes, "w" + std::to_string(number), 1));
    } else if (!writers.empty()) {
      auto& one = writers[random() % writers.size()];
      all.push_back(one.front());
      one.erase(one.begin());
      std::erase_if(writers, [](const auto& left) { return left.empty(); });
    }
  }
  for (const queue::record& each : all) add(each);
  const std::vector<std::string> expected = given_;
  const std::vector<queue::position> places = places_;
  ASSERT_GT(expected.size(), 20U);
  for (std::size_t behind = 0; behind < expected.size(); ++behind) {
    restart();
    at_ = places[behind];
    for (std::size_t i = at_; i < all.size(); ++i) add(all[i]);
    EXPECT_THAT(given_, testing::ElementsAreArray(expected.begin() + static_cast<std::ptrdiff_t>(behind) + 1, expected.end()));
  }
}

}  // namespace
}  // namespace evermill::cluster
