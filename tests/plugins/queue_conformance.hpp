// What every decision queue promises. A plugin's test instantiates the suite with a factory of empty queues:
//
//   INSTANTIATE_TEST_SUITE_P(Memory, queue_conformance, testing::Values(queue_factory{"memory", make}));
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "plugins/queue/decision_queue.hpp"
#include "tests/support/permits.hpp"

namespace evermill::tests {

struct queue_factory {
  std::string name;
  std::function<std::unique_ptr<queue::decision_queue>(std::size_t partitions)> make;
  friend std::ostream& operator<<(std::ostream& to, const queue_factory& of) { return to << of.name; }
};

using event_ptr = std::shared_ptr<const messages::DecisionEvent>;

inline event_ptr numbered_event(std::uint64_t number) {
  auto event = std::make_shared<messages::DecisionEvent>();
  event->set_run_number(number);
  return event;
}

class queue_conformance : public testing::TestWithParam<queue_factory> {
 protected:
  static constexpr partition_id first{0};
  static constexpr partition_id second{1};

  void publish(std::uint64_t from, std::uint64_t through) {
    for (; from <= through; ++from) ASSERT_TRUE(queue_->publish(first, numbered_event(from)));
  }
  static std::vector<std::uint64_t> numbers(queue::consumer& from, std::size_t limit = 1'000) {
    std::vector<queue::item> items;
    from.poll(items, limit);
    std::vector<std::uint64_t> list;
    for (const auto& item : items) list.push_back(item.event->run_number());
    return list;
  }

