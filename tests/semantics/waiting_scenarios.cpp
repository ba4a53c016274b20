// Timers, signals and children.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evermill/context.hpp"
#include "scenario.hpp"

namespace evermill::semantics {
namespace {

using namespace std::chrono_literals;

constexpr activity<void()> before{.name = "before"};
constexpr activity<void()> after{.name = "after"};
constexpr activity<std::string(std::string)> work{.name = "work"};
constexpr evermill::signal<std::string> word{.name = "word"};
constexpr evermill::signal<std::string> never{.name = "never"};

constexpr child_workflow<void()> sleeper{.name = "sleeper"};
constexpr child_workflow<std::string()> listener{.name = "listener"};
constexpr child_workflow<void()> teller{.name = "teller"};
constexpr child_workflow<std::string(int)> hearer{.name = "hearer"};
constexpr child_workflow<std::string()> impatient{.name = "impatient"};
constexpr child_workflow<std::string(std::string)> worker{.name = "worker"};
constexpr child_workflow<std::string()> parent{.name = "parent"};
constexpr child_workflow<void()> careless_parent{.name = "careless_parent"};

void count_work(registry& all) {
  all.add(work, [](const activity_context& about, const std::string& what) {
    record("work", about);
    return what + " done";
  });
}

// --- a durable timer

task<void> run_sleeper(context ctx) {
  co_await ctx.call(before);
  co_await ctx.sleep(20ms);
  co_await ctx.call(after);
}

scenario durable_timer() {
  return {
      .name = "Timer",
      .define =
          [](registry& all) {
            all.add(sleeper, run_sleeper);
            all.add(before, [](const activity_context& about) { record("before", about); });
            all.add(after, [](const activity_context& about) { record("after", about); });
          },
      .script =
          [](client& to) {
            to.start(sleeper, "sleeper-1");
            to.wait("sleeper-1");
          },
      .check =
          [](const outcome& what) {
            const outcome::execution& slept = what.of("sleeper-1");
            EXPECT_EQ(slept.end.status, execution_status::completed);
            EXPECT_EQ(slept.count("TimerStarted"), 1);
            EXPECT_EQ(slept.count("TimerFired"), 1);
            EXPECT_EQ(what.keys("before"), 1);
            EXPECT_EQ(what.keys("after"), 1);
            if (slept.events.size() < 2) return;
            EXPECT_GE(slept.events.back().time - slept.events.front().time, 20ms) << "it fires late, never early";
          },
  };
}

// --- signals

task<std::string> run_listener(context ctx) {
  co_await ctx.call(before);  // signals come before the first wait
  std::string all;
  for (int i = 0; i < 4; ++i) {
    const std::string next = co_await ctx.wait(word);
    all += next;
  }
  co_return all;
}

scenario signals() {
  return {
      .name = "Signals",
      .define =
          [](registry& all) {
            all.add(listener, run_listener);
            all.add(before, [](const activity_context& about) { record("before", about); });
          },
      .script =
          [](client& to) {
            to.start(listener, "listener-1");
            to.signal_once("listener-1", word, "alpha-");
            to.signal_once("listener-1", word, "beta-");
            to.until_event("listener-1", "ActivityTaskCompleted");
            to.signal_once("listener-1", word, "gamma-");
            to.signal_once("listener-1", word, "delta");
            to.wait("listener-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("listener-1").result(), "\"alpha-beta-gamma-delta\"");
            EXPECT_EQ(what.of("listener-1").count("WorkflowExecutionSignaled"), 4);
          },
  };
}

// --- signals of one execution to another

task<void> run_teller(context ctx) {
  const std::string first = "alpha-", second = "beta-";
  ctx.send_or_start("teller-hears", hearer, 4, word, first);
  co_await ctx.call(before);
  ctx.send("teller-hears", word, second);
  co_await ctx.sleep(1ms);
  for (const char* each : {"gamma-", "delta"}) ctx.send("teller-hears", word, each);
}

task<std::string> run_hearer(context ctx, int words) {
  std::string all;
  for (int i = 0; i < words; ++i) {
    const std::string next = co_await ctx.wait(word);
    all += next;
  }
  co_return all;
}

scenario signals_to_others() {
  return {
      .name = "SignalsToOthers",
      .define =
          [](registry& all) {
            all.add(teller, run_teller);
            all.add(hearer, run_hearer);
            all.add(before, [](const activity_context& about) { record("before", about); });
          },
      .script =
          [](client& to) {
            to.start(teller, "teller-1");
            to.wait("teller-1");
            to.until([&] { return to.exists("teller-hears"); });
            to.wait("teller-hears");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("teller-hears").result(), "\"alpha-beta-gamma-delta\"");
            EXPECT_EQ(what.of("teller-1").count("SignalExternalWorkflowExecutionInitiated"), 4);
          },
  };
}

task<std::string> run_impatient(context ctx) {
  const std::optional<std::string> none = co_await ctx.wait(never, 10ms);
  const std::optional<std::string> some = co_await ctx.wait(word, 24h);
  co_return (none ? *none : std::string("nobody")) + ", then " + (some ? *some : std::string("nobody"));
}

scenario wait_with_timeout() {
  return {
      .name = "WaitWithTimeout",
      .define = [](registry& all) { all.add(impatient, run_impatient); },
      .script =
          [](client& to) {
            to.start(impatient, "impatient-1");
            to.until_event("impatient-1", "TimerFired");
            to.signal_once("impatient-1", word, "somebody");
            to.wait("impatient-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("impatient-1").result(), "\"nobody, then somebody\"");
            EXPECT_EQ(what.of("impatient-1").count("TimerFired"), 1);
            EXPECT_EQ(what.of("impatient-1").count("TimerCanceled"), 1);
          },
  };
}

// --- children

task<std::string> run_worker(context ctx, std::string what) {
  const std::string result = co_await ctx.call(work, what);
  co_return result;
}

task<std::string> run_parent(context ctx) {
  std::string all;
  for (const char* const each : {"one", "two", "three"}) {
    const std::string done = co_await ctx.start(worker, each);
    all += (all.empty() ? "" : ", ") + done;
  }
  co_return all;
}

scenario child_awaited() {
  return {
      .name = "ChildAwaited",
      .define =
          [](registry& all) {
            all.add(worker, run_worker);
            all.add(parent, run_parent);
            count_work(all);
          },
      .script =
          [](client& to) {
            to.start(parent, "parent-1");
            to.wait("parent-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("parent-1").result(), "\"one done, two done, three done\"");
            EXPECT_EQ(what.of("parent-1").count("ChildWorkflowExecutionCompleted"), 3);
            EXPECT_EQ(what.executions.size(), 4) << "each child is started once";
            EXPECT_EQ(what.keys("work"), 3);
          },
  };
}

task<void> run_careless_parent(context ctx) {
  auto unwanted =
      ctx.start_with({.id = "left-alone", .when_parent_closes = parent_close_policy::abandon}, worker, "the rest");
  static_cast<void>(unwanted);
  co_return;
}

scenario child_not_awaited() {
  return {
      .name = "ChildNotAwaited",
      .define =
          [](registry& all) {
            all.add(worker, run_worker);
            all.add(careless_parent, run_careless_parent);
            count_work(all);
          },
      .script =
          [](client& to) {
            to.start(careless_parent, "careless-1");
            to.wait("careless-1");
            to.until([&] { return to.exists("left-alone"); });
            to.wait("left-alone");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("careless-1").end.status, execution_status::completed);
            EXPECT_EQ(what.of("left-alone").result(), "\"the rest done\"");
            EXPECT_EQ(what.keys("work"), 1);
          },
  };
}

}  // namespace

std::vector<scenario> waiting_scenarios() {
  return {durable_timer(), signals(), signals_to_others(), wait_with_timeout(), child_awaited(), child_not_awaited()};
}

}  // namespace evermill::semantics
