// What activities can be relied upon for: each story fresh, with a replay after every turn, and through a crash after every
// commit.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

#include "evermill/testing/environment.hpp"
#include "evermill/testing/matchers.hpp"
#include "workflows.hpp"

namespace evermill::kit_tests {
namespace {

using evermill::testing::crash_after_every_commit;
using evermill::testing::environment;

constexpr activity<int(int)> work{.name = "work"};
constexpr evermill::signal<> stop{.name = "stop"};

/// The options of the story that runs; the same in every replay.
activity_options chosen;

std::string kind_of(const failure& why) { return std::to_string(static_cast<int>(why.kind)) + " " + why.type; }

/// The result, or why there is none.
task<std::string> does(context ctx, int n) {
  std::string how;
  try {
    const int result = co_await ctx.call(work.with(chosen), n);
    how = std::to_string(result);
  } catch (const activity_error& error) {
    how = kind_of(error.why());
  }
  co_return how;
}

/// The same, until it is told to stop; then the call is canceled.
task<std::string> does_until_stopped(context ctx, int n) {
  future<int> result = ctx.call(work.with(chosen), n);
  future<void> stopped = ctx.wait(stop);
  const std::size_t first = co_await race(result, stopped);
  if (first == 1) result.cancel();
  std::string how;
  try {
    const int value = co_await std::move(result);
    how = std::to_string(value);
  } catch (const canceled_error&) {
    how = "canceled";
  } catch (const activity_error& error) {
    how = kind_of(error.why());
  }
  co_return how;
}

registry features() {
  registry all;
  all.add("does", does);
  all.add("does_until_stopped", does_until_stopped);
  return all;
}

void everywhere(const activity_options& options, const std::function<void(environment&)>& story) {
  chosen = options;
  {
    environment fresh(features());
    story(fresh);
  }
  {
    environment replayed(features(), {.replay_every_turn = true});
    story(replayed);
  }
  EXPECT_GT(crash_after_every_commit(features(), story), 0U);
}

std::string token_of(const evermill::testing::execution<std::string>& of) {
  const auto activities = of.describe().activities;
  return activities.size() == 1 ? activities.front().token : "";
}

TEST(ActivityFeatures, AnErrorTypeThatIsNotRetried) {
  everywhere({.retry = {.non_retryable = {"Fraud"}}}, [](environment& env) {
    env.replace(work, [](const activity_context& about, int) -> int {
      throw application_error(about.attempt() == 1 ? "Busy" : "Fraud", "no");
    });
    EXPECT_EQ(env.start(does, 1, {.id = "w"}).result(), "0 Fraud");
  });
}

TEST(ActivityFeatures, ADelayThatTheActivityAsksFor) {
  everywhere({}, [](environment& env) {
    env.replace(work, [](const activity_context& about, int n) {
      if (about.attempt() == 1) throw application_error("Busy", "later").retry_after(1h);
      return n;
    });
    const auto began = env.now();
    EXPECT_EQ(env.start(does, 1, {.id = "w"}).result(), "1");
    if (env.crashes() == 0) {
      EXPECT_EQ(env.now() - began, 1h);
    }
  });
}

TEST(ActivityFeatures, Jitter) {
  everywhere({.retry = {.initial_interval = 100s, .jitter = 0.5}}, [](environment& env) {
    env.replace(work, [](const activity_context& about, int n) {
      if (about.attempt() < 3) throw application_error("Busy", "later");
      return n;
    });
    EXPECT_EQ(env.start(does, 1, {.id = "w"}).result(), "1");
    for (std::size_t i = 1; i < env.calls().size() && env.crashes() == 0; ++i) {
      const auto waited = env.calls()[i].time - env.calls()[i - 1].time;
      EXPECT_GE(waited, i * 50s);
      EXPECT_LE(waited, i * 100s);
    }
  });
}

TEST(ActivityFeatures, StartToClose) {
  everywhere({.start_to_close = 10s, .retry = {.max_attempts = 2}}, [](environment& env) {
    env.hang(work);
    const std::string how = env.start(does, 1, {.id = "w"}).result();
    EXPECT_TRUE(how == "1 StartToCloseTimeout" || (env.crashes() > 0 && how == "4 Lost")) << how;
  });
}

TEST(ActivityFeatures, ScheduleToClose) {
  everywhere({.schedule_to_close = 1min}, [](environment& env) {
    env.hang(work);
    const auto began = env.now();
    EXPECT_EQ(env.start(does, 1, {.id = "w"}).result(), "10 ScheduleToCloseTimeout");
    EXPECT_EQ(env.now() - began, 1min);
  });
}

TEST(ActivityFeatures, ScheduleToCloseOverSeveralAttempts) {
  everywhere({.start_to_close = 25s, .retry = {.initial_interval = 1s}, .schedule_to_close = 1min},
             [](environment& env) {
               env.hang(work);
               const auto began = env.now();
               EXPECT_EQ(env.start(does, 1, {.id = "w"}).result(), "10 ScheduleToCloseTimeout");
               EXPECT_EQ(env.now() - began, 1min);
             });
}

TEST(ActivityFeatures, HeartbeatTimeout) {
  everywhere({.retry = {.max_attempts = 3}, .heartbeat = 10s}, [](environment& env) {
    env.hang(work);
    const std::string how = env.start(does, 1, {.id = "w"}).result();
    EXPECT_TRUE(how == "11 HeartbeatTimeout" || (env.crashes() > 0 && how == "4 Lost")) << how;
  });
}

TEST(ActivityFeatures, HeartbeatDetails) {
  everywhere({.heartbeat = 10s}, [](environment& env) {
    env.replace(work, [](const activity_context& about, int n) {
      const int done = about.heartbeat_details<int>().value_or(0);
      if (done >= n) return done;
      about.heartbeat(done + 1);
      throw application_error("Busy", "one step at a time");
    });
    EXPECT_EQ(env.start(does, 3, {.id = "w"}).result(), "3");
    if (env.crashes() == 0) {
      EXPECT_EQ(env.attempts(work), 4U);
    }
  });
}

TEST(ActivityFeatures, CompletionFromElsewhere) {
  everywhere({.retry = {.max_attempts = 2}, .schedule_to_close = 24h}, [](environment& env) {
    env.replace(work, [](const activity_context& about, int) { return about.complete_later(), 0; });
    auto running = env.start(does, 1, {.id = "w"});
    env.settle();
    env.crash();
    env.settle();
    EXPECT_TRUE(running.describe().activities.at(0).completed_elsewhere);
    env.heartbeat_activity(token_of(running), json_payload("50"));
    env.complete_activity(token_of(running), json_payload("7"));
    EXPECT_EQ(running.result(), "7");
  });
}

TEST(ActivityFeatures, FailureFromElsewhere) {
  everywhere({.retry = {.initial_interval = 1s, .non_retryable = {"Refused"}}, .schedule_to_close = 24h},
             [](environment& env) {
               env.replace(work, [](const activity_context& about, int) { return about.complete_later(), 0; });
               auto running = env.start(does, 1, {.id = "w"});
               env.settle();
               env.fail_activity(token_of(running), {.type = "Busy", .message = "later"});
               env.advance(1s);
               env.fail_activity(token_of(running), {.type = "Refused", .message = "no"});
               EXPECT_EQ(running.result(), "0 Refused");
             });
}

TEST(ActivityFeatures, ATokenThatIsNotCurrentIsRefused) {
  everywhere({.schedule_to_close = 1h}, [](environment& env) {
    env.replace(work, [](const activity_context& about, int) { return about.complete_later(), 0; });
    auto running = env.start(does, 1, {.id = "w"});
    env.settle();
    const std::string token = token_of(running);
    EXPECT_EQ(running.result(), "10 ScheduleToCloseTimeout");
    EXPECT_THROW(env.heartbeat_activity(token), engine_error);
    EXPECT_THROW(env.fail_activity(token, {}), engine_error);
    EXPECT_THROW(env.complete_activity("1.2.3"), engine_error);
  });
}

TEST(ActivityFeatures, CancellationThatIsWaitedFor) {
  everywhere({.cancellation = activity_cancellation::wait_cancellation_completed}, [](environment& env) {
    env.hang(work);
    auto running = env.start(does_until_stopped, 1, {.id = "w"});
    env.settle();
    running.signal(stop);
    EXPECT_EQ(running.result(), "canceled");
    const auto events = running.history();
    const auto canceled = std::count_if(events.begin(), events.end(),
                                        [](const auto& event) { return event.type == "ActivityTaskCanceled"; });
    EXPECT_EQ(canceled, 1);
  });
}

TEST(ActivityFeatures, CancellationThatAbandons) {
  everywhere({.cancellation = activity_cancellation::abandon}, [](environment& env) {
    env.hang(work);
    auto running = env.start(does_until_stopped, 1, {.id = "w"});
    env.settle();
    running.signal(stop);
    EXPECT_EQ(running.result(), "canceled");
    for (const auto& event : running.history()) EXPECT_NE(event.type, "ActivityTaskCancelRequested");
  });
}

}  // namespace
}  // namespace evermill::kit_tests
