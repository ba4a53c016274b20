#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "decider_rig.hpp"

namespace evermill::workflow {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct charge {
  std::string card;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(charge, card, cents)

constexpr activity<int(int)> square{.name = "square"};
constexpr activity<int(int)> cube{.name = "cube"};
constexpr activity<std::string(charge)> charge_card{
    .name = "charge_card", .options = {.start_to_close = 10s, .retry = {.max_attempts = 5, .initial_interval = 200ms}}};
constexpr signal<int> number{.name = "number"};

task<int> sum_of_squares(context ctx, int n) {
  std::vector<future<int>> parts;
  for (int i = 0; i < n; ++i) parts.push_back(ctx.call(square, i));
  const std::vector<int> squares = co_await all(std::move(parts));
  int sum = 0;
  for (const int s : squares) sum += s;
  co_return sum;
}

task<std::string> pay(context ctx, charge what) {
  std::string receipt = co_await ctx.call(charge_card, what.card, what.cents);
  co_return receipt + "!";
}

task<int> racer(context ctx) {
  auto a = ctx.call(square, 1);
  auto b = ctx.call(cube, 2);
  const std::size_t first = co_await race(a, b);
  auto next = first == 0 ? ctx.call(square, 3) : ctx.call(cube, 4);
  const int value = co_await std::move(next);
  co_return value * 10 + static_cast<int>(first);
}

task<int> two_signals(context ctx) {
  const int first = co_await ctx.wait(number);
  const int second = co_await ctx.wait(number);
  co_return first * 10 + second;
}

task<int> timed_wait(context ctx) {
  std::optional<int> value = co_await ctx.wait(number, 1h);
  co_return value ? *value : -1;
}

task<int> parent(context ctx) { co_return co_await ctx.start(sum_of_squares, 3); }

task<int> one_step(context ctx) {
  const int value = co_await ctx.step("read", [] { return 5; });
  co_return value + 1;
}

task<> bad_step(context ctx) {
  co_await ctx.step("read", [] { throw application_error("NoFile", "no such file"); });
}

task<> sleeper(context ctx) { co_await ctx.sleep(24h); }

task<int> cleans_up(context ctx) {
  auto slow = ctx.call(square, 1);
  bool canceled = false;
  try {
    co_await ctx.sleep(1h);
  } catch (const canceled_error&) {
    canceled = true;
  }
  if (canceled) co_await ctx.call(cube, 2);
  throw canceled_error("after cleaning up");
}

task<int> waits_for_both(context ctx) {
  auto child = ctx.start(sum_of_squares, 2);
  auto step = ctx.step("read", [] { return 5; });
  try {
    co_await ctx.wait(number);
  } catch (const canceled_error&) {
  }
  co_return co_await ctx.call(square, 3);
}

task<> counts(context ctx, int n) {
  const int by = co_await ctx.wait(number);
  co_await ctx.continue_as_new(n + by);
}

task<std::string> identity(context ctx) {
  const auto before = ctx.now();
  const std::string first = ctx.uuid();
  const std::uint64_t random = ctx.random();
  co_await ctx.sleep(1s);
  const bool later = ctx.now() > before;
  co_return first + " " + std::to_string(random) + (later ? " later " : " stuck ") + ctx.workflow_id() + ctx.run_id();
}

task<> leaves_open(context ctx) {
  auto timer = ctx.sleep(1h);
  auto dropped = ctx.call(square, 1);
  co_await ctx.call(cube, 2);
}

task<int> nothing(context, int n) { co_return n; }

task<int> adds(context ctx, int n) {
  int sum = 0;
  for (int i = 0; i < n; ++i) sum += co_await nothing(ctx, 1);
  co_return sum;
}

task<int> calls(context ctx, int n) {
  int sum = 0;
  for (int i = 0; i < n; ++i) sum += co_await ctx.call(square, i);
  co_return sum;
}

task<int> drops_a_wait(context ctx) {
  { auto forgotten = ctx.wait(number, 1h); }
  { auto forgotten = ctx.wait(number); }
  co_return co_await ctx.wait(number);
}

task<int> throws_first(context) {
  throw std::out_of_range("before anything");
  co_return 1;
}

struct asks_when_destroyed {
  context ctx;
  ~asks_when_destroyed() {
    auto asked = ctx.call(square, 9);
    auto slept = ctx.sleep(1s);
  }
};

task<> asks_in_destructor(context ctx) {
  asks_when_destroyed guard{ctx};
  co_await ctx.wait(number);
  co_await ctx.wait(number);
}

task<int> in_another_queue(context ctx) { co_return co_await ctx.call(square.with({.start_to_close = 2s}), 1); }

task<int> cancels_one(context ctx) {
  auto timer = ctx.sleep(1h);
  auto call = ctx.call(square, 1);
  timer.cancel();
  call.cancel();
  int canceled = 0;
  try {
    co_await std::move(timer);
  } catch (const canceled_error&) {
    ++canceled;
  }
  try {
    co_await std::move(call);
  } catch (const canceled_error&) {
    ++canceled;
  }
  co_return canceled;
}

const registry& definitions() {
  static const registry all_of_them = [] {
    registry r;
    r.add("sum_of_squares", sum_of_squares);
    r.add("pay", pay);
    r.add("racer", racer);
    r.add("two_signals", two_signals);
    r.add("timed_wait", timed_wait);
    r.add("parent", parent);
    r.add("one_step", one_step);
    r.add("bad_step", bad_step);
    r.add("sleeper", sleeper);
    r.add("cleans_up", cleans_up);
    r.add("waits_for_both", waits_for_both);
    r.add("counts", counts);
    r.add("identity", identity);
    r.add("leaves_open", leaves_open);
    r.add("adds", adds);
    r.add("calls", calls);
    r.add("drops_a_wait", drops_a_wait);
    r.add("throws_first", throws_first);
    r.add("asks_in_destructor", asks_in_destructor);
    r.add("in_another_queue", in_another_queue);
    r.add("cancels_one", cancels_one);
    return r;
  }();
  return all_of_them;
}

class Decider : public testing::Test {
 protected:
  decider_rig& of(const std::string& workflow) {
    rig_ = std::make_unique<decider_rig>(definitions(), workflow);
    return *rig_;
  }

