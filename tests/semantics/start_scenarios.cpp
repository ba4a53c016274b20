// Starts: parents and children, timeouts, ids that are taken, requests that are made twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evermill/context.hpp"
#include "scenario.hpp"

namespace evermill::semantics {
namespace {

using namespace std::chrono_literals;

constexpr evermill::signal<std::string> word{.name = "word"};
constexpr activity<void()> clean_up{.name = "clean_up"};
constexpr child_workflow<std::string()> listener{.name = "listener"};
constexpr child_workflow<std::string(int)> collector{.name = "collector"};
constexpr child_workflow<void()> family{.name = "family"};
constexpr child_workflow<void()> sleeper{.name = "sleeper"};
constexpr child_workflow<void(int)> restless{.name = "restless"};
constexpr child_workflow<std::string(std::string)> attempt{.name = "attempt"};

// --- what becomes of children when their parent ends

task<std::string> run_listener(context ctx) {
  try {
    const std::string heard = co_await ctx.wait(word);
    co_return heard;
  } catch (const canceled_error&) {  // co_await is not allowed here
  }
  co_await ctx.call(clean_up);
  throw canceled_error();
}

task<void> run_family(context ctx) {
  const auto begin = [ctx](std::string_view id, parent_close_policy policy) {
    static_cast<void>(ctx.start_with({.id = id, .when_parent_closes = policy}, listener));
  };
  begin("terminated", parent_close_policy::terminate);
  begin("canceled", parent_close_policy::request_cancel);
  begin("abandoned", parent_close_policy::abandon);
  co_await ctx.sleep(20ms);
}

scenario parent_close() {
  return {
      .name = "ParentClose",
      .define =
          [](registry& all) {
            all.add(family, run_family);
            all.add(listener, run_listener);
            all.add(clean_up, [](const activity_context& about) { record("clean_up", about); });
          },
      .script =
          [](client& to) {
            to.start(family, "family-1");
            to.wait("family-1");
            to.until([&] { return to.exists("abandoned") && to.exists("canceled") && to.exists("terminated"); });
            to.wait("terminated");
            to.wait("canceled");
            to.signal_once("abandoned", word, "on-your-own");
            to.wait("abandoned");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("family-1").end.status, execution_status::completed);
            EXPECT_EQ(what.of("terminated").end.status, execution_status::terminated);
            EXPECT_EQ(what.of("canceled").end.status, execution_status::canceled);
            EXPECT_EQ(what.of("abandoned").result(), "\"on-your-own\"");
            EXPECT_EQ(what.keys("clean_up"), 1) << "the code of one child is asked";
          },
  };
}

// --- timeouts of executions and runs

task<void> run_sleeper(context ctx) { co_await ctx.sleep(1h); }

task<void> run_restless(context ctx, int rounds) {
  co_await ctx.sleep(10ms);
  co_await ctx.continue_as_new(rounds + 1);
}

scenario timeouts() {
  return {
      .name = "RunAndExecutionTimeout",
      .define =
          [](registry& all) {
            all.add(sleeper, run_sleeper);
            all.add(restless, run_restless);
          },
      .script =
          [](client& to) {
            to.start_with({.id = "late", .run_timeout = 30ms}, sleeper);
            to.start_with({.id = "late-in-all", .execution_timeout = 45ms, .run_timeout = 1h}, restless, 0);
            to.wait("late");
            to.wait("late-in-all");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("late").end.status, execution_status::timed_out);
            EXPECT_EQ(what.of("late").count("WorkflowExecutionTimedOut"), 1);
            EXPECT_EQ(what.of("late-in-all").end.status, execution_status::timed_out);
          },
  };
}

// --- a workflow id that is taken

task<std::string> run_attempt(context, std::string what) {
  if (what == "first") throw application_error("Broken", "the first one fails");
  co_return what;
}

scenario reuse_after_failure() {
  return {
      .name = "ReuseAfterFailure",
      .define = [](registry& all) { all.add(attempt, run_attempt); },
      .script =
          [](client& to) {
            to.start_with({.id = "job", .request_id = "one"}, attempt, "first");
            to.wait("job");
            to.start_with({.id = "job", .reuse = workflow_id_reuse::allow_after_failure, .request_id = "two"}, attempt, "second");
            to.wait("job");
            try {
              to.start_with({.id = "job", .reuse = workflow_id_reuse::allow_after_failure}, attempt, "third");
              require(false, "what has completed is not followed by another one");
            } catch (const engine_error& refused) {
              require(refused.code() == engine_errc::already_exists, refused.what());
            }
          },
      .check = [](const outcome& what) { EXPECT_EQ(what.of("job").result(), "\"second\""); },
  };
}

scenario terminate_existing() {
  return {
      .name = "TerminateExisting",
      .define =
          [](registry& all) {
            all.add(listener, run_listener);
            all.add(clean_up, [](const activity_context& about) { record("clean_up", about); });
          },
      .script =
          [](client& to) {
            to.start_with({.id = "latest", .request_id = "one"}, listener);
            to.start_with({.id = "latest", .reuse = workflow_id_reuse::terminate_existing, .request_id = "two"}, listener);
            to.signal_once("latest", word, "to-the-second");
            to.wait("latest");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("latest").result(), "\"to-the-second\"");
            EXPECT_EQ(what.executions.size(), 1);
          },
  };
}

// --- requests that are made twice

task<std::string> run_collector(context ctx, int wanted) {
  std::string all;
  for (int i = 0; i < wanted; ++i) {
    const std::string next = co_await ctx.wait(word);
    all += next;
  }
  co_return all;
}

payload text(const std::string& what) { return codec<std::string>::encode(what); }

scenario request_ids() {
  return {
      .name = "RequestIds",
      .define = [](registry& all) { all.add(collector, run_collector); },
      .script =
          [](client& to) {
            to.start(collector, 2, "collector-1");
            for (int i = 0; i < 3 && !to.ended("collector-1"); ++i) to.signal("collector-1", word.name, text("a"), "request-a");
            if (!to.ended("collector-1")) to.signal("collector-1", word.name, text("b"), "request-b");
            to.wait("collector-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("collector-1").result(), "\"ab\"") << "a signal with a request id comes once";
            EXPECT_EQ(what.of("collector-1").count("WorkflowExecutionSignaled"), 2);
          },
  };
}

scenario signal_with_start() {
  return {
      .name = "SignalWithStart",
      .define = [](registry& all) { all.add(collector, run_collector); },
      .script =
          [](client& to) {
            const auto send = [&](const std::string& what) {
              to.start_with({.id = "collector-2", .request_id = "send-" + what, .with_signal = start_signal{"word", text(what)}},
                            collector, 2);
            };
            send("a");
            send("b");
            to.wait("collector-2");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("collector-2").result(), "\"ab\"");
            EXPECT_EQ(what.executions.size(), 1);
          },
  };
}

}  // namespace

std::vector<scenario> start_scenarios() {
  return {parent_close(), timeouts(), reuse_after_failure(), terminate_existing(), request_ids(), signal_with_start()};
}

}  // namespace evermill::semantics
