// Labels, signals to other executions, parts that run beside each other, and turns that are refused.
#include <gmock/gmock.h>

#include <memory>
#include <string>

#include "decider_rig.hpp"
#include "evermill/scope.hpp"

namespace evermill::workflow {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr activity<int(int)> square{.name = "square"};
constexpr signal<int> number{.name = "number"};
constexpr signal<> poke{.name = "poke"};
constexpr child_workflow<int(int)> elsewhere{.name = "elsewhere"};

task<> labels_all(context ctx) {
  const context named = ctx.labeled("/do/0/first");
  auto a = named.call(square, 1);
  auto b = named.sleep(1h);
  auto c = named.start(elsewhere, 1);
  auto look = [] { return 1; };
  auto d = named.shielded().step("look", look);
  const cancellation_scope scope(named);
  auto e = scope.inside().call(square, 2);
  auto f = ctx.call(square, 3);
  named.send("other", poke);
  co_await std::move(a);
}

task<> labels_wrongly(context ctx, std::string label) {
  co_await ctx.labeled(label).sleep(1h);
}

task<> sends(context ctx, std::string to) {
  ctx.send(to, number, 5);
  ctx.send(to, poke);
  ctx.send_or_start(to, elsewhere, 7, number, 6);
  co_return;
}

struct counts {
  int done = 0;
};

task<> adds(context ctx, int n, std::shared_ptr<counts> into) {
  const int squared = co_await ctx.call(square, n);
  if (squared < 0) throw application_error("Negative", "below zero");
  into->done += squared;
}

task<int> spawns(context ctx) {
  auto sum = std::make_shared<counts>();
  auto a = ctx.spawn(adds(ctx, 1, sum));
  auto b = ctx.spawn(adds(ctx, 2, sum));
  co_await all(a, b);
  co_return sum->done;
}

task<int> spawns_and_races(context ctx) {
  auto sum = std::make_shared<counts>();
  const cancellation_scope scope(ctx);
  auto slow = ctx.spawn(adds(scope.inside(), 1, sum));
  auto limit = ctx.sleep(1h);
  const std::size_t first = co_await race(slow, limit);
  if (first == 1) scope.cancel("too slow");
  try {
    co_await std::move(slow);
  } catch (const canceled_error&) {
    co_return -1;
  }
  co_return sum->done;
}

task<> leaves_a_part(context ctx) {
  auto sum = std::make_shared<counts>();
  static_cast<void>(ctx.spawn(adds(ctx, 1, sum)));
  co_await ctx.sleep(1h);
}

task<int> refuses(context ctx) {
  const int n = co_await ctx.wait(number);
  try {
    if (n < 0) ctx.refuse_turn("too slow today");
  } catch (const std::exception&) {
    co_return -1;  // nobody can catch it as an exception
  }
  co_return n;
}

const registry& beside() {
  static const registry all_of_them = [] {
    registry r;
    r.add("labels_all", labels_all);
    r.add("labels_wrongly", labels_wrongly);
    r.add("sends", sends);
    r.add("spawns", spawns);
    r.add("spawns_and_races", spawns_and_races);
    r.add("leaves_a_part", leaves_a_part);
    r.add("refuses", refuses);
    return r;
  }();
  return all_of_them;
}

std::string label_of(const messages::Event& event) {
  if (event.has_activity_task_scheduled()) return event.activity_task_scheduled().label();
  if (event.has_timer_started()) return event.timer_started().label();
  if (event.has_step_scheduled()) return event.step_scheduled().label();
  if (event.has_signal_external_workflow_execution_initiated()) return event.signal_external_workflow_execution_initiated().label();
  return event.start_child_workflow_execution_initiated().label();
}

TEST(Label, IsInTheCommandsOfItsContext) {
  decider_rig rig(beside(), "labels_all");
  rig.start();
  std::vector<std::string> labels;
  for (int i = 1; i < rig.journal[0].events_size(); ++i) labels.push_back(label_of(rig.journal[0].events(i)));
  const std::string first = "/do/0/first";
  EXPECT_THAT(labels, ElementsAre(first, first, first, first, first, "", first));
  rig.complete(2, "1");
}

TEST(Label, MustBeAName) {
  for (const char* label : {R"("")", R"("a\nb")"}) {
    decider_rig rig(beside(), "labels_wrongly");
    EXPECT_THAT(rig.start(json_payload(label)), ElementsAre("WorkflowExecutionFailed std::invalid_argument"));
  }
}

TEST(Send, IsACommandWithAllThatIsSent) {
  decider_rig rig(beside(), "sends");
  const std::string sent = "SignalExternalWorkflowExecutionInitiated";
  EXPECT_THAT(rig.start(json_payload(R"("other")")), ElementsAre(sent, sent, sent, "WorkflowExecutionCompleted "));
  const auto of = [&](int at) { return rig.journal[0].events(at).signal_external_workflow_execution_initiated(); };
  EXPECT_EQ(of(1).workflow_id(), "other");
  EXPECT_EQ(of(1).signal_name(), "number");
  EXPECT_EQ(of(1).input().data(), "5");
  EXPECT_EQ(of(1).start_type(), "");
  EXPECT_EQ(of(2).signal_name(), "poke");
  EXPECT_EQ(of(3).start_type(), "elsewhere");
  EXPECT_EQ(of(3).start_input().data(), "7");
}

TEST(Send, ToALockOrToNobodyIsRefused) {
  for (const char* to : {R"("evermill.lock/printer")", R"("")"}) {
    decider_rig rig(beside(), "sends");
    EXPECT_THAT(rig.start(json_payload(to)), ElementsAre("WorkflowExecutionFailed std::invalid_argument"));
  }
}

TEST(Spawn, RunsPartsBesideEachOther) {
  decider_rig rig(beside(), "spawns");
  EXPECT_THAT(rig.start(), ElementsAre("ActivityTaskScheduled square", "ActivityTaskScheduled square"));
  rig.complete(3, "4");
  EXPECT_THAT(rig.complete(2, "1"), ElementsAre("WorkflowExecutionCompleted 5"));
}

TEST(Spawn, WhatAPartThrowsItsFutureThrows) {
  decider_rig rig(beside(), "spawns");
  rig.start();
  EXPECT_THAT(rig.complete(3, "-4"), ElementsAre("ActivityTaskCancelRequested 2", "WorkflowExecutionFailed Negative"));
}

TEST(Spawn, APartEndsWithItsScope) {
  decider_rig rig(beside(), "spawns_and_races");
  rig.start();
  EXPECT_THAT(rig.fire(2), ElementsAre("ActivityTaskCancelRequested 3", "WorkflowExecutionCompleted -1"));
  decider_rig other(beside(), "spawns_and_races");
  other.start();
  EXPECT_THAT(other.complete(3, "9"), ElementsAre("TimerCanceled 2", "WorkflowExecutionCompleted 9"));
}

TEST(Spawn, ACancelRequestReachesIt) {
  decider_rig rig(beside(), "spawns");
  rig.start();
  EXPECT_THAT(rig.cancel(), ElementsAre("ActivityTaskCancelRequested 2", "ActivityTaskCancelRequested 3", "WorkflowExecutionCanceled"));
}

TEST(Spawn, APartThatNobodyWaitsForEndsWithTheWorkflow) {
  decider_rig rig(beside(), "leaves_a_part");
  rig.start();
  EXPECT_THAT(rig.fire(2), ElementsAre("ActivityTaskCancelRequested 3", "WorkflowExecutionCompleted "));
}

TEST(RefusedTurn, SaysWhyAndMakesNothing) {
  registry all = beside();
  decider fresh(*all.find_workflow("refuses"), run_number(7));
  messages::Event event;
  event.mutable_workflow_execution_started()->set_workflow_id("w");
  ASSERT_TRUE(fresh.handle(std::move(event), timestamp{}));
  messages::Event told;
  told.mutable_workflow_execution_signaled()->set_signal_name("number");
  told.mutable_workflow_execution_signaled()->mutable_input()->set_data("-1");
  const auto turn = fresh.handle(std::move(told), timestamp{});
  ASSERT_TRUE(turn);
  EXPECT_EQ(turn->refused, "too slow today");
}

TEST(RefusedTurn, InAReplayIsADifference) {
  registry all = beside();
  decider_rig rig(beside(), "refuses");
  rig.start();
  rig.signal("number", "1");
  messages::TurnRecord changed = rig.journal[1];
  changed.mutable_events(0)->mutable_workflow_execution_signaled()->mutable_input()->set_data("-1");
  decider fresh(*all.find_workflow("refuses"), run_number(7));
  EXPECT_FALSE(fresh.replay(rig.journal[0]));
  const auto difference = fresh.replay(changed);
  ASSERT_TRUE(difference);
  EXPECT_THAT(difference->message, HasSubstr("too slow today"));
}

}  // namespace
}  // namespace evermill::workflow
