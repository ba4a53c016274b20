// Activities, steps, and waiting for several of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evermill/context.hpp"
#include "scenario.hpp"

namespace evermill::semantics {
namespace {

using namespace std::chrono_literals;

constexpr activity<std::string(std::string)> charge{.name = "charge"};
constexpr activity<std::string(std::string)> ship{.name = "ship"};
constexpr activity<int(int)> square{.name = "square"};
constexpr activity<std::string()> flaky{
    .name = "flaky", .options = {.retry = {.max_attempts = 10, .initial_interval = 5ms, .backoff_coefficient = 1.0}}};
constexpr activity<void()> never_answers{.name = "never_answers"};

constexpr child_workflow<std::string(std::string)> order{.name = "order"};
constexpr child_workflow<std::string()> patient{.name = "patient"};
constexpr child_workflow<int(int)> sum_of_squares{.name = "sum_of_squares"};
constexpr child_workflow<std::string()> first_of{.name = "first_of"};
constexpr child_workflow<std::string()> stepper{.name = "stepper"};

// --- one after the other

task<std::string> run_order(context ctx, std::string item) {
  const std::string receipt = co_await ctx.call(charge, item);
  const std::string parcel = co_await ctx.call(ship, receipt);
  co_return parcel;
}

scenario sequence() {
  return {
      .name = "Sequence",
      .define =
          [](registry& all) {
            all.add(order, run_order);
            all.add(charge, [](const activity_context& about, const std::string& item) {
              record("charge", about);
              return "paid " + item;
            });
            all.add(ship, [](const activity_context& about, const std::string& receipt) {
              record("ship", about);
              return "shipped after " + receipt;
            });
          },
      .script =
          [](client& to) {
            to.start(order, "book", "order-1");
            to.wait("order-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("order-1").result(), "\"shipped after paid book\"");
            EXPECT_EQ(what.keys("charge"), 1);
            EXPECT_EQ(what.keys("ship"), 1);
            EXPECT_EQ(what.of("order-1").count("ActivityTaskCompleted"), 2);
          },
  };
}

// --- an activity that fails twice

task<std::string> run_patient(context ctx) {
  const std::string answer = co_await ctx.call(flaky);
  co_return answer;
}

scenario retry() {
  return {
      .name = "Retry",
      .define =
          [](registry& all) {
            all.add(patient, run_patient);
            all.add(flaky, [](const activity_context& about) -> std::string {
              record("flaky", about);
              if (about.attempt() < 3) throw application_error("Busy", "try again");
              return "at last";
            });
          },
      .script =
          [](client& to) {
            to.start(patient, "patient-1");
            to.wait("patient-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("patient-1").result(), "\"at last\"");
            EXPECT_EQ(what.keys("flaky"), 1);
            EXPECT_EQ(what.of("patient-1").count("ActivityTaskScheduled"), 1) << "attempts are no events";
            EXPECT_EQ(what.of("patient-1").count("ActivityTaskFailed"), 0);
          },
  };
}

// --- many at once

task<int> run_sum(context ctx, int n) {
  std::vector<future<int>> parts;
  for (int i = 1; i <= n; ++i) parts.push_back(ctx.call(square, i));
  auto together = all(std::move(parts));
  const std::vector<int> squares = co_await std::move(together);
  int sum = 0;
  for (const int each : squares) sum += each;
  co_return sum;
}

scenario fan_out() {
  return {
      .name = "FanOut",
      .define =
          [](registry& all) {
            all.add(sum_of_squares, run_sum);
            all.add(square, [](const activity_context& about, int n) {
              record("square", about);
              return n * n;
            });
          },
      .script =
          [](client& to) {
            to.start(sum_of_squares, 12, "sum-1");
            to.wait("sum-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("sum-1").result(), "650");
            EXPECT_EQ(what.keys("square"), 12);
            EXPECT_EQ(what.of("sum-1").count("ActivityTaskCompleted"), 12);
          },
  };
}

// --- the first of several

task<std::string> run_first(context ctx) {
  auto slow = ctx.call(never_answers);
  auto limit = ctx.sleep(10ms);
  const std::size_t winner = co_await race(slow, limit);
  if (winner == 1) slow.cancel();
  co_return winner == 1 ? "the timer" : "the activity";
}

scenario race_with_a_timer() {
  return {
      .name = "Race",
      .define = [](registry& all) { all.add(first_of, run_first); },
      .script =
          [](client& to) {
            to.start(first_of, "first-1");
            to.wait("first-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("first-1").result(), "\"the timer\"");
            EXPECT_EQ(what.of("first-1").count("TimerFired"), 1);
            EXPECT_EQ(what.of("first-1").count("ActivityTaskCancelRequested"), 1);
          },
      .hanging = {"never_answers"},
  };
}

// --- a step

task<std::string> run_stepper(context ctx) {
  auto first = [id = ctx.workflow_id()] {
    record("first_step", id);
    return std::string("one");
  };
  const std::string one = co_await ctx.step("first", first);
  auto second = [one] {
    record("second_step", one);
    return one + ", two";
  };
  const std::string two = co_await ctx.step("second", second);
  co_return two;
}

scenario steps() {
  return {
      .name = "Steps",
      .define = [](registry& all) { all.add(stepper, run_stepper); },
      .script =
          [](client& to) {
            to.start(stepper, "stepper-1");
            to.wait("stepper-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("stepper-1").result(), "\"one, two\"");
            EXPECT_EQ(what.of("stepper-1").count("MarkerRecorded"), 2);
          },
  };
}

}  // namespace

std::vector<scenario> activity_scenarios() { return {sequence(), retry(), fan_out(), race_with_a_timer(), steps()}; }

}  // namespace evermill::semantics
