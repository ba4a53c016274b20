#include "evermill/testing/environment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <sstream>
#include <stdexcept>

#include "evermill/testing/matchers.hpp"
#include "tests/support/temporary_directory.hpp"
#include "workflows.hpp"

namespace evermill::kit_tests {
namespace {

using evermill::testing::environment;
using evermill::testing::environment_error;
using evermill::testing::environment_options;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

const charge book{"4111", 1250};

std::string accept_charge(const charge& what) { return "charged " + std::to_string(what.cents); }

template <class F>
std::string message_of(F&& act) {
  try {
    act();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing was thrown";
}

template <class F>
engine_errc code_of(F&& act) {
  try {
    act();
  } catch (const engine_error& error) {
    return error.code();
  }
  throw std::logic_error("no engine_error was thrown");
}

// --- time

TEST(Environment, AMonthOfSleepIsOverAtOnceAndNowSaysSo) {
  environment env(definitions());
  const auto began = env.now();
  EXPECT_EQ(env.start(sleeps_for_a_month).result(), 30 * 24 * 3600);
  EXPECT_EQ(env.now() - began, std::chrono::days(30));
}

TEST(Environment, BeginsWhenItIsTold) {
  environment_options options;
  options.start_time = std::chrono::sys_days{std::chrono::year{1999} / 12 / 31};
  environment env(definitions(), options);
  auto sum = env.start(sum_of_squares, 1);
  sum.result();
  EXPECT_EQ(env.now(), options.start_time);
  EXPECT_EQ(sum.history().front().time, options.start_time);
}

TEST(Environment, TimeGoesOnOnlyWhenNothingRuns) {
  environment env(definitions());
  EXPECT_EQ(env.start(races_an_hour).result(), 0);
  EXPECT_EQ(env.now(), environment_options().start_time);
}

TEST(Environment, WithoutSkippingOnlyAdvanceLetsTimePass) {
  environment env(definitions(), {.skip_time = false});
  env.replace(charge_card, accept_charge);
  auto order = env.start(fulfil_order, book);
  EXPECT_THAT(message_of([&] { order.result(); }), HasSubstr("can't go on before 172800 seconds are over"));
  env.advance(48h - 1s);
  EXPECT_EQ(order.status(), execution_status::running);
  env.advance(1s);
  EXPECT_EQ(order.status(), execution_status::completed);
  EXPECT_EQ(order.result(), "expired");
}

TEST(Environment, SettleDoesAllThatNeedsNoTime) {
  environment env(definitions());
  env.replace(charge_card, accept_charge);
  auto order = env.start(fulfil_order, book);
  EXPECT_EQ(env.attempts(charge_card), 0) << "a start alone runs nothing";
  env.settle();
  EXPECT_EQ(env.attempts(charge_card), 1);
  EXPECT_THAT(order.describe().timers, SizeIs(1));
  EXPECT_EQ(env.now(), environment_options().start_time);
}

// --- activities

TEST(Environment, AReplacedActivityIsCalledWithItsInput) {
  environment env(definitions());
  std::vector<std::string> cards;
  env.replace(charge_card, [&](const charge& what) {
    cards.push_back(what.card);
    return accept_charge(what);
  });
  auto order = env.start(fulfil_order, book);
  order.signal(approval, "alice");
  EXPECT_EQ(order.result(), "charged 1250, approved by alice");
  EXPECT_THAT(cards, ElementsAre("4111"));
  EXPECT_THAT(env.inputs(charge_card), ElementsAre(book));
}

TEST(Environment, ARegisteredActivityRunsWhereNoneReplacesIt) {
  environment env(definitions());
  EXPECT_EQ(env.start(sum_of_squares, 3).result(), 1 + 4 + 9);
  env.replace(square, [](int) { return 100; });
  EXPECT_EQ(env.start(sum_of_squares, 3).result(), 300);
  EXPECT_THAT(env.inputs(square), ElementsAre(1, 2, 3, 1, 2, 3));
}

TEST(Environment, AFailingActivityIsTriedAgainAfterItsBackOff) {
  environment env(definitions());
  env.replace(charge_card, [](const activity_context& about, const charge& what) {
    if (about.attempt() < 3) throw application_error("Busy", "the bank is busy");
    return accept_charge(what);
  });
  auto order = env.start(fulfil_order, book);
  order.signal(approval, "alice");
  EXPECT_EQ(order.result(), "charged 1250, approved by alice");
  ASSERT_EQ(env.attempts(charge_card), 3);
  EXPECT_EQ(env.calls()[1].time - env.calls()[0].time, 1min);
  EXPECT_EQ(env.calls()[2].time - env.calls()[1].time, 2min);
  EXPECT_EQ(env.calls()[2].attempt, 3);
  EXPECT_EQ(env.calls()[2].idempotency_key, env.calls()[0].idempotency_key);
}

TEST(Environment, WhatFailsForGoodFailsTheExecution) {
  environment env(definitions());
  env.replace(charge_card, [](const charge&) -> std::string {
    throw application_error("Declined", "no funds", {}, true);
  });
  auto order = env.start(fulfil_order, book);
  EXPECT_THROW(order.result(), workflow_failed);
  EXPECT_EQ(order.status(), execution_status::failed);
  EXPECT_EQ(env.attempts(charge_card), 1);
}

TEST(Environment, AHangingActivityTimesOut) {
  environment env(definitions());
  env.hang(charge_card);
  auto order = env.start(fulfil_order, book);
  EXPECT_THROW(order.result(), workflow_failed);
  EXPECT_EQ(env.attempts(charge_card), 3);
  EXPECT_EQ(env.now() - environment_options().start_time, 3 * 10s + 1min + 2min);
}

TEST(Environment, AHangingActivityIsCanceled) {
  environment env(definitions());
  env.hang(square);
  auto race = env.start(races_an_hour);
  EXPECT_EQ(race.result(), 1);
  EXPECT_THAT(race.history(), evermill::testing::HasEvents(evermill::testing::ActivityCancelRequested()));
  env.settle();
  EXPECT_EQ(env.attempts(square), 1);
}

TEST(Environment, AnActivityMayAskForMore) {
  environment env(definitions());
  auto order = env.start(fulfil_order, book);
  env.replace(charge_card, [&](const charge& what) {
    order.signal(approval, "the bank");
    return accept_charge(what);
  });
  EXPECT_EQ(order.result(), "charged 1250, approved by the bank");
}

// --- what else executions do

TEST(Environment, ChildrenRunAsExecutionsOfTheirOwn) {
  environment env(definitions(), {.partitions = 4});
  EXPECT_EQ(env.start(sum_by_children, 3, {.id = "sum"}).result(), 1 + 5 + 14);
  EXPECT_THAT(env.list(), SizeIs(4));
}

TEST(Environment, ARunThatContinuesKeepsSignalsAndId) {
  environment env(definitions());
  auto down = env.start(counts_down, 3);
  down.signal(approval, "alice");
  EXPECT_EQ(down.result(), "alice");
  EXPECT_NE(down.describe().run_id, down.run_id());
}

TEST(Environment, RequestsAreRefusedAsTheEngineRefusesThem) {
  environment env(definitions());
  auto sum = env.start(sum_of_squares, 1, {.id = "sum"});
  EXPECT_TRUE(env.start(sum_of_squares, 1, {.id = "sum"}).existed());
  EXPECT_EQ(code_of([&] { env.start(sum_of_squares, 2, {.id = "sum"}); }), engine_errc::already_exists);
  EXPECT_EQ(code_of([&] { env.find<int>("nobody").result(); }), engine_errc::not_found);
  EXPECT_EQ(code_of([&] { env.start("unheard_of", payload{}, {}); }), engine_errc::unknown_workflow);
  sum.result();
  EXPECT_EQ(code_of([&] { sum.signal(approval, "late"); }), engine_errc::closed);
}

TEST(Environment, CancelAndTerminateEndExecutions) {
  environment env(definitions());
  auto canceled = env.start(counts_down, 0);
  canceled.cancel("not wanted");
  EXPECT_THROW(canceled.result(), workflow_failed);
  EXPECT_EQ(canceled.status(), execution_status::canceled);
  auto terminated = env.start(counts_down, 0);
  terminated.terminate();
  EXPECT_EQ(terminated.status(), execution_status::terminated);
}

TEST(Environment, TheSameSeedGivesTheSameAndAnotherAnother) {
  const auto uuid = [](std::uint64_t seed) {
    environment env(definitions(), {.seed = seed});
    return env.start(gives_uuid).result();
  };
  EXPECT_EQ(uuid(1), uuid(1));
  EXPECT_NE(uuid(1), uuid(2));
}

TEST(Environment, WhatDoesNotReplayIsStuckAtOnce) {
  global_decision = 0;
  environment env(definitions(), {.replay_every_turn = true});
  auto one = env.start(decides_by_a_global);
  EXPECT_THAT(message_of([&] { one.result(); }), HasSubstr("is stuck at event 2"));
  EXPECT_EQ(env.start(sum_by_children, 3).result(), 1 + 5 + 14) << "what replays goes on";
}

// --- crashes

TEST(Environment, ACrashLosesRunningAttemptsAndKeepsResults) {
  environment env(definitions());
  env.replace(square, [&](int n) {
    if (n == 2) env.hang(square);
    return n * n;
  });
  auto sum = env.start(sum_of_squares, 3);
  env.settle();
  env.crash();
  env.replace(square, [](int n) { return n * n; });
  EXPECT_EQ(sum.result(), 1 + 4 + 9);
  EXPECT_THAT(env.inputs(square), ElementsAre(1, 2, 3, 3));
  EXPECT_EQ(env.crashes(), 1);
}

TEST(Environment, ACrashInsideAnActivityLosesItsResult) {
  environment env(definitions());
  env.replace(charge_card, [&](const charge& what) {
    if (env.crashes() == 0) env.crash();
    return accept_charge(what);
  });
  auto order = env.start(fulfil_order, book);
  order.signal(approval, "alice");
  EXPECT_EQ(order.result(), "charged 1250, approved by alice");
  EXPECT_EQ(env.attempts(charge_card), 2);
}

TEST(Environment, AStepWhoseResultIsDurableDoesNotRunAgain) {
  step_runs = 0;
  environment env(definitions());
  auto one = env.start(steps_once);
  env.settle();
  env.crash();
  one.signal(approval, "alice");
  EXPECT_EQ(one.result(), 1);
  EXPECT_EQ(step_runs, 1);
}

TEST(Environment, ACrashInsideAStepLosesItsResult) {
  step_runs = 0;
  environment env(definitions());
  in_step = [&] {
    if (env.crashes() == 0) env.crash();
  };
  auto one = env.start(steps_once);
  one.signal(approval, "alice");
  EXPECT_EQ(one.result(), 2);
  EXPECT_EQ(env.crashes(), 1);
  in_step = nullptr;
}

TEST(Environment, CrashesRightAfterTheCommitThatIsNamed) {
  environment env(definitions());
  env.replace(charge_card, accept_charge);
  env.crash_after_commit(1);
  auto order = env.start(fulfil_order, book);
  EXPECT_EQ(env.crashes(), 1) << "the start was durable, nobody was told";
  order.signal(approval, "alice");
  EXPECT_EQ(order.result(), "charged 1250, approved by alice");
  EXPECT_EQ(env.attempts(charge_card), 1);
  EXPECT_EQ(env.crashes(), 1) << "it crashes once";
  EXPECT_THROW(env.crash_after_commit(0), std::invalid_argument);
}

TEST(Environment, WhereverItCrashesAllComesToTheSameEnd) {
  const auto test = [](environment& env) {
    env.replace(charge_card, accept_charge);
    auto order = env.start(fulfil_order, book, {.id = "order"});
    auto sum = env.start(sum_by_children, 2, {.id = "sum"});
    order.signal(approval, "alice");
    EXPECT_EQ(order.result(), "charged 1250, approved by alice");
    EXPECT_EQ(sum.result(), 1 + 5);
    std::size_t signals = 0;
    for (const history_event& event : order.history()) signals += event.type == "WorkflowExecutionSignaled" ? 1 : 0;
    EXPECT_EQ(signals, 1);
  };
  EXPECT_GE(evermill::testing::crash_after_every_commit(definitions(), test), 8);
  const environment_options replaying{.replay_every_turn = true, .partitions = 3};
  EXPECT_GE(evermill::testing::crash_after_every_commit(definitions(), test, replaying), 8);
}

TEST(Environment, ARequestThatACrashInterruptsIsMadeOnce) {
  const auto test = [](environment& env) {
    auto down = env.start(counts_down, 2, {.id = "down"});
    down.cancel("once");
    EXPECT_THROW(down.result(), workflow_failed);
    EXPECT_EQ(down.status(), execution_status::canceled);
    auto other = env.start(counts_down, 0, {.id = "other"});
    other.terminate();
    EXPECT_EQ(other.status(), execution_status::terminated);
  };
  EXPECT_GE(evermill::testing::crash_after_every_commit(definitions(), test), 4);
}

// --- what can't be

TEST(Environment, SaysWhatAnExecutionWaitsFor) {
  environment env(definitions());
  auto down = env.start(counts_down, 0, {.id = "down"});
  EXPECT_THAT(message_of([&] { down.result(); }),
              AllOf(HasSubstr("execution \"down\" (counts_down) can't go on"), HasSubstr("a signal that was not sent"),
                    HasSubstr("\"type\":\"WorkflowExecutionStarted\"")));
  down.signal(approval, "alice");
  EXPECT_EQ(down.result(), "alice") << "it can go on afterwards";
}

TEST(Environment, SaysWhichActivityHasNoCode) {
  environment env(definitions());
  auto one = env.start(calls_what_is_missing, {.id = "one"});
  EXPECT_THAT(message_of([&] { one.result(); }), HasSubstr("activity \"missing\" of execution \"one\" has no code"));
  env.replace(missing, [] { return 7; });
  EXPECT_EQ(one.result(), 7);
}

TEST(Environment, GivesUpOnWhatGoesRoundInCircles) {
  environment env(definitions());
  env.replace(missing, []() -> int { throw application_error("Busy", "never"); });
  auto one = env.start(calls_what_is_missing);
  EXPECT_THAT(message_of([&] { one.result(); }),
              AllOf(HasSubstr("is not at its end after"), HasSubstr("open: activity missing, attempt"),
                  HasSubstr("never")));
}

TEST(Environment, LogLinesGoWhereTheTestWantsThem) {
  std::ostringstream text;
  environment_options options;
  options.logger = std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_st>(text));
  environment env(definitions(), options);
  env.start(sleeps_for_a_month, {.id = "sleeper"}).result();
  env.settle();
  EXPECT_THAT(text.str(), AllOf(HasSubstr("woken"), HasSubstr("instance=sleeper")));
}

// --- directories

TEST(Environment, ADirectoryIsOneThatTheEngineReads) {
  const tests::temporary_directory directory;
  const std::filesystem::path data = directory.path() / "data";
  std::vector<history_event> events;
  {
    environment_options options;
    options.data_directory = data;
    environment env(definitions(), options);
    auto sum = env.start(sum_of_squares, 2, {.id = "sum"});
    env.settle();
    env.crash();
    EXPECT_EQ(sum.result(), 5);
    events = sum.history();
  }
  engine_options options;
  options.data_directory = data;
  options.mode = engine_mode::inspect;
  const engine reader(definitions(), options);
  const auto read = reader.history("sum");
  ASSERT_EQ(read.size(), events.size());
  for (std::size_t i = 0; i < read.size(); ++i) EXPECT_EQ(read[i].json, events[i].json);
}

TEST(Environment, GoesOnWithTheJournalsOfADirectory) {
  const tests::temporary_directory directory;
  environment_options options;
  options.data_directory = directory.path() / "data";
  {
    environment env(definitions(), options);
    env.start(counts_down, 0, {.id = "old"});
  }
  options.start_time -= 24h;
  environment env(definitions(), options);
  env.find<std::string>("old").signal(approval, "alice");
  EXPECT_EQ(env.find<std::string>("old").result(), "alice");
}

}  // namespace
}  // namespace evermill::kit_tests
