// Queries, updates, conditions, patches, scopes and sagas, decided without an engine.
#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <vector>

#include "decider_rig.hpp"
#include "evermill/context.hpp"
#include "evermill/saga.hpp"
#include "evermill/scope.hpp"

namespace evermill::workflow {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr activity<int(int)> square{.name = "square"};
constexpr activity<void(int)> undo_square{.name = "undo_square"};
constexpr signal<int> number{.name = "number"};
constexpr query<int()> total{.name = "total"};
constexpr query<int(int)> total_plus{.name = "total_plus"};
constexpr update<int(int)> add{.name = "add"};
constexpr update<void()> reset{.name = "reset"};

using sum_ptr = std::shared_ptr<int>;

task<int> add_square(context ctx, sum_ptr sum, int n) {
  const int squared = co_await ctx.call(square, n);
  *sum += squared;
  co_return *sum;
}

/// Answers until two numbers have come.
task<int> counter(context ctx) {
  const auto sum = std::make_shared<int>(0);
  const handler asked = ctx.on_query(total, [sum] { return *sum; });
  const handler asked_more = ctx.on_query(total_plus, [sum](int more) { return *sum + more; });
  const handler added = ctx.on_update(add, [ctx, sum](int n) { return add_square(ctx, sum, n); }, [](int n) {
    if (n < 0) throw application_error("Negative", "no negative numbers");
  });
  const handler cleared = ctx.on_update(reset, [sum] { *sum = 0; });
  const int first = co_await ctx.wait(number);
  *sum += first;
  const int second = co_await ctx.wait(number);
  co_return *sum + second;
}

registry definitions();

TEST(Query, IsAnsweredFromTheStateBetweenTurns) {
  const registry all = definitions();
  decider_rig rig(all, "counter");
  rig.start();
  EXPECT_EQ(rig.query("total"), "0");
  rig.signal("number", "5");
  EXPECT_EQ(rig.query("total"), "5");
  EXPECT_EQ(rig.query("total_plus", "3"), "8");
  EXPECT_EQ(rig.journal.size(), 2U) << "nothing of it is journaled";
}

TEST(Query, OfAnUnknownNameOrAWrongArgumentIsRefused) {
  const registry all = definitions();
  decider_rig rig(all, "counter");
  rig.start();
  EXPECT_EQ(rig.query("sum"), "UnknownQuery");
  EXPECT_EQ(rig.query("total_plus", "\"three\""), "InvalidPayload");
}

task<void> nosy(context ctx) {
  const handler asked = ctx.on_query(total, [ctx] {
    static_cast<void>(ctx.call(square, 1));
    return 1;
  });
  co_await ctx.wait(number);
}

TEST(Query, MayNotAskForAnything) {
  const registry all = definitions();
  decider_rig rig(all, "nosy");
  rig.start();
  EXPECT_EQ(rig.query("total"), "std::logic_error");
  EXPECT_THAT(rig.signal("number", "1"), ElementsAre("WorkflowExecutionCompleted "));
}

task<int> remembering(context ctx) {
  const auto sum = std::make_shared<int>(7);
  ctx.on_query(total, [sum] { return *sum; }).keep();
  {
    const handler gone = ctx.on_query(total_plus, [sum](int more) { return *sum + more; });
  }
  co_return *sum;
}

TEST(Query, HandlersLiveAsLongAsTheirObjects) {
  const registry all = definitions();
  decider_rig rig(all, "remembering");
  EXPECT_THAT(rig.start(), ElementsAre("WorkflowExecutionCompleted 7"));
  EXPECT_EQ(rig.query("total"), "7") << "one that was kept answers after the end";
  EXPECT_EQ(rig.query("total_plus", "1"), "UnknownQuery");
}

task<void> twice(context ctx) {
  const handler first = ctx.on_query(total, [] { return 1; });
  const handler second = ctx.on_query(total, [] { return 2; });
  co_return;
}

TEST(Query, HasOneHandler) {
  const registry all = definitions();
  decider_rig rig(all, "twice");
  EXPECT_THAT(rig.start(), ElementsAre("WorkflowExecutionFailed std::invalid_argument"));
}

TEST(Update, RunsBesideTheWorkflow) {
  const registry all = definitions();
  decider_rig rig(all, "counter");
  rig.start();
  EXPECT_THAT(rig.update("u1", "add", "3"), ElementsAre("ActivityTaskScheduled square"));
  EXPECT_THAT(rig.signal("number", "1"), IsEmpty());
  EXPECT_THAT(rig.complete(3, "9"), ElementsAre("WorkflowExecutionUpdateCompleted u1 10"));
  EXPECT_EQ(rig.query("total"), "10");
  EXPECT_THAT(rig.signal("number", "2"), ElementsAre("WorkflowExecutionCompleted 12"));
}

TEST(Update, ThatNeedsNoTimeIsDoneInItsTurn) {
  const registry all = definitions();
  decider_rig rig(all, "counter");
  rig.start();
  rig.signal("number", "1");
  EXPECT_THAT(rig.update("u1", "reset", "null"), ElementsAre("WorkflowExecutionUpdateCompleted u1 "));
  EXPECT_EQ(rig.query("total"), "0");
}

TEST(Update, ThatIsRefusedLeavesNoTrace) {
  const registry all = definitions();
  decider_rig rig(all, "counter");
  rig.start();
  EXPECT_THAT(rig.update("u1", "add", "-3"), ElementsAre("refused Negative"));
  EXPECT_THAT(rig.update("u2", "add", "\"three\""), ElementsAre("refused InvalidPayload"));
  EXPECT_THAT(rig.update("u3", "subtract", "3"), ElementsAre("refused UnknownUpdate"));
  EXPECT_EQ(rig.journal.size(), 1U);
}

TEST(Update, ThatFailsIsNotTheWorkflowsFailure) {
  const registry all = definitions();
  decider_rig rig(all, "counter");
  rig.start();
  rig.update("u1", "add", "3");
  EXPECT_THAT(rig.fail(3, {failure_kind::application, "Broken", "no", {}, true, nullptr}),
              ElementsAre("WorkflowExecutionUpdateCompleted u1 ActivityFailed"));
  EXPECT_FALSE(rig.live().closed());
}

TEST(Update, ThatIsOpenWhenTheWorkflowEndsFailsBeforeIt) {
  const registry all = definitions();
  decider_rig rig(all, "counter");
  rig.start();
  rig.update("u1", "add", "3");
  rig.signal("number", "1");
  EXPECT_THAT(rig.signal("number", "2"),
              ElementsAre("ActivityTaskCancelRequested 3", "WorkflowExecutionUpdateCompleted u1 WorkflowEnded",
                          "WorkflowExecutionCompleted 3"));
}

task<int> relay(context ctx, int round) {
  const auto sum = std::make_shared<int>(0);
  const handler added = ctx.on_update(add, [ctx, sum](int n) { return add_square(ctx, sum, n); });
  if (round == 0) {
    co_await ctx.wait(number);
    co_await ctx.continue_as_new(1);
  }
  const auto done = [sum] { return *sum > 0; };
  co_await ctx.until(done);
  co_return *sum;
}

TEST(Update, ThatIsOpenGoesOnInTheNextRun) {
  const registry all = definitions();
  decider_rig before(all, "relay");
  before.start(json_payload("0"));
  before.update("u1", "add", "3");
  before.signal("number", "1");
  ASSERT_TRUE(before.last);
  ASSERT_EQ(before.last->unfinished_updates.size(), 1U);

  decider_rig after(all, "relay");
  messages::WorkflowExecutionStarted started;
  *started.add_carried_updates() = before.last->unfinished_updates.front();
  EXPECT_THAT(after.start(json_payload("1"), started), ElementsAre("ActivityTaskScheduled square"));
  EXPECT_THAT(after.complete(2, "9"), ElementsAre("WorkflowExecutionUpdateCompleted u1 9", "WorkflowExecutionCompleted 9"));
}

task<std::string> conditional(context ctx) {
  const auto seen = std::make_shared<std::string>();
  const auto ready = [seen] { return seen->size() >= 2; };
  auto both = ctx.until(ready);
  auto limit = ctx.sleep(1h);
  for (int i = 0; i < 2; ++i) {
    auto next = ctx.wait(number);
    const std::size_t first = co_await race(next, limit);
    if (first == 1) co_return "too late";
    *seen += std::to_string(co_await std::move(next));
  }
  co_await std::move(both);
  co_return *seen;
}

TEST(Until, WaitsForStateThatOtherPartsChange) {
  const registry all = definitions();
  decider_rig rig(all, "conditional");
  EXPECT_THAT(rig.start(), ElementsAre("TimerStarted"));
  EXPECT_THAT(rig.signal("number", "4"), IsEmpty());
  EXPECT_THAT(rig.signal("number", "2"), ElementsAre("TimerCanceled 2", "WorkflowExecutionCompleted \"42\""));
}

task<std::string> waits_for_nothing(context ctx) {
  const auto never = [] { return false; };
  std::string seen = "nothing";
  try {
    co_await ctx.until(never);
  } catch (const canceled_error&) {
    seen = "canceled";
  }
  co_return seen;
}

TEST(Until, IsInterruptedByACancelRequest) {
  const registry all = definitions();
  decider_rig rig(all, "waits_for_nothing");
  rig.start();
  EXPECT_THAT(rig.cancel(), ElementsAre("WorkflowExecutionCompleted \"canceled\""));
}

bool has_patch = true;

task<int> patched(context ctx) {
  const bool is_new = has_patch && ctx.patched("squares");
  const int n = co_await ctx.call(square, is_new ? 2 : 1);
  co_return ctx.patched("squares") ? n * 10 : n;
}

TEST(Patched, IsTrueAndJournaledWhereTheCodeRunsForTheFirstTime) {
  has_patch = true;
  const registry all = definitions();
  decider_rig rig(all, "patched");
  EXPECT_THAT(rig.start(), ElementsAre("PatchRecorded squares", "ActivityTaskScheduled square"));
  EXPECT_THAT(rig.complete(3, "4"), ElementsAre("WorkflowExecutionCompleted 40")) << "asked again, it says the same";
}

task<int> patched_later(context ctx) {
  const bool is_new = has_patch && ctx.patched("squares");
  const int n = co_await ctx.call(square, is_new ? 2 : 1);
  co_return is_new ? n * 10 : n;
}

TEST(Patched, IsFalseInTheReplayOfARunFromBefore) {
  has_patch = false;
  const registry all = definitions();
  decider_rig rig(all, "patched_later");
  rig.start();
  has_patch = true;
  decider fresh(*all.find_workflow("patched_later"), run_number(decider_rig::run));
  EXPECT_FALSE(rig.replay_into(fresh));
  messages::Event done;
  done.mutable_activity_task_completed()->set_scheduled_seq(2);
  to_message(json_payload("4"), *done.mutable_activity_task_completed()->mutable_result());
  const auto turn = fresh.handle(std::move(done), timestamp(2'000'000s));
  ASSERT_TRUE(turn);
  EXPECT_EQ(turn->record.events(1).workflow_execution_completed().result().data(), "4");
}

task<std::string> scoped(context ctx) {
  const cancellation_scope outer(ctx);
  const cancellation_scope inner(outer.inside());
  const context safe = outer.inside().shielded();
  auto a = outer.inside().sleep(1h);
  auto b = inner.inside().sleep(1h);
  auto c = safe.sleep(1h);
  auto d = ctx.sleep(1h);
  co_await ctx.wait(number);
  outer.cancel("enough");
  std::string seen;
  for (auto* each : {&a, &b, &c, &d}) seen += each->ready() ? '1' : '0';
  seen += outer.cancel_requested() && inner.cancel_requested() && !ctx.cancel_requested() ? " yes" : " no";
  co_return seen;
}

TEST(Scope, IsCanceledWithWhatIsInsideButNotWhatIsShielded) {
  const registry all = definitions();
  decider_rig rig(all, "scoped");
  rig.start();
  EXPECT_THAT(rig.signal("number", "1"), ElementsAre("TimerCanceled 2", "TimerCanceled 3", "TimerCanceled 4", "TimerCanceled 5",
                                                     "WorkflowExecutionCompleted \"1100 yes\""));
}

task<std::string> shielding(context ctx) {
  const context safe = ctx.shielded();
  auto kept = safe.call(square, 1);
  auto dropped = ctx.call(square, 2);
  std::string seen;
  try {
    co_await std::move(dropped);
  } catch (const canceled_error& canceled) {
    seen = canceled.why().message;
  }
  const int value = co_await std::move(kept);
  co_return seen + " " + std::to_string(value);
}

TEST(Scope, ShieldedWorkSurvivesACancelRequest) {
  const registry all = definitions();
  decider_rig rig(all, "shielding");
  rig.start();
  EXPECT_THAT(rig.cancel("stop it"), ElementsAre("ActivityTaskCancelRequested 3"));
  EXPECT_THAT(rig.complete(2, "1"), ElementsAre("WorkflowExecutionCompleted \"stop it 1\""));
}

task<void> squares(context ctx, saga undo, int n) {
  for (int i = 1; i <= n; ++i) {
    const int squared = co_await ctx.call(square, i);
    undo.add(ctx, undo_square, squared);
  }
}

task<void> undoing(context ctx, int n) { co_await with_saga(ctx, squares, n); }

TEST(Saga, UndoesTheNewestFirstAndThrowsOn) {
  const registry all = definitions();
  decider_rig rig(all, "undoing");
  rig.start(json_payload("3"));
  rig.complete(2, "1");
  rig.complete(4, "4");
  EXPECT_THAT(rig.fail(6, {failure_kind::application, "Broken", "no squares left", {}, true, nullptr}),
              ElementsAre("ActivityTaskScheduled undo_square"));
  EXPECT_EQ(rig.last_event().activity_task_scheduled().input().data(), "4");
  EXPECT_THAT(rig.complete(8), ElementsAre("ActivityTaskScheduled undo_square"));
  EXPECT_EQ(rig.last_event().activity_task_scheduled().input().data(), "1");
  EXPECT_THAT(rig.complete(10), ElementsAre("WorkflowExecutionFailed ActivityFailed"));
  EXPECT_THAT(rig.end_failure().message, HasSubstr("no squares left"));
}

TEST(Saga, GoesOnAfterACompensationThatFails) {
  const registry all = definitions();
  decider_rig rig(all, "undoing");
  rig.start(json_payload("3"));
  rig.complete(2, "1");
  rig.complete(4, "4");
  const failure broken{failure_kind::application, "Broken", "no squares left", {}, true, nullptr};
  const failure stuck{failure_kind::application, "Stuck", "can't be undone", {}, true, nullptr};
  rig.fail(6, broken);
  EXPECT_THAT(rig.fail(8, stuck), ElementsAre("ActivityTaskScheduled undo_square")) << "the older one is undone all the same";
  rig.complete(10);
  EXPECT_THAT(rig.end_failure().message, HasSubstr("can't be undone"));
}

registry definitions() {
  registry all;
  all.add("counter", counter);
  all.add("nosy", nosy);
  all.add("remembering", remembering);
  all.add("twice", twice);
  all.add("relay", relay);
  all.add("conditional", conditional);
  all.add("waits_for_nothing", waits_for_nothing);
  all.add("patched", patched);
  all.add("patched_later", patched_later);
  all.add("scoped", scoped);
  all.add("shielding", shielding);
  all.add("undoing", undoing);
  return all;
}

}  // namespace
}  // namespace evermill::workflow
