// Human tasks and locks, as the decider sees them.
#include <gmock/gmock.h>

#include <string>

#include "decider_rig.hpp"
#include "evermill/scope.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill::workflow {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr activity<int(int)> square{.name = "square"};
constexpr activity<void(human_task_notice)> announce{.name = "announce"};
constexpr activity<void(human_task_notice)> remind{.name = "remind"};
constexpr human_task<int(std::string)> estimate{
    .name = "estimate", .options = {.timeout = 10h, .remind_every = 3h}, .prepare = announce, .remind = remind};
constexpr human_task<int()> plain{.name = "plain"};

task<int> asks(context ctx) {
  const int answer = co_await ctx.ask(estimate, "how many?");
  co_return answer;
}

task<int> asks_then(context ctx) {
  const int squared = co_await ctx.ask_then(plain, square);
  co_return squared;
}

task<int> locks_twice(context ctx) {
  auto first = co_await ctx.lock("a");
  auto second = co_await ctx.lock("a");
  co_return 0;
}

task<int> locks_again(context ctx) {
  {
    auto first = co_await ctx.lock("a");
  }
  auto second = co_await ctx.lock("a");
  auto other = co_await ctx.semaphore("a", 2);
  co_return 2;
}

task<void> replaces_a_request(context ctx) {
  auto wanted = ctx.lock("first");
  wanted = ctx.lock("second");
  co_await ctx.sleep(1s);
}

task<int> drops_requests(context ctx) {
  {
    auto pending = ctx.lock("a");
  }
  auto granted = ctx.lock("b");
  co_await ctx.sleep(1s);
  {
    auto never_taken = std::move(granted);
  }
  co_await ctx.sleep(1s);
  co_return 0;
}

task<int> moves_a_lock(context ctx) {
  auto held = co_await ctx.lock("a");
  {
    auto moved = std::move(held);
    co_await ctx.sleep(1s);
  }
  co_await ctx.sleep(1s);
  co_return held.held() ? 1 : 0;
}

task<> holds(context ctx) {
  auto held = co_await ctx.lock("a");
  co_await ctx.sleep(1h);
}

/// Each context's scope was not the one that was used last.
task<> cancels_a_scope(context ctx) {
  const cancellation_scope scope(ctx);
  detail::human_task_spec inner, outer;
  inner.name = "inner";
  outer.name = "outer";
  std::string id;
  const auto before = ctx.sleep(1h);
  const auto asked = scope.inside().open_human_task(inner, {}, id);
  const auto kept = ctx.open_human_task(outer, {}, id);
  const auto wanted = scope.inside().lock("inner");
  const auto kept_lock = ctx.semaphore("outer", 2);
  co_await ctx.call(square, 1);
  scope.cancel();
  co_await ctx.call(square, 2);
}

/// Deciders refer to what is in it.
const registry& definitions() {
  static const registry all = [] {
    registry made;
    made.add("asks", asks);
    made.add("asks_then", asks_then);
    made.add("locks_twice", locks_twice);
    made.add("locks_again", locks_again);
    made.add("replaces_a_request", replaces_a_request);
    made.add("drops_requests", drops_requests);
    made.add("moves_a_lock", moves_a_lock);
    made.add("holds", holds);
    made.add("cancels_a_scope", cancels_a_scope);
    return made;
  }();
  return all;
}

messages::Event granted(std::uint64_t requested) {
  messages::Event event;
  event.mutable_lock_granted()->set_requested_seq(requested);
  return event;
}

messages::Event answered(std::uint64_t created, const std::string& json) {
  messages::Event event;
  event.mutable_human_task_completed()->set_created_seq(created);
  event.mutable_human_task_completed()->mutable_answer()->set_data(json);
  return event;
}