 private:
  std::unique_ptr<decider_rig> rig_;
};

TEST_F(Decider, SchedulesWhatIsCalledBeforeItIsAwaited) {
  auto& rig = of("sum_of_squares");
  EXPECT_THAT(rig.start(json_payload("3")), ElementsAre("ActivityTaskScheduled square", "ActivityTaskScheduled square",
                                                        "ActivityTaskScheduled square"));
  EXPECT_THAT(rig.complete(4, "4"), IsEmpty());
  EXPECT_THAT(rig.complete(2, "0"), IsEmpty());
  EXPECT_THAT(rig.complete(3, "1"), ElementsAre("WorkflowExecutionCompleted 5"));
  EXPECT_TRUE(rig.live().closed());
  EXPECT_EQ(rig.live().last_seq(), event_seq(8));
}

TEST_F(Decider, CarriesOptionsAndAStructMadeOfItsFields) {
  auto& rig = of("pay");
  rig.start(json_payload(R"({"card":"4111","cents":1299})"));
  const auto& scheduled = rig.last_event().activity_task_scheduled();
  EXPECT_EQ(scheduled.input().data(), R"({"card":"4111","cents":1299})");
  EXPECT_EQ(scheduled.options().start_to_close_us(), 10'000'000);
  EXPECT_EQ(scheduled.options().retry().max_attempts(), 5U);
  EXPECT_EQ(scheduled.options().retry().initial_interval_us(), 200'000);
  EXPECT_THAT(rig.complete(2, "\"r1\""), ElementsAre("WorkflowExecutionCompleted \"r1!\""));
}

TEST_F(Decider, OptionsOfOneCallReplaceTheHandles) {
  auto& rig = of("in_another_queue");
  rig.start();
  EXPECT_EQ(rig.last_event().activity_task_scheduled().options().start_to_close_us(), 2'000'000);
  rig.complete(2, "1");
}

TEST_F(Decider, RaceGoesToTheFirstInTheJournal) {
  auto& rig = of("racer");
  EXPECT_THAT(rig.start(), ElementsAre("ActivityTaskScheduled square", "ActivityTaskScheduled cube"));
  EXPECT_THAT(rig.complete(3, "8"), ElementsAre("ActivityTaskScheduled cube"));
  EXPECT_THAT(rig.complete(2, "1"), IsEmpty());
  EXPECT_THAT(rig.complete(5, "64"), ElementsAre("WorkflowExecutionCompleted 641"));
}

TEST_F(Decider, SignalsWaitInOrderUntilTheyAreRead) {
  auto& rig = of("two_signals");
  EXPECT_THAT(rig.start(), IsEmpty());
  EXPECT_THAT(rig.signal("other", "9"), IsEmpty());
  EXPECT_THAT(rig.signal("number", "1"), IsEmpty());
  EXPECT_THAT(rig.signal("number", "2"), ElementsAre("WorkflowExecutionCompleted 12"));
}

TEST_F(Decider, CarriedSignalsComeFirst) {
  auto& rig = of("two_signals");
  messages::WorkflowExecutionStarted started;
  for (const char* json : {"3", "4"}) {
    auto* signal = started.add_carried_signals();
    signal->set_signal_name("number");
    signal->mutable_input()->set_data(json);
  }
  EXPECT_THAT(rig.start({}, started), ElementsAre("WorkflowExecutionCompleted 34"));
}

TEST_F(Decider, ASignalThatDoesNotDecodeFailsTheWorkflow) {
  auto& rig = of("two_signals");
  rig.start();
  rig.signal("number", "\"seven\"");
  EXPECT_EQ(rig.end_failure().kind, failure_kind::invalid_payload);
}

TEST_F(Decider, ATimedWaitEndsWithTheSignal) {
  auto& rig = of("timed_wait");
  EXPECT_THAT(rig.start(), ElementsAre("TimerStarted"));
  EXPECT_THAT(rig.signal("number", "7"), ElementsAre("TimerCanceled 2", "WorkflowExecutionCompleted 7"));
}

TEST_F(Decider, ATimedWaitEndsWithItsTimer) {
  auto& rig = of("timed_wait");
  rig.start();
  EXPECT_THAT(rig.fire(2), ElementsAre("WorkflowExecutionCompleted -1"));
}

TEST_F(Decider, AWaitThatWasDroppedTakesNoSignal) {
  auto& rig = of("drops_a_wait");
  rig.start();
  EXPECT_THAT(rig.signal("number", "7"), testing::Contains("WorkflowExecutionCompleted 7"));
}

TEST_F(Decider, ATimerOfADroppedWaitStillClosesInTheJournal) {
  auto& rig = of("drops_a_wait");
  rig.start();
  EXPECT_THAT(rig.fire(2), IsEmpty());
  EXPECT_THAT(rig.signal("number", "7"), testing::Contains("WorkflowExecutionCompleted 7"));
}

TEST_F(Decider, AChildHasAnIdOfItsOwnAndGivesItsResult) {
  auto& rig = of("parent");
  EXPECT_THAT(rig.start(), ElementsAre("StartChildWorkflowExecutionInitiated sum_of_squares as w/7.2"));
  EXPECT_THAT(rig.child_completed(2, "5"), ElementsAre("WorkflowExecutionCompleted 5"));
}

TEST_F(Decider, AChildThatCanNotStartThrows) {
  auto& rig = of("parent");
  rig.start();
  messages::Event event;
  event.mutable_start_child_workflow_execution_failed()->set_initiated_seq(2);
  to_message(failure{failure_kind::already_exists, "AlreadyExists", "taken", {}, true, nullptr},
             *event.mutable_start_child_workflow_execution_failed()->mutable_failure());
  rig.handle(event);
  ASSERT_TRUE(rig.end_failure().cause);
  EXPECT_EQ(rig.end_failure().cause->kind, failure_kind::already_exists);
}

TEST_F(Decider, AStepIsRunOutsideAndItsMarkerGivesTheResult) {
  auto& rig = of("one_step");
  EXPECT_THAT(rig.start(), ElementsAre("StepScheduled read"));
  ASSERT_EQ(rig.last->steps.size(), 1U);
  const step_run step = rig.last->steps[0];
  EXPECT_EQ(step.scheduled, event_seq(2));
  EXPECT_THAT(rig.run_step(step), ElementsAre("WorkflowExecutionCompleted 6"));
}

TEST_F(Decider, AStepWithoutAMarkerIsThereAgainAfterReplay) {
  auto& rig = of("one_step");
  rig.start();
  decider fresh(*definitions().find_workflow("one_step"), run_number(decider_rig::run));
  ASSERT_FALSE(rig.replay_into(fresh));
  const std::vector<step_run> steps = fresh.unfinished_steps();
  ASSERT_EQ(steps.size(), 1U);
  EXPECT_EQ(from_message(steps[0].run().result()).data, "5");
}

TEST_F(Decider, AStepThatThrowsFailsWithItsCause) {
  auto& rig = of("bad_step");
  rig.start();
  const step_run step = rig.last->steps.at(0);
  rig.run_step(step);
  ASSERT_TRUE(rig.end_failure().cause);
  EXPECT_EQ(rig.end_failure().cause->type, "NoFile");
}

TEST_F(Decider, AnActivitysFailureIsTheCauseOfTheWorkflows) {
  auto& rig = of("pay");
  rig.start(json_payload(R"({"card":"1","cents":1})"));
  rig.fail(2, {failure_kind::application, "CardDeclined", "no funds", json_payload("[1]"), true, nullptr});
  const failure why = rig.end_failure();
  EXPECT_THAT(why.message, HasSubstr("charge_card"));
  ASSERT_TRUE(why.cause);
  EXPECT_EQ(why.cause->type, "CardDeclined");
  EXPECT_EQ(why.cause->details, json_payload("[1]"));
}

TEST_F(Decider, AnExceptionBeforeTheFirstAwaitFailsTheWorkflow) {
  auto& rig = of("throws_first");
  EXPECT_THAT(rig.start(), ElementsAre("WorkflowExecutionFailed std::out_of_range"));
}

TEST_F(Decider, InputThatDoesNotDecodeFailsTheWorkflow) {
  auto& rig = of("pay");
  rig.start(json_payload("17"));
  EXPECT_EQ(rig.end_failure().kind, failure_kind::invalid_payload);
}

TEST_F(Decider, EventsOfNothingOpenChangeNothing) {
  auto& rig = of("sleeper");
  rig.start();
  EXPECT_THAT(rig.complete(2), ElementsAre("nothing")) << "event 2 is a timer, not an activity";
  EXPECT_THAT(rig.fire(9), ElementsAre("nothing"));
  EXPECT_EQ(rig.live().last_seq(), event_seq(2));
  EXPECT_THAT(rig.fire(2), ElementsAre("WorkflowExecutionCompleted "));
}

TEST_F(Decider, ATimerFiresAtTheEventsTimePlusItsDuration) {
  auto& rig = of("sleeper");
  rig.start();
  EXPECT_EQ(rig.last_event().timer_started().fire_at_us() - rig.last->record.time_us(), 86'400'000'000);
}

TEST_F(Decider, CancelEndsAWorkflowThatLetsItPass) {
  auto& rig = of("sleeper");
  rig.start();
  EXPECT_THAT(rig.cancel("enough"), ElementsAre("TimerCanceled 2", "WorkflowExecutionCanceled"));
  EXPECT_EQ(rig.last_event().workflow_execution_canceled().reason(), "enough");
}

TEST_F(Decider, AfterACancelTheCodeCanStillCallActivities) {
  auto& rig = of("cleans_up");
  rig.start();
  EXPECT_THAT(rig.cancel(),
              ElementsAre("ActivityTaskCancelRequested 2", "TimerCanceled 3", "ActivityTaskScheduled cube"));
  EXPECT_THAT(rig.cancel(), IsEmpty()) << "the second request interrupts nothing";
  EXPECT_THAT(rig.complete(7, "8"), ElementsAre("WorkflowExecutionCanceled"));
}

TEST_F(Decider, WhatACanceledChildOrStepSaysLaterIsJournaled) {
  auto& rig = of("waits_for_both");
  rig.start();
  const step_run step = rig.last->steps.at(0);
  EXPECT_THAT(rig.cancel(),
              ElementsAre("RequestCancelChildWorkflowExecutionInitiated 2", "ActivityTaskScheduled square"));
  decider fresh(*definitions().find_workflow("waits_for_both"), run_number(decider_rig::run));
  ASSERT_FALSE(rig.replay_into(fresh));
  EXPECT_EQ(fresh.unfinished_steps().size(), 1U) << "its marker is still owed to the journal";
  EXPECT_THAT(rig.run_step(step), IsEmpty());
  EXPECT_THAT(rig.child_completed(2, "1"), IsEmpty());
  EXPECT_THAT(rig.child_completed(2, "1"), ElementsAre("nothing"));
  EXPECT_THAT(rig.complete(6, "9"), ElementsAre("WorkflowExecutionCompleted 9"));
}

TEST_F(Decider, ACarriedCancelRequestInterruptsTheNextRun) {
  auto& rig = of("sleeper");
  messages::WorkflowExecutionStarted started;
  started.set_cancel_requested(true);
  EXPECT_THAT(rig.start({}, started), ElementsAre("TimerStarted", "TimerCanceled 2", "WorkflowExecutionCanceled"));
}

TEST_F(Decider, FuturesCanBeCanceledOneByOne) {
  auto& rig = of("cancels_one");
  EXPECT_THAT(rig.start(), ElementsAre("TimerStarted", "ActivityTaskScheduled square", "TimerCanceled 2",
                                       "ActivityTaskCancelRequested 3", "WorkflowExecutionCompleted 2"));
}

TEST_F(Decider, WhatIsOpenAtTheEndIsCanceledBeforeIt) {
  auto& rig = of("leaves_open");
  rig.start();
  EXPECT_THAT(rig.complete(4, "8"),
              ElementsAre("TimerCanceled 2", "ActivityTaskCancelRequested 3", "WorkflowExecutionCompleted "));
}

TEST_F(Decider, ContinueAsNewTakesUnreadSignalsAlongInOrder) {
  auto& rig = of("counts");
  rig.start(json_payload("1"));
  rig.signal("other", "8");
  rig.signal("other", "9");
  EXPECT_THAT(rig.signal("number", "2"), ElementsAre("WorkflowExecutionContinuedAsNew"));
  const auto& next = rig.last_event().workflow_execution_continued_as_new();
  EXPECT_EQ(next.workflow_type(), "counts");
  EXPECT_EQ(next.input().data(), "3");
  ASSERT_EQ(rig.last->unread_signals.size(), 2U);
  EXPECT_EQ(rig.last->unread_signals[0].input().data(), "8");
  EXPECT_EQ(rig.last->unread_signals[1].input().data(), "9");
  EXPECT_FALSE(rig.last->cancel_requested);
  EXPECT_TRUE(rig.live().closed());
}

TEST_F(Decider, TimeAndRandomnessAreTheSameInEveryReplay) {
  auto& rig = of("identity");
  rig.start();
  rig.fire(2);
  const std::string result = rig.last_event().workflow_execution_completed().result().data();
  EXPECT_THAT(result, HasSubstr(" later wrun-id"));
  auto& again = of("identity");
  again.start();
  again.fire(2);
  EXPECT_EQ(again.last_event().workflow_execution_completed().result().data(), result);
}

TEST_F(Decider, ADestructorThatAsksForSomethingIsNotRecorded) {
  decider live(*definitions().find_workflow("asks_in_destructor"), run_number(1));
  messages::Event event;
  event.mutable_workflow_execution_started()->set_workflow_id("w");
  ASSERT_TRUE(live.handle(std::move(event), timestamp{}));
  EXPECT_EQ(live.last_seq(), event_seq(1));
}

TEST_F(Decider, AMillionSynchronousAwaitsDoNotGrowTheStack) {
  auto& rig = of("adds");
  EXPECT_THAT(rig.start(json_payload("1000000")), ElementsAre("WorkflowExecutionCompleted 1000000"));
}

TEST_F(Decider, AHundredThousandStepsOneAfterTheOther) {
  auto& rig = of("calls");
  rig.start(json_payload("100000"));
  std::uint64_t seq = 2;
  while (!rig.live().closed()) {
    rig.complete(seq, "1");
    seq += 2;
  }
  EXPECT_EQ(brief(rig.last_event()), "WorkflowExecutionCompleted 100000");
}

// --- divergences: the journal of one version, the code of another

class Divergence : public testing::Test {
 protected:
  /// Replays with `code` a journal that `rig` has made, and gives what differs.
  static divergence of(const decider_rig& rig, const std::string& code) {
    decider fresh(*definitions().find_workflow(code), run_number(decider_rig::run));
    const auto difference = rig.replay_into(fresh);
    EXPECT_TRUE(difference);
    return difference.value_or(divergence{event_seq(0), "none"});
  }
};

TEST_F(Divergence, AnotherKindOfCommand) {
  decider_rig rig(definitions(), "racer");
  rig.start();
  const divergence found = of(rig, "leaves_open");
  EXPECT_EQ(found.at, event_seq(2));
  EXPECT_THAT(found.message, HasSubstr("ActivityTaskScheduled \"square\""));
  EXPECT_THAT(found.message, HasSubstr("the code asked for TimerStarted"));
}

TEST_F(Divergence, AnotherActivity) {
  decider_rig rig(definitions(), "calls");
  rig.start(json_payload("1"));
  rig.journal[0].mutable_events(1)->mutable_activity_task_scheduled()->set_activity_type("circle");
  EXPECT_EQ(of(rig, "calls").at, event_seq(2));
  EXPECT_THAT(of(rig, "calls").message, HasSubstr("\"circle\""));
  rig.journal[0].mutable_events(1)->mutable_activity_task_scheduled()->set_activity_type("square");
}

TEST_F(Divergence, AnotherChildId) {
  decider_rig rig(definitions(), "parent");
  rig.start();
  auto* initiated = rig.journal[0].mutable_events(1)->mutable_start_child_workflow_execution_initiated();
  initiated->set_workflow_id("elsewhere");
  EXPECT_EQ(of(rig, "parent").at, event_seq(2));
  initiated->set_workflow_id("w/7.2");
}

TEST_F(Divergence, TheCodeAsksForMore) {
  decider_rig rig(definitions(), "two_signals");
  rig.start();
  const divergence found = of(rig, "sleeper");
  EXPECT_EQ(found.at, event_seq(2));
  EXPECT_THAT(found.message, HasSubstr("the code asked for TimerStarted"));
}

TEST_F(Divergence, TheCodeAsksForLess) {
  decider_rig rig(definitions(), "sleeper");
  rig.start();
  const divergence found = of(rig, "two_signals");
  EXPECT_EQ(found.at, event_seq(2));
  EXPECT_THAT(found.message, HasSubstr("TimerStarted"));
}

TEST_F(Divergence, AnEndInsteadOfMore) {
  decider_rig rig(definitions(), "calls");
  rig.start(json_payload("2"));
  rig.complete(2, "1");
  rig.complete(4, "1");
  rig.journal[0].mutable_events(0)->mutable_workflow_execution_started()->mutable_input()->set_data("1");
  const divergence found = of(rig, "calls");
  EXPECT_EQ(found.at, event_seq(4));
  EXPECT_THAT(found.message, HasSubstr("WorkflowExecutionCompleted"));
  rig.journal[0].mutable_events(0)->mutable_workflow_execution_started()->mutable_input()->set_data("2");
}

TEST_F(Divergence, AnotherArgumentIsCountedOnly) {
  decider_rig rig(definitions(), "calls");
  rig.start(json_payload("1"));
  auto* input = rig.journal[0].mutable_events(1)->mutable_activity_task_scheduled()->mutable_input();
  input->set_data("77");
  decider fresh(*definitions().find_workflow("calls"), run_number(decider_rig::run));
  EXPECT_FALSE(rig.replay_into(fresh));
  EXPECT_EQ(fresh.argument_mismatches(), 1U);
  input->set_data("0");
}

TEST_F(Divergence, AJournalOfAnotherKindOfOpenWork) {
  decider_rig rig(definitions(), "calls");
  rig.start(json_payload("1"));
  rig.complete(2, "1");
  messages::Event fired;
  fired.mutable_timer_fired()->set_started_seq(2);
  const messages::Event was = rig.journal[1].events(0);
  *rig.journal[1].mutable_events(0) = fired;
  EXPECT_EQ(of(rig, "calls").at, event_seq(3));
  *rig.journal[1].mutable_events(0) = was;
}

}  // namespace
}  // namespace evermill::workflow
