// Code that changes under open executions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "evermill/context.hpp"
#include "scenario.hpp"

namespace evermill::semantics {
namespace {

using namespace std::chrono_literals;

constexpr activity<void()> old_way{.name = "old_way"};
constexpr activity<void()> new_way{.name = "new_way"};
constexpr evermill::signal<std::string> go{.name = "go"};
constexpr child_workflow<std::string()> patched{.name = "patched"};
constexpr child_workflow<std::string()> versioned{.name = "versioned"};

void count_ways(registry& all) {
  all.add(old_way, [](const activity_context& about) { record("old_way", about); });
  all.add(new_way, [](const activity_context& about) { record("new_way", about); });
}

// --- patched in place

std::atomic<bool> deployed = false;

task<std::string> run_patched(context ctx) {
  const bool is_new = deployed && ctx.patched("new way");
  co_await ctx.wait(go);
  auto done = is_new ? ctx.call(new_way) : ctx.call(old_way);
  co_await std::move(done);
  co_return is_new ? "new" : "old";
}

scenario patched_in_place() {
  return {
      .name = "Patched",
      .define =
          [](registry& all) {
            deployed = false;
            all.add(patched, run_patched);
            count_ways(all);
          },
      .script =
          [](client& to) {
            const bool again = to.exists("before");  // this process has run the script before it was killed
            if (!again) to.start(patched, "before");
            to.until_event("before", "WorkflowExecutionStarted");
            deployed = true;
            to.restart();
            to.start(patched, "after");
            to.signal_once("before", go, "go-on-as-before");
            to.signal_once("after", go, "go-on");
            to.wait("before");
            to.wait("after");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("before").result(), "\"old\"") << "a run that passed before the patch goes on as it was";
            EXPECT_EQ(what.of("after").result(), "\"new\"");
            EXPECT_EQ(what.of("after").count("PatchRecorded"), 1);
            EXPECT_EQ(what.keys("old_way"), 1);
            EXPECT_EQ(what.keys("new_way"), 1);
          },
  };
}

// --- versions side by side

task<std::string> run_first_version(context ctx) {
  co_await ctx.wait(go);
  co_await ctx.call(old_way);
  co_return "first";
}

task<std::string> run_second_version(context ctx) {
  co_await ctx.wait(go);
  co_await ctx.call(new_way);
  co_return "second";
}

scenario versions() {
  return {
      .name = "Versions",
      .define =
          [](registry& all) {
            all.add(versioned, run_first_version, {.version = "1"});
            all.add(versioned, run_second_version, {.version = "2"});
            count_ways(all);
          },
      .script =
          [](client& to) {
            to.start_with({.id = "early", .version = "1"}, versioned);
            to.start(versioned, "late");
            to.signal_once("early", go, "go-early");
            to.signal_once("late", go, "go-late");
            to.wait("early");
            to.wait("late");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("early").result(), "\"first\"") << "an execution stays with its version";
            EXPECT_EQ(what.of("late").result(), "\"second\"") << "new executions get the version added last";
            EXPECT_EQ(what.keys("old_way"), 1);
            EXPECT_EQ(what.keys("new_way"), 1);
          },
  };
}

// --- versions of an activity

constexpr activity<std::string()> priced{.name = "priced"};
constexpr child_workflow<std::string()> asks_both{.name = "asks_both"};

task<std::string> run_asks_both(context ctx) {
  const std::string first = co_await ctx.call(priced.with({.version = "1"}));
  const std::string second = co_await ctx.call(priced.with({.version = "2"}));
  const std::string newest = co_await ctx.call(priced);
  co_return first + second + newest;
}

scenario activity_versions() {
  return {
      .name = "ActivityVersions",
      .define =
          [](registry& all) {
            all.add(asks_both, run_asks_both);
            for (const std::string version : {"1", "2"}) {
              const auto price = [version](const activity_context& about) {
                record("priced_by_" + version, about);
                return version;
              };
              all.add(priced, price, {.version = version});
            }
          },
      .script =
          [](client& to) {
            to.start(asks_both, "asks-1");
            to.wait("asks-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("asks-1").result(), "\"122\"");
            EXPECT_EQ(what.keys("priced_by_1"), 1);
            EXPECT_EQ(what.keys("priced_by_2"), 2);
          },
  };
}

}  // namespace

std::vector<scenario> version_scenarios() { return {patched_in_place(), versions(), activity_versions()}; }

}  // namespace evermill::semantics