  std::unique_ptr<queue::decision_queue> queue_ = GetParam().make(2);
};

using list = std::vector<std::uint64_t>;

TEST_P(queue_conformance, DeliversEachPartitionInOrderAtDensePositions) {
  publish(1, 3);
  const std::vector<event_ptr> batch{numbered_event(4), numbered_event(5)};
  ASSERT_TRUE(queue_->publish(first, batch));
  ASSERT_TRUE(queue_->publish(second, numbered_event(99)));
  const auto reader = queue_->consume(first, 0, [] {});
  std::vector<queue::item> items;
  EXPECT_EQ(reader->poll(items, 2), 2U);
  EXPECT_EQ(reader->poll(items, 10), 3U);
  EXPECT_EQ(reader->poll(items, 10), 0U);
  ASSERT_EQ(items.size(), 5U);
  for (std::uint64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(items[i].at, i + 1);
    EXPECT_EQ(items[i].event->run_number(), i + 1);
  }
  EXPECT_EQ(numbers(*queue_->consume(second, 0, [] {})), list{99});
}

TEST_P(queue_conformance, DeliversAgainWhatANewConsumerHasNotHandled) {
  publish(1, 5);
  auto reader = queue_->consume(first, 0, [] {});
  EXPECT_EQ(numbers(*reader), (list{1, 2, 3, 4, 5}));
  reader->acknowledge(2);
  const auto next = queue_->consume(first, 3, [] {});
  EXPECT_EQ(numbers(*next), (list{4, 5}));
  EXPECT_EQ(numbers(*queue_->consume(first, 0, [] {})), (list{4, 5}));
}

TEST_P(queue_conformance, GivesNothingMoreToAReplacedConsumer) {
  publish(1, 2);
  auto old = queue_->consume(first, 0, [] {});
  const auto next = queue_->consume(first, 0, [] {});
  EXPECT_EQ(numbers(*old), list{});
  old->acknowledge(2);
  EXPECT_EQ(queue_->backlog(first).items, 2U);
  EXPECT_EQ(queue_->backlog(first).bytes, numbered_event(1)->ByteSizeLong() + numbered_event(2)->ByteSizeLong());
  old.reset();
  EXPECT_EQ(numbers(*next), (list{1, 2}));
}

TEST_P(queue_conformance, KeepsNothingThatIsAcknowledged) {
  const auto watched = numbered_event(1);
  const std::weak_ptr<const messages::DecisionEvent> kept = watched;
  ASSERT_TRUE(queue_->publish(first, event_ptr(watched)));
  const auto reader = queue_->consume(first, 0, [] {});
  for (std::uint64_t round = 2; round < 2'000; ++round) {
    publish(round, round);
    std::vector<queue::item> items;
    reader->poll(items, 10);
    reader->acknowledge(items.back().at);
    ASSERT_EQ(queue_->backlog(first).items, 0U);
    ASSERT_EQ(queue_->backlog(first).bytes, 0U);
  }
  EXPECT_EQ(watched.use_count(), 1);
}

TEST_P(queue_conformance, AcknowledgesOnlyWhatWasPolled) {
  publish(1, 3);
  const auto reader = queue_->consume(first, 0, [] {});
  EXPECT_EQ(numbers(*reader, 1), list{1});
  reader->acknowledge(3);
  EXPECT_EQ(numbers(*reader), (list{2, 3}));
}

TEST_P(queue_conformance, CallsOnceBetweenTwoEmptyPolls) {
  int calls = 0;
  const auto reader = queue_->consume(first, 0, [&] { ++calls; });
  EXPECT_EQ(calls, 0);
  publish(1, 3);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(numbers(*reader).size(), 3U);
  publish(4, 5);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(numbers(*reader).size(), 2U);
  EXPECT_EQ(numbers(*reader).size(), 0U);
  publish(6, 7);
  EXPECT_EQ(calls, 2);
}

TEST_P(queue_conformance, CallsANewConsumerWhenThereIsSomethingAlready) {
  publish(1, 1);
  int calls = 0;
  const auto reader = queue_->consume(first, 0, [&] { ++calls; });
  EXPECT_EQ(calls, 1);
}

TEST_P(queue_conformance, LosesNoWakeUpUnderLoad) {
  constexpr std::uint64_t writers = 4;
  constexpr std::uint64_t each = 5'000;
  permits readable;
  const auto reader = queue_->consume(first, 0, [&] { readable.release(); });
  std::vector<std::thread> threads;
  for (std::uint64_t writer = 0; writer < writers; ++writer) {
    threads.emplace_back([&, writer] {
      for (std::uint64_t i = 0; i < each; ++i) queue_->publish(first, numbered_event(writer * each + i));
    });
  }
  std::vector<std::uint64_t> next(writers, 0);
  std::vector<queue::item> items;
  for (std::uint64_t seen = 0; seen < writers * each;) {
    readable.acquire();  // a lost wake-up ends here, at the test's time limit
    for (items.clear(); reader->poll(items, 64) != 0; items.clear()) {
      for (const auto& item : items) {
        ASSERT_EQ(item.at, ++seen);
        const std::uint64_t number = item.event->run_number();
        ASSERT_EQ(number % each, next[number / each]++);
      }
      reader->acknowledge(seen);
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(queue_->backlog(first).items, 0U);
}

TEST_P(queue_conformance, RefusesAndCallsNothingOnceClosed) {
  int calls = 0;
  const auto reader = queue_->consume(first, 0, [&] { ++calls; });
  queue_->close();
  EXPECT_FALSE(queue_->publish(first, numbered_event(1)));
  EXPECT_FALSE(queue_->publish(first, std::vector<event_ptr>{numbered_event(1)}));
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(queue_->backlog(first).items, 0U);
}

TEST_P(queue_conformance, CallsNoConsumerThatComesAfterClose) {
  publish(1, 1);
  queue_->close();
  int calls = 0;
  const auto reader = queue_->consume(first, 0, [&] { ++calls; });
  EXPECT_EQ(calls, 0);
}

TEST_P(queue_conformance, CloseWaitsForACallThatRuns) {
  permits in_call;
  permits go_on;
  std::atomic<bool> call_over = false;
  const auto reader = queue_->consume(first, 0, [&] {
    in_call.release();
    go_on.acquire();
    call_over = true;
  });
  std::thread writer([&] { queue_->publish(first, numbered_event(1)); });
  in_call.acquire();
  std::thread closer([&] {
    queue_->close();
    EXPECT_TRUE(call_over);
  });
  go_on.release();
  closer.join();
  writer.join();
}

TEST_P(queue_conformance, AConsumerMayOutliveTheQueue) {
  const auto reader = queue_->consume(first, 0, [] {});
  queue_.reset();
  EXPECT_EQ(numbers(*reader), list{});
}

}  // namespace evermill::tests
