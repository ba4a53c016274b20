#include "plugins/task/native/native_backend.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

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

  /// A function that was given up goes on with what is here: none is left when this ends.
  ~NativeBackend() override {
    release.release(100);
    for (const auto& each : made) each->stop(60s);
  }

  std::shared_ptr<tasks::native_backend> make(unsigned threads) {
    tasks::native_options options;
    options.threads = threads;
    options.time = &time;
    options.on_heartbeat = ends.heartbeat_recorder();
    return made.emplace_back(tasks::make_native_backend(known, options, ends.recorder()));
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
  std::vector<std::shared_ptr<tasks::native_backend>> made;
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

TEST_F(NativeBackend, GivesUpAFunctionThatIsNotHeardOf) {
  known.add(activity<void()>{.name = "beat_twice"}, [this](activity_context& about) {
    about.heartbeat(std::string("a"));
    about.heartbeat("b");
    holding.release();
    release.acquire();
    about.heartbeat("c");  // too late
  });
  auto watched = std::make_shared<messages::ActivityTask>(*task("beat_twice", 1));
  watched->mutable_options()->set_heartbeat_us(10'000'000);
  const auto backend = make(1);
  backend->run({watched});
  holding.acquire();
  time.advance(7s);
  EXPECT_TRUE(ends.reports().empty());
  time.advance(3s);
  const tasks::attempt_end end = ends.of(1);
  const auto* how = std::get_if<tasks::timed_out>(&end.how);
  ASSERT_NE(how, nullptr);
  EXPECT_EQ(how->which, tasks::timed_out::limit::heartbeat);
  release.release();
  backend->stop(10s);
  EXPECT_EQ(ends.heartbeats(1, 2), (std::vector<std::string>{"\"a\"", "\"b\""}));
}

TEST_F(NativeBackend, AFailureBringsTheNewestDetails) {
  known.add(activity<void()>{.name = "beat_and_fail"}, [](activity_context& about) {
    for (int i = 1; i <= 3; ++i) about.heartbeat(i);
    throw application_error("Busy", "later").retry_after(1500us);
  });
  const auto backend = make(1);
  backend->run({task("beat_and_fail", 1)});
  EXPECT_EQ(failure_of(ends.of(1)).next_retry_delay, 1500us);
  EXPECT_EQ(ends.of(1).heartbeat_details->data(), "3");
  EXPECT_EQ(ends.heartbeats(1, 1), std::vector<std::string>{"1"});
  backend->stop(10s);
  EXPECT_EQ(time.alarms(), 0U);
}

TEST_F(NativeBackend, AFunctionSeesWhatIsKnownOfItsAttempt) {
  activity_info seen;
  std::optional<int> details;
  known.add(activity<void()>{.name = "look"}, [&](activity_context& about) {
    seen = about.info();
    details = about.heartbeat_details<int>();
  });
  auto looked = std::make_shared<messages::ActivityTask>(*task("look", 1, 5'000'000));
  looked->set_run_id("run-1");
  looked->set_scheduled_us(77);
  looked->mutable_options()->set_heartbeat_us(9'000'000);
  looked->mutable_options()->set_task_queue("gpu");
  looked->mutable_heartbeat_details()->set_data("40");
  const auto backend = make(1);
  backend->run({looked});
  ends.of(1);
  EXPECT_EQ(seen.run_id, "run-1");
  EXPECT_EQ(seen.attempt, 3U);
  EXPECT_EQ(seen.scheduled_at, from_micros(77));
  EXPECT_EQ(seen.heartbeat_timeout, 9s);
  EXPECT_EQ(seen.start_to_close_timeout, 5s);
  EXPECT_EQ(seen.task_queue, "gpu");
  EXPECT_EQ(details, 40);
}

TEST_F(NativeBackend, AFunctionMaySayThatItIsCompletedLater) {
  std::string token;
  known.add(activity<int()>{.name = "later"}, [&](activity_context& about) {
    token = about.complete_later();
    return 0;
  });
  const auto backend = make(1);
  backend->run({task("later", 1, 5'000'000), task("later", 2)});
  EXPECT_TRUE(std::holds_alternative<tasks::completes_later>(ends.of(1).how));
  EXPECT_EQ(tasks::parse_dispatch_id(token), dispatch_id_of(*task("later", 1)));
  EXPECT_EQ(failure_of(ends.of(2)).type, "NoTimeout");
  EXPECT_TRUE(failure_of(ends.of(2)).non_retryable);
}

TEST_F(NativeBackend, WhatAFunctionGivesAfterItWasAskedToStopCounts) {
  known.add(activity<int(int)>{.name = "obey"}, [this](activity_context& about, int) -> int {
    permits stopped;
    const std::stop_callback told(about.stop_token(), [&] { stopped.release(); });
    holding.release();
    stopped.acquire();
    if (about.info().dispatch_id.starts_with("1.2.1.")) return 5;
    throw canceled_error();
  });
  const auto backend = make(2);
  backend->run({task("obey", 1), task("obey", 2), task("twice", 3)});
  holding.acquire();
  holding.acquire();
  for (const std::uint64_t seq : {3U, 1U, 2U}) backend->request_stop(dispatch_id_of(*task("obey", seq)));
  EXPECT_EQ(result_of<int>(ends.of(1)), 5);
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(2).how));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(3).how)) << "it had not started";
}

TEST_F(NativeBackend, OnlyWhatHasNotStartedExpires) {
  const auto backend = make(1);
  backend->run({task("hold", 1), task("twice", 2)});
  holding.acquire();
  backend->expire(dispatch_id_of(*task("hold", 1)));
  backend->expire(dispatch_id_of(*task("twice", 2)));
  const tasks::attempt_end end = ends.of(2);
  const auto* how = std::get_if<tasks::timed_out>(&end.how);
  ASSERT_NE(how, nullptr);
  EXPECT_EQ(how->which, tasks::timed_out::limit::schedule_to_start);
  EXPECT_EQ(ends.of(2).started_us, 0);
  release.release();
  EXPECT_EQ(result_of<int>(ends.of(1)), 1);
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
  made.clear();
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
