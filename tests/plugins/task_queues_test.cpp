// Limits of task queues.
#include "plugins/task/task_queues.hpp"

#include <gtest/gtest.h>

#include "attempt_ends.hpp"
#include "tests/support/manual_clock.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;

struct TaskQueues : testing::Test {
  using numbers = std::vector<std::uint64_t>;

  void make(std::vector<tasks::task_queue_limits> limits) {
    queues.emplace(limits, time);
    queues->attach([this](std::vector<task_ptr>&& tasks) { note(tasks); });
  }
  static task_ptr task(std::uint64_t seq, const std::string& queue) {
    auto made = std::make_shared<messages::ActivityTask>(*make_task("any", payload{}, seq));
    made->mutable_options()->set_task_queue(queue);
    return made;
  }
  void note(const std::vector<task_ptr>& tasks) {
    for (const task_ptr& each : tasks) released.push_back(each->scheduled_seq());
  }
  void admit(std::uint64_t first, std::uint64_t last, const std::string& queue) {
    std::vector<task_ptr> tasks;
    for (std::uint64_t seq = first; seq <= last; ++seq) tasks.push_back(task(seq, queue));
    queues->admit(tasks);
    note(tasks);
  }
  numbers take() { return std::exchange(released, {}); }

  manual_clock time;
  std::optional<tasks::task_queues> queues;
  numbers released;
};

TEST_F(TaskQueues, ServesWhatItIsGivenAndTheDefault) {
  make({{.name = "gpu"}});
  EXPECT_TRUE(queues->serves("gpu"));
  EXPECT_TRUE(queues->serves("default"));
  EXPECT_TRUE(queues->serves(""));
  EXPECT_FALSE(queues->serves("tape"));
}

TEST_F(TaskQueues, OnesWithoutLimitsPassEverythingOn) {
  make({{.name = "gpu"}, {.name = "tape", .concurrency = 1}});
  admit(1, 3, "gpu");
  admit(4, 6, "");
  EXPECT_EQ(take(), (numbers{1, 2, 3, 4, 5, 6}));
}

TEST_F(TaskQueues, AtMostAsManyRunAsAllowedFirstInFirstOut) {
  make({{.name = "gpu", .concurrency = 2}});
  admit(1, 4, "gpu");
  EXPECT_EQ(take(), (numbers{1, 2}));
  queues->ended(*task(2, "gpu"));
  EXPECT_EQ(take(), (numbers{3}));
  queues->ended(*task(2, "gpu"));
  EXPECT_EQ(take(), (numbers{})) << "an end counts once";
  admit(5, 5, "gpu");
  queues->ended(*task(1, "gpu"));
  queues->ended(*task(3, "gpu"));
  EXPECT_EQ(take(), (numbers{4, 5}));
}

TEST_F(TaskQueues, TheDefaultOneMayHaveLimits) {
  make({{.name = "default", .concurrency = 1}});
  admit(1, 2, "");
  EXPECT_EQ(take(), (numbers{1}));
  queues->ended(*task(1, ""));
  EXPECT_EQ(take(), (numbers{2}));
}

TEST_F(TaskQueues, StartsNoMoreThanTheRateAllows) {
  make({{.name = "api", .rate_per_second = 2, .burst = 3}});
  admit(1, 7, "api");
  EXPECT_EQ(take(), (numbers{1, 2, 3}));
  time.advance(499ms);
  EXPECT_EQ(take(), (numbers{}));
  time.advance(1ms);
  EXPECT_EQ(take(), (numbers{4}));
  time.advance(1s);
  EXPECT_EQ(take(), (numbers{5, 6}));
  time.advance(1h);
  EXPECT_EQ(take(), (numbers{7}));
  admit(8, 12, "api");
  EXPECT_EQ(take(), (numbers{8, 9, 10})) << "a pause saves a burst, no more";
}

TEST_F(TaskQueues, RateAndConcurrencyHoldTogether) {
  make({{.name = "api", .concurrency = 1, .rate_per_second = 1, .burst = 5}});
  admit(1, 3, "api");
  EXPECT_EQ(take(), (numbers{1}));
  time.advance(1h);
  EXPECT_EQ(take(), (numbers{}));
  queues->ended(*task(1, "api"));
  EXPECT_EQ(take(), (numbers{2}));
}

TEST_F(TaskQueues, GivesUpWhatIsDroppedAndWhatIsLeft) {
  make({{.name = "gpu", .concurrency = 1}});
  admit(1, 4, "gpu");
  take();
  ASSERT_TRUE(queues->drop(tasks::dispatch_id_of(*task(2, "gpu"))));
  EXPECT_FALSE(queues->drop(tasks::dispatch_id_of(*task(2, "gpu"))));
  EXPECT_FALSE(queues->drop(tasks::dispatch_id_of(*task(1, "gpu")))) << "it was released";
  queues->ended(*task(1, "gpu"));
  EXPECT_EQ(take(), (numbers{3}));
  EXPECT_EQ(queues->close().size(), 1U);
  queues->ended(*task(3, "gpu"));
  EXPECT_EQ(take(), (numbers{}));
}

TEST_F(TaskQueues, LeavesNoAlarmBehind) {
  make({{.name = "api", .rate_per_second = 1}});
  admit(1, 3, "api");
  EXPECT_EQ(time.alarms(), 1U);
  queues->close();
  EXPECT_EQ(time.alarms(), 0U);
}

}  // namespace
}  // namespace evermill::tests
