// What an activity's options promise: which failures are tried again and when, time limits, heartbeats, completion from
// elsewhere, cancellation, task queues.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evermill/context.hpp"
#include "scenario.hpp"

namespace evermill::semantics {
namespace {

using namespace std::chrono_literals;

constexpr retry_policy at_once{.initial_interval = 1ms, .backoff_coefficient = 1.0};

constexpr child_workflow<std::string()> picky{.name = "picky"};
constexpr child_workflow<std::string()> delayed{.name = "delayed"};
constexpr child_workflow<std::string()> limited{.name = "limited"};
constexpr child_workflow<std::string()> importer{.name = "importer"};
constexpr child_workflow<std::string()> outsourced{.name = "outsourced"};
constexpr child_workflow<std::string()> canceler{.name = "canceler"};
constexpr child_workflow<int(int)> rendering{.name = "rendering"};
constexpr child_workflow<int(int)> parent_of_many{.name = "parent_of_many"};
constexpr child_workflow<int(int)> one_of_many{.name = "one_of_many"};

std::string name_of(const activity_error& error) { return error.why().type; }

// --- failures that are not tried again, by their type

constexpr activity<void()> pay{
    .name = "pay", .options = {.retry = {.initial_interval = 1ms, .jitter = 0.5, .non_retryable = {"CardDeclined"}}}};

task<std::string> run_picky(context ctx) {
  std::string said;
  try {
    co_await ctx.call(pay);
  } catch (const activity_error& error) {
    said = name_of(error);
  }
  co_return said;
}

scenario error_types() {
  return {
      .name = "ErrorTypes",
      .define =
          [](registry& all) {
            all.add(picky, run_picky);
            all.add(pay, [](const activity_context& about) {
              record("pay", about);
              throw application_error(about.attempt() == 1 ? "Busy" : "CardDeclined", "no");
            });
          },
      .script =
          [](client& to) {
            to.start(picky, "picky-1");
            to.wait("picky-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("picky-1").result(), "\"CardDeclined\"");
            EXPECT_EQ(what.of("picky-1").count("ActivityTaskFailed"), 1) << "attempts are no events";
            EXPECT_EQ(what.keys("pay"), 1);
          },
  };
}

// --- a delay that the activity asks for

constexpr activity<void()> busy{.name = "busy", .options = {.retry = {.initial_interval = 24h}}};

task<std::string> run_delayed(context ctx) {
  const auto began = ctx.now();
  co_await ctx.call(busy);
  co_return ctx.now() - began < 24h ? "as asked for" : "as the policy says";
}

scenario delay_asked_for() {
  return {
      .name = "DelayAskedFor",
      .define =
          [](registry& all) {
            all.add(delayed, run_delayed);
            all.add(busy, [](const activity_context& about) {
              record("busy", about);
              if (about.attempt() < 3) throw application_error("Busy", "later").retry_after(2ms);
            });
          },
      .script =
          [](client& to) {
            to.start(delayed, "delayed-1");
            to.wait("delayed-1");
          },
      .check = [](const outcome& what) { EXPECT_EQ(what.of("delayed-1").result(), "\"as asked for\""); },
  };
}

// --- time limits

constexpr activity<void()> hangs{.name = "hangs"};

task<std::string> outcome_of(context ctx, activity_options options) {
  std::string said = "completed";
  try {
    co_await ctx.call(hangs.with(options));
  } catch (const activity_error& error) {
    said = name_of(error);
  }
  co_return said;
}

task<std::string> run_limited(context ctx) {
  constexpr activity_options all_together{.retry = at_once, .schedule_to_close = 25ms};
  const std::string first = co_await outcome_of(ctx, all_together);
  // The second attempt would begin too late. (One that is lost with its process is made again at once.)
  constexpr activity_options both{.start_to_close = 5ms, .retry = {.initial_interval = 1h}, .schedule_to_close = 1min};
  const std::string second = co_await outcome_of(ctx, both);
  co_return first + ", " + second;
}

scenario time_limits() {
  return {
      .name = "TimeLimits",
      .define = [](registry& all) { all.add(limited, run_limited); },
      .script =
          [](client& to) {
            to.start(limited, "limited-1");
            to.wait("limited-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("limited-1").result(), "\"ScheduleToCloseTimeout, StartToCloseTimeout\"");
            EXPECT_EQ(what.of("limited-1").count("ActivityTaskTimedOut"), 2);
          },
      .hanging = {"hangs"},
  };
}

// --- heartbeats

constexpr activity<int()> import_rows{.name = "import_rows", .options = {.retry = at_once, .heartbeat = 1h}};
constexpr activity<void()> silent{
    .name = "hangs", .options = {.retry = {.initial_interval = 1h}, .schedule_to_close = 1min, .heartbeat = 5ms}};

task<std::string> run_importer(context ctx) {
  const int rows = co_await ctx.call(import_rows);
  std::string said;
  try {
    co_await ctx.call(silent);
  } catch (const activity_error& error) {
    said = name_of(error);
  }
  co_return std::to_string(rows) + ", " + said;
}

scenario heartbeats() {
  return {
      .name = "Heartbeats",
      .define =
          [](registry& all) {
            all.add(importer, run_importer);
            all.add(import_rows, [](const activity_context& about) {
              const int done = about.heartbeat_details<int>().value_or(0);
              record("import_rows", about);
              if (done == 3) return done;
              about.heartbeat(done + 1);
              throw application_error("Busy", "after one more row");
            });
          },
      .script =
          [](client& to) {
            to.start(importer, "importer-1");
            to.wait("importer-1");
          },
      .check = [](const outcome& what) { EXPECT_EQ(what.of("importer-1").result(), "\"3, HeartbeatTimeout\""); },
      .hanging = {"hangs"},
  };
}

// --- completion from elsewhere

constexpr activity<std::string()> outside{.name = "outside", .options = {.retry = at_once, .schedule_to_close = 24h}};

task<std::string> run_outsourced(context ctx) {
  const std::string said = co_await ctx.call(outside);
  co_return said;
}

scenario completed_elsewhere() {
  return {
      .name = "CompletedElsewhere",
      .define =
          [](registry& all) {
            all.add(outsourced, run_outsourced);
            all.add(outside, [](const activity_context& about) {
              record("outside", about);
              about.complete_later();
              return std::string();
            });
          },
      .script =
          [](client& to) {
            to.start(outsourced, "outsourced-1");
            to.until([&] {
              const execution_description about = to.describe("outsourced-1");
              if (about.status != execution_status::running) return true;
              if (about.activities.empty() || !about.activities.front().completed_elsewhere) return false;
              to.complete_activity(about.activities.front().token, codec<std::string>::encode("done by others"));
              return true;
            });
            to.wait("outsourced-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("outsourced-1").result(), "\"done by others\"");
            EXPECT_EQ(what.keys("outside"), 1);
          },
  };
}

// --- what canceling an activity means

task<std::string> canceled_as(context ctx, activity_cancellation how) {
  auto running = ctx.call(hangs.with({.retry = at_once, .cancellation = how}));
  co_await ctx.sleep(5ms);
  running.cancel();
  std::string said;
  try {
    co_await std::move(running);
    said = "completed";
  } catch (const canceled_error&) {
    said = "canceled";
  }
  co_return said;
}

task<std::string> run_canceler(context ctx) {
  const std::string tried = co_await canceled_as(ctx, activity_cancellation::try_cancel);
  const std::string waited = co_await canceled_as(ctx, activity_cancellation::wait_cancellation_completed);
  const std::string left_alone = co_await canceled_as(ctx, activity_cancellation::abandon);
  co_return tried + ", " + waited + ", " + left_alone;
}

scenario cancellation_types() {
  return {
      .name = "CancellationTypes",
      .define = [](registry& all) { all.add(canceler, run_canceler); },
      .script =
          [](client& to) {
            to.start(canceler, "canceler-1");
            to.wait("canceler-1");
          },
      .check = [](const outcome& what) { EXPECT_EQ(what.of("canceler-1").result(), "\"canceled, canceled, canceled\""); },
      .hanging = {"hangs"},
  };
}

// --- what nobody can begin

constexpr child_workflow<std::string()> hopeful{.name = "hopeful"};
constexpr activity<void()> of_tomorrow{.name = "of_tomorrow", .options = {.schedule_to_start = 30ms, .version = "tomorrow's"}};

task<std::string> run_hopeful(context ctx) {
  std::string said;
  try {
    co_await ctx.call(of_tomorrow);
  } catch (const activity_error& error) {
    said = name_of(error);
  }
  co_return said;
}

scenario schedule_to_start() {
  return {
      .name = "ScheduleToStart",
      .define =
          [](registry& all) {
            all.add(hopeful, run_hopeful);
            const auto today = [](const activity_context& about) { record("of_today", about); };
            all.add(of_tomorrow, today, {.version = "today's"});
          },
      .script =
          [](client& to) {
            to.start(hopeful, "hopeful-1");
            to.wait("hopeful-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("hopeful-1").result(), "\"ScheduleToStartTimeout\"");
            EXPECT_EQ(what.keys("of_today"), 0) << "no attempt ever began";
          },
  };
}

// --- task queues

constexpr activity<int(int)> render{.name = "render", .options = {.retry = at_once, .task_queue = "gpu"}};

task<int> run_rendering(context ctx, int frames) {
  std::vector<future<int>> rendered;
  for (int i = 1; i <= frames; ++i) rendered.push_back(ctx.call(render, i));
  int sum = 0;
  for (auto& each : rendered) {
    const int frame = co_await std::move(each);
    sum += frame;
  }
  co_return sum;
}

scenario task_queue() {
  return {
      .name = "TaskQueue",
      .define =
          [](registry& all) {
            all.add(rendering, run_rendering);
            all.add(render, [](const activity_context& about, int frame) {
              record("render", about);
              return frame;
            });
          },
      .script =
          [](client& to) {
            to.start(rendering, 5, "rendering-1");
            to.wait("rendering-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("rendering-1").result(), "15");
            EXPECT_EQ(what.keys("render"), 5);
          },
  };
}

// --- many children at once

task<int> run_one_of_many(context ctx, int n) {
  co_await ctx.sleep(1ms);
  co_return n;
}

task<int> run_parent_of_many(context ctx, int children) {
  std::vector<future<int>> started;
  for (int n = 1; n <= children; ++n) started.push_back(ctx.start(one_of_many, n));
  int sum = 0;
  for (auto& each : started) {
    const int n = co_await std::move(each);
    sum += n;
  }
  co_return sum;
}

scenario many_children() {
  return {
      .name = "ManyChildren",
      .define =
          [](registry& all) {
            all.add(parent_of_many, run_parent_of_many);
            all.add(one_of_many, run_one_of_many);
          },
      .script =
          [](client& to) {
            to.start(parent_of_many, 8, "parent-1");
            to.wait("parent-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("parent-1").result(), "36");
            EXPECT_EQ(what.of("parent-1").count("ChildWorkflowExecutionCompleted"), 8);
            EXPECT_EQ(what.executions.size(), 9U);
          },
  };
}

}  // namespace

std::vector<scenario> limit_scenarios() {
  return {error_types(), delay_asked_for(), time_limits(), heartbeats(),
          completed_elsewhere(), cancellation_types(), schedule_to_start(), task_queue(), many_children()};
}

}  // namespace evermill::semantics
