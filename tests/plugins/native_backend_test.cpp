#include "plugins/task/native/native_backend.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "attempt_ends.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/permits.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;
using tasks::dispatch_id_of;

constexpr activity<int(int)> twice{.name = "twice"};
constexpr activity<std::string()> describe{.name = "describe"};
constexpr activity<int()> hold{.name = "hold"};
constexpr activity<void()> wait_for_stop{.name = "wait_for_stop"};
constexpr activity<void()> refuse{.name = "refuse"};

struct NativeBackend : testing::Test {
  NativeBackend() {
    known.add(twice, [](int n) { return 2 * n; });
    known.add(describe, [](activity_context& about) {
      return about.workflow_id() + " " + about.dispatch_id() + " " + about.idempotency_key();
    });
    known.add(hold, [this] {
      holding.release();
      release.acquire();
      left.release();
      return 1;
    });
    known.add(wait_for_stop, [this](activity_context& about) {
      permits stopped;
      const std::stop_callback told(about.stop_token(), [&] { stopped.release(); });
      holding.release();
      stopped.acquire();
    });
    known.add(refuse, [] { throw application_error("CardDeclined", "no money"); });
  }

  std::unique_ptr<tasks::native_backend> make(unsigned threads) {
    tasks::native_options options;
    options.threads = threads;
    options.time = &time;
    return tasks::make_native_backend(known, options, ends.recorder());
  }
  static task_ptr task(const char* type, std::uint64_t seq, std::int64_t timeout_us = 0) {
    return make_task(type, json_payload("21"), seq, timeout_us);
  }

  manual_clock time;
  attempt_ends ends;
  registry known;
  permits holding;
  permits release;
  permits left;
};

TEST_F(NativeBackend, RunsTheFunctionAndReportsItsResultAndStart) {
  const auto backend = make(2);
  EXPECT_EQ(backend->name(), "native");
  EXPECT_TRUE(backend->serves("twice"));
  EXPECT_FALSE(backend->serves("thrice"));
  backend->run({task("twice", 1), task("describe", 2)});
  EXPECT_EQ(result_of<int>(ends.of(1)), 42);
  EXPECT_EQ(ends.of(1).started_us, to_micros(time.now()));
  EXPECT_EQ(result_of<std::string>(ends.of(2)), "order-1 1.2.2.3.4 1.2.2");
}

TEST_F(NativeBackend, SaysWhyAFunctionDidNotComplete) {
  const auto backend = make(1);
  backend->run({task("refuse", 1), task("unheard_of", 2), make_task("twice", json_payload("\"x\""), 3)});
  EXPECT_EQ(failure_of(ends.of(1)).kind, failure_kind::application);
  EXPECT_EQ(failure_of(ends.of(1)).type, "CardDeclined");
  EXPECT_EQ(failure_of(ends.of(2)).kind, failure_kind::not_registered);
  EXPECT_EQ(failure_of(ends.of(3)).kind, failure_kind::invalid_payload);
}

TEST_F(NativeBackend, ReportsATimeoutAtOnceAndGoesOnWithAnotherThread) {
  const auto backend = make(1);
  backend->run({task("hold", 1, 5'000'000), task("twice", 2)});
  holding.acquire();
  time.advance(4s);
  EXPECT_TRUE(ends.reports().empty());
  time.advance(1s);
  EXPECT_TRUE(std::holds_alternative<tasks::timed_out>(ends.of(1).how));
  EXPECT_EQ(result_of<int>(ends.of(2)), 42);  // while the first still holds its thread
  release.release();
  left.acquire();
  backend->run({task("twice", 3)});
  ends.of(3);
  backend->stop(10s);
  EXPECT_EQ(ends.reports(), (std::map<std::uint64_t, int>{{1, 1}, {2, 1}, {3, 1}}));
}

TEST_F(NativeBackend, ReplacesAtMostAsManyThreadsAsItHas) {
  const auto backend = make(1);
  backend->run({task("hold", 1), task("hold", 2), task("twice", 3)});
  holding.acquire();
  backend->cancel(dispatch_id_of(*task("hold", 1)));
  holding.acquire();  // on the replacement
  backend->cancel(dispatch_id_of(*task("hold", 2)));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(2).how));
  EXPECT_FALSE(ends.reports().contains(3));  // no third thread: nothing runs it until one is free
  release.release(2);
  EXPECT_EQ(result_of<int>(ends.of(3)), 42);
}

