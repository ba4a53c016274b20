// How runs end: as the next run, canceled, terminated; and how a stuck one goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "evermill/context.hpp"
#include "scenario.hpp"

namespace evermill::semantics {
namespace {

using namespace std::chrono_literals;

constexpr activity<void()> never_answers{.name = "never_answers"};
constexpr activity<void()> clean_up{.name = "clean_up"};
constexpr activity<std::string()> first{.name = "first"};
constexpr activity<std::string()> second{.name = "second"};
constexpr evermill::signal<std::string> word{.name = "word"};

constexpr child_workflow<std::string(std::string)> collector{.name = "collector"};
constexpr child_workflow<void()> cancelable{.name = "cancelable"};
constexpr child_workflow<void()> doomed{.name = "doomed"};
constexpr child_workflow<std::string()> changing{.name = "changing"};

// --- continue-as-new

/// A run reads one word; the others wait in the next one.
task<std::string> run_collector(context ctx, std::string so_far) {
  if (so_far.ends_with("omega")) co_return so_far;
  co_await ctx.sleep(5ms);  // more than one word is unread
  const std::string next = co_await ctx.wait(word);
  const std::string all = so_far + next;
  co_await ctx.continue_as_new(all);
  co_return all;
}

scenario continued_as_new() {
  return {
      .name = "ContinueAsNew",
      .define = [](registry& all) { all.add(collector, run_collector); },
      .script =
          [](client& to) {
            to.start(collector, "", "collector-1");
            for (const char* const each : {"alpha-", "beta-", "gamma-", "omega"}) to.signal_once("collector-1", word, each);
            to.wait("collector-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("collector-1").result(), "\"alpha-beta-gamma-omega\"");
          },
  };
}

// --- cancel and terminate

task<void> run_cancelable(context ctx) {
  bool canceled = false;
  try {
    co_await ctx.call(never_answers);
  } catch (const canceled_error&) {
    canceled = true;
  }
  if (!canceled) co_return;
  co_await ctx.call(clean_up);
  throw canceled_error();
}

scenario cancel_with_cleanup() {
  return {
      .name = "CancelWithCleanup",
      .define =
          [](registry& all) {
            all.add(cancelable, run_cancelable);
            all.add(clean_up, [](const activity_context& about) { record("clean_up", about); });
          },
      .script =
          [](client& to) {
            to.start(cancelable, "cancelable-1");
            to.until_event("cancelable-1", "ActivityTaskScheduled");
            to.cancel_once("cancelable-1");
            to.wait("cancelable-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("cancelable-1").end.status, execution_status::canceled);
            EXPECT_EQ(what.of("cancelable-1").count("WorkflowExecutionCancelRequested"), 1);
            EXPECT_EQ(what.keys("clean_up"), 1);
          },
      .hanging = {"never_answers"},
  };
}

task<void> run_doomed(context ctx) {
  co_await ctx.call(never_answers);
  co_await ctx.call(clean_up);
}

scenario terminate() {
  return {
      .name = "Terminate",
      .define =
          [](registry& all) {
            all.add(doomed, run_doomed);
            all.add(clean_up, [](const activity_context& about) { record("clean_up", about); });
          },
      .script =
          [](client& to) {
            to.start(doomed, "doomed-1");
            to.until_event("doomed-1", "ActivityTaskScheduled");
            to.terminate_once("doomed-1");
            to.wait("doomed-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("doomed-1").end.status, execution_status::terminated);
            EXPECT_EQ(what.of("doomed-1").count("WorkflowExecutionTerminated"), 1);
            EXPECT_EQ(what.keys("clean_up"), 0) << "its code is not asked";
          },
      .hanging = {"never_answers"},
  };
}

// --- stuck, and on with fixed code

std::atomic<bool> broken = false;

task<std::string> run_changing(context ctx) {
  const bool wrong_order = broken;
  auto one = wrong_order ? ctx.call(second) : ctx.call(first);
  std::string both = co_await std::move(one);
  co_await ctx.sleep(30ms);
  auto two = wrong_order ? ctx.call(first) : ctx.call(second);
  both += co_await std::move(two);
  co_return both;
}

void deploy(client& to, bool with_a_bug) {
  broken = with_a_bug;
  to.restart();
}

scenario stuck_then_fixed() {
  return {
      .name = "StuckThenFixed",
      .define =
          [](registry& all) {
            broken = false;
            all.add(changing, run_changing);
            all.add(first, [](const activity_context& about) {
              record("first", about);
              return std::string("one");
            });
            all.add(second, [](const activity_context& about) {
              record("second", about);
              return std::string("two");
            });
          },
      .script =
          [](client& to) {
            to.start(changing, "changing-1");
            to.until_event("changing-1", "TimerStarted");
            deploy(to, true);
            to.until([&] { return to.ended("changing-1") || !to.describe("changing-1").blocked.empty(); });
            if (to.in_virtual_time()) {
              EXPECT_EQ(to.describe("changing-1").blocked, "stuck");
            }
            deploy(to, false);
            to.wait("changing-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("changing-1").result(), "\"onetwo\"");
            EXPECT_EQ(what.keys("first"), 1);
            EXPECT_EQ(what.keys("second"), 1);
          },
  };
}

}  // namespace

std::vector<scenario> ending_scenarios() {
  return {continued_as_new(), cancel_with_cleanup(), terminate(), stuck_then_fixed()};
}

}  // namespace evermill::semantics