TEST(HumanTask, IsOpenWhileItIsAnnounced) {
  decider_rig rig(definitions(), "asks");
  EXPECT_THAT(rig.start(), ElementsAre("HumanTaskCreated", "TimerStarted", "ActivityTaskScheduled announce"));
  const auto& announced = rig.journal[0].events(3).activity_task_scheduled().input().data();
  EXPECT_THAT(announced, testing::HasSubstr(R"("task_id":"w/7.2")"));
  EXPECT_THAT(announced, testing::HasSubstr(R"("question":"how many?")"));
  EXPECT_THAT(rig.handle(answered(2, "5")), IsEmpty()) << "the announcement is waited for";
  EXPECT_THAT(rig.complete(4), ElementsAre("TimerCanceled 3", "WorkflowExecutionCompleted 5"));
}

TEST(HumanTask, RemindsUntilItIsAnswered) {
  decider_rig rig(definitions(), "asks");
  rig.start();
  EXPECT_THAT(rig.complete(4), ElementsAre("TimerStarted"));
  EXPECT_THAT(rig.fire(6), ElementsAre("ActivityTaskScheduled remind", "TimerStarted"));
  EXPECT_THAT(rig.handle(answered(2, "7")), ElementsAre("TimerCanceled 3", "TimerCanceled 9", "ActivityTaskCancelRequested 8",
                                                        "WorkflowExecutionCompleted 7"));
}

TEST(HumanTask, BelongsToTheScopeOfItsContextAsLocksDo) {
  decider_rig rig(definitions(), "cancels_a_scope");
  EXPECT_THAT(rig.start(), ElementsAre("TimerStarted", "HumanTaskCreated", "HumanTaskCreated", "LockRequested", "LockRequested",
                                       "ActivityTaskScheduled square"));
  EXPECT_THAT(rig.complete(7, "1"), ElementsAre("HumanTaskCanceled", "LockReleased", "ActivityTaskScheduled square"));
}

TEST(HumanTask, IsWithdrawnWhenItsTimeIsOver) {
  decider_rig rig(definitions(), "asks");
  rig.start();
  rig.complete(4);
  EXPECT_THAT(rig.fire(3), ElementsAre("HumanTaskCanceled", "TimerCanceled 6", "WorkflowExecutionFailed HumanTaskExpired"));
  EXPECT_EQ(rig.end_failure().kind, failure_kind::timed_out);
}

TEST(HumanTask, IsWithdrawnWhenItCannotBeAnnounced) {
  decider_rig rig(definitions(), "asks");
  rig.start();
  EXPECT_THAT(rig.fail(4, {failure_kind::application, "NoMail", "no mail today", {}, true, nullptr}),
              ElementsAre("HumanTaskCanceled", "TimerCanceled 3", "WorkflowExecutionFailed ActivityFailed"));
}

TEST(HumanTask, AssignmentsLeadToNothing) {
  decider_rig rig(definitions(), "asks_then");
  EXPECT_THAT(rig.start(), ElementsAre("HumanTaskCreated"));
  messages::Event assigned;
  assigned.mutable_human_task_assigned()->set_created_seq(2);
  EXPECT_THAT(rig.handle(assigned), IsEmpty());
  EXPECT_THAT(rig.handle(answered(2, "4")), ElementsAre("ActivityTaskScheduled square"));
  EXPECT_THAT(rig.handle(assigned), ElementsAre("nothing")) << "it is not open any more";
  EXPECT_THAT(rig.handle(answered(2, "5")), ElementsAre("nothing"));
  EXPECT_THAT(rig.complete(5, "16"), ElementsAre("WorkflowExecutionCompleted 16"));
}

TEST(Lock, IsReleasedAtTheEndOfItsScope) {
  decider_rig rig(definitions(), "locks_again");
  EXPECT_THAT(rig.start(), ElementsAre("LockRequested"));
  EXPECT_THAT(rig.handle(granted(2)), ElementsAre("LockReleased", "LockRequested"));
  EXPECT_THAT(rig.handle(granted(5)), ElementsAre("LockRequested")) << "a semaphore of the same name is another one";
  EXPECT_THAT(rig.handle(granted(7)), ElementsAre("LockReleased", "LockReleased", "WorkflowExecutionCompleted 2"));
}