TEST_F(NativeBackend, TellsARunningFunctionThatItIsCanceled) {
  const auto backend = make(1);
  backend->run({task("wait_for_stop", 1), task("twice", 2)});
  holding.acquire();
  backend->cancel(dispatch_id_of(*task("wait_for_stop", 1)));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(1).how));
  EXPECT_EQ(result_of<int>(ends.of(2)), 42);
}

TEST_F(NativeBackend, DropsACanceledTaskThatHasNotStarted) {
  const auto backend = make(1);
  backend->run({task("hold", 1), task("twice", 2)});
  holding.acquire();
  backend->cancel(dispatch_id_of(*task("twice", 2)));
  backend->cancel(dispatch_id_of(*task("twice", 99)));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(2).how));
  EXPECT_EQ(ends.of(2).started_us, 0);
  release.release();
  ends.of(1);
}

TEST_F(NativeBackend, LeavesNoAlarmBehind) {
  const auto backend = make(1);
  backend->run({task("twice", 1, 1'000'000)});
  ends.of(1);
  EXPECT_EQ(time.alarms(), 0U);
  backend->run({task("hold", 2, 1'000'000)});
  holding.acquire();
  EXPECT_EQ(time.alarms(), 1U);
  backend->cancel(dispatch_id_of(*task("hold", 2)));
  EXPECT_EQ(time.alarms(), 0U);
  release.release();
}

TEST_F(NativeBackend, RunsFunctionsOnThePool) {
  const auto backend = make(2);
  permits done;
  for (int i = 0; i < 3; ++i) backend->run_function([&] { done.release(); });
  for (int i = 0; i < 3; ++i) done.acquire();
}

TEST_F(NativeBackend, StopLetsWhatListensEndAndTellsWhatNeverStarted) {
  const auto backend = make(1);
  backend->run({task("wait_for_stop", 1), task("twice", 2)});
  holding.acquire();
  backend->stop(60s);
  EXPECT_EQ(ends.reports(), (std::map<std::uint64_t, int>{{1, 1}, {2, 1}}));
  EXPECT_TRUE(std::holds_alternative<tasks::completed>(ends.of(1).how));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(2).how));
  EXPECT_EQ(ends.of(2).started_us, 0);
}

TEST_F(NativeBackend, ReportsNothingAfterStop) {
  const auto backend = make(1);
  backend->stop(60s);
  backend->run({task("twice", 3)});
  EXPECT_TRUE(ends.reports().empty());
}

TEST_F(NativeBackend, ATaskThatComesWhileItStopsIsToldToHaveNeverStarted) {
  known.add(activity<void()>{.name = "signal_stop"}, [this](activity_context& about) {
    const std::stop_callback told(about.stop_token(), [&] { left.release(); });
    holding.release();
    release.acquire();
  });
  const auto backend = make(1);
  backend->run({task("signal_stop", 1)});
  holding.acquire();
  std::thread stopper([&] { backend->stop(60s); });
  left.acquire();  // it stops now, and waits for the function
  backend->run({task("twice", 2)});
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(2).how));
  EXPECT_EQ(ends.of(2).started_us, 0);
  release.release();
  stopper.join();
}

TEST_F(NativeBackend, StopAbandonsWhatDoesNotEnd) {
  auto backend = make(1);
  backend->run({task("hold", 1, 1'000'000)});
  holding.acquire();
  backend->stop(1ms);
  EXPECT_EQ(time.alarms(), 0U);
  backend.reset();
  release.release();
  left.acquire();
  EXPECT_TRUE(ends.reports().empty());
}

TEST_F(NativeBackend, ReportsEachAttemptOnceWhereCancelMeetsTheEnd) {
  constexpr std::uint64_t count = 20'000;
  const auto backend = make(4);
  std::vector<task_ptr> all;
  for (std::uint64_t seq = 1; seq <= count; ++seq) all.push_back(task("twice", seq, 1'000'000));
  std::thread canceler([&] {
    for (const task_ptr& each : all) backend->cancel(dispatch_id_of(*each));
  });
  std::thread ticker([&] {
    for (int i = 0; i < 200; ++i) time.advance(500ms);
  });
  for (std::size_t from = 0; from < count; from += 100) backend->run({all.begin() + from, all.begin() + from + 100});
  ends.wait_for(count);
  canceler.join();
  ticker.join();
  backend->stop(60s);
  for (const auto& [seq, times] : ends.reports()) ASSERT_EQ(times, 1) << seq;
  EXPECT_EQ(time.alarms(), 0U);
}

}  // namespace
}  // namespace evermill::tests
