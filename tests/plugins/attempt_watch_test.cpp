// The limits of a running attempt, and which of its heartbeats are passed on.
#include "plugins/task/attempt_watch.hpp"

#include <gtest/gtest.h>

#include "attempt_ends.hpp"
#include "tests/support/manual_clock.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;
using limit = tasks::timed_out::limit;

struct AttemptWatch : testing::Test {
  void watch(std::chrono::microseconds start_to_close, std::chrono::microseconds heartbeat) {
    auto task = std::make_shared<messages::ActivityTask>(*make_task("any", payload{}, 1, start_to_close.count()));
    task->mutable_options()->set_heartbeat_us(heartbeat.count());
    watched = std::make_unique<tasks::attempt_watch>(
        time, task, to_micros(time.now()), [this](tasks::timed_out how) { exceeded.push_back(how.which); },
        [this](const task_ptr&, std::optional<messages::Payload> details) {
          passed.push_back(details ? details->data() : "-");
        });
    watched->start();
  }
  void beat(const std::string& details) {
    std::optional<messages::Payload> message;
    if (!details.empty()) message.emplace().set_data(details);
    watched->heartbeat(std::move(message));
  }
  std::string stop() {
    const auto left = watched->stop();
    return left ? left->data() : "-";
  }
  using strings = std::vector<std::string>;

  manual_clock time;
  std::vector<limit> exceeded;
  strings passed;
  std::unique_ptr<tasks::attempt_watch> watched;
};

TEST_F(AttemptWatch, RingsWhenTheAttemptRanTooLong) {
  watch(10s, 0s);
  time.advance(9999ms);
  EXPECT_TRUE(exceeded.empty());
  time.advance(1h);
  EXPECT_EQ(exceeded, std::vector{limit::start_to_close}) << "once";
}

TEST_F(AttemptWatch, RingsWhenTheAttemptWasNotHeardOf) {
  watch(0s, 10s);
  for (int i = 0; i < 5; ++i) {
    time.advance(9s);
    beat("");
  }
  EXPECT_TRUE(exceeded.empty());
  time.advance(9999ms);
  EXPECT_TRUE(exceeded.empty());
  time.advance(1ms);
  EXPECT_EQ(exceeded, std::vector{limit::heartbeat});
}

TEST_F(AttemptWatch, HeartbeatsDoNotExtendStartToClose) {
  watch(20s, 15s);
  time.advance(10s);
  beat("");
  time.advance(10s);
  EXPECT_EQ(exceeded, std::vector{limit::start_to_close});
}

TEST_F(AttemptWatch, PassesTheNewestDetailsOnOnceInAWhile) {
  watch(0s, 10s);
  for (int i = 1; i <= 20; ++i) {
    beat(std::to_string(i));
    time.advance(1s);
  }
  EXPECT_EQ(passed, (strings{"1", "8", "16"})) << "at 0 s, 8 s and 16 s";
  EXPECT_EQ(stop(), "20");
}

TEST_F(AttemptWatch, PassesOnWhatWaitedAlthoughNothingFollows) {
  watch(0s, 0s);
  beat("1");
  beat("2");
  EXPECT_EQ(passed, strings{"1"});
  time.advance(60s);
  EXPECT_EQ(passed, (strings{"1", "2"}));
  time.advance(1h);
  EXPECT_EQ(passed.size(), 2U);
  EXPECT_EQ(stop(), "-");
}

TEST_F(AttemptWatch, AHeartbeatWithoutDetailsKeepsTheNewest) {
  watch(0s, 10s);
  beat("1");
  beat("2");
  beat("");
  EXPECT_EQ(stop(), "2");
}

TEST_F(AttemptWatch, IsSilentAfterStop) {
  watch(10s, 5s);
  beat("1");
  beat("2");
  stop();
  EXPECT_EQ(time.alarms(), 0U);
  beat("3");
  time.advance(1h);
  EXPECT_TRUE(exceeded.empty());
  EXPECT_EQ(passed, strings{"1"});
}

TEST_F(AttemptWatch, MayBeDestroyedByWhatItCalls) {
  auto task = std::make_shared<messages::ActivityTask>(*make_task("any", payload{}, 1, 1'000'000));
  watched = std::make_unique<tasks::attempt_watch>(time, task, to_micros(time.now()),
                                                   [this](tasks::timed_out) { watched.reset(); }, nullptr);
  watched->start();
  time.advance(2s);
  EXPECT_EQ(watched, nullptr);
}

TEST(HeartbeatInterval, IsMostOfTheTimeoutAndAMinuteAtMost) {
  EXPECT_EQ(tasks::heartbeat_interval(10s), 8s);
  EXPECT_EQ(tasks::heartbeat_interval(1h), 60s);
  EXPECT_EQ(tasks::heartbeat_interval(0s), 60s);
}

}  // namespace
}  // namespace evermill::tests