TEST(Lock, IsNotReentrant) {
  decider_rig rig(definitions(), "locks_twice");
  rig.start();
  EXPECT_THAT(rig.handle(granted(2)), ElementsAre("LockReleased", "WorkflowExecutionFailed std::logic_error"));
  EXPECT_THAT(rig.end_failure().message, testing::HasSubstr("not reentrant"));
}

TEST(Lock, ARequestThatIsDroppedIsWithdrawn) {
  decider_rig rig(definitions(), "drops_requests");
  EXPECT_THAT(rig.start(), ElementsAre("LockRequested", "LockReleased", "LockRequested", "TimerStarted"));
  EXPECT_THAT(rig.handle(granted(2)), ElementsAre("nothing")) << "it was withdrawn";
  EXPECT_THAT(rig.handle(granted(4)), IsEmpty());
  EXPECT_THAT(rig.fire(5), ElementsAre("LockReleased", "TimerStarted"));
  rig.fire(9);
}

TEST(Lock, ARequestThatIsReplacedIsWithdrawn) {
  decider_rig rig(definitions(), "replaces_a_request");
  EXPECT_THAT(rig.start(), ElementsAre("LockRequested", "LockRequested", "LockReleased", "TimerStarted"));
}

TEST(Lock, MovesWithItsObject) {
  decider_rig rig(definitions(), "moves_a_lock");
  rig.start();
  EXPECT_THAT(rig.handle(granted(2)), ElementsAre("TimerStarted"));
  EXPECT_THAT(rig.fire(4), ElementsAre("LockReleased", "TimerStarted"));
  EXPECT_THAT(rig.fire(7), ElementsAre("WorkflowExecutionCompleted 0"));
}

TEST(Lock, LeavingMemoryReleasesNothing) {
  decider_rig rig(definitions(), "holds");
  rig.start();
  rig.handle(granted(2));
  decider fresh(*definitions().find_workflow("holds"), run_number(decider_rig::run));
  EXPECT_FALSE(rig.replay_into(fresh)) << "the live one goes with the rig, and its guard with it";
}

TEST(Lock, NamesAndPermitsAreChecked) {
  EXPECT_THROW(evermill::detail::check_permits(0), std::invalid_argument);
  registry all;
  EXPECT_THROW(all.add("evermill.mine", holds), std::invalid_argument);
}

TEST(LockState, GivesTheLockInTheOrderOfRequests) {
  locks::lock_state state;
  const locks::claim a{"a", 1, 2}, b{"b", 1, 2}, c{"c", 1, 2};
  EXPECT_THAT(state.apply({false, a, 0}), ElementsAre(a));
  EXPECT_THAT(state.apply({false, b, 0}), IsEmpty());
  EXPECT_THAT(state.apply({false, c, 0}), IsEmpty());
  EXPECT_THAT(state.apply({true, b, 0}), IsEmpty()) << "it only waited";
  EXPECT_THAT(state.apply({true, a, 0}), ElementsAre(c));
  EXPECT_THAT(state.apply({true, a, 0}), IsEmpty()) << "released before";
  EXPECT_THAT(state.holders, ElementsAre(c));
}

TEST(LockState, TheLatestRequestSaysHowManyPermitsThereAre) {
  locks::lock_state state;
  const locks::claim a{"a", 1, 2}, b{"b", 1, 2}, c{"c", 1, 2}, d{"d", 1, 2};
  state.apply({false, a, 1});
  EXPECT_THAT(state.apply({false, b, 1}), IsEmpty());
  EXPECT_THAT(state.apply({false, c, 3}), ElementsAre(b, c));
  EXPECT_THAT(state.apply({false, d, 1}), IsEmpty());
  state.apply({true, a, 0});
  EXPECT_THAT(state.apply({true, b, 0}), IsEmpty()) << "one still holds it";
  EXPECT_THAT(state.apply({true, c, 0}), ElementsAre(d));
}

}  // namespace
}  // namespace evermill::workflow
