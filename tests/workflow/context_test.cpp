// What a context gives beyond single commands: waiting for several futures, children by id, log lines, refused misuse.
#include <gmock/gmock.h>

#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "decider_rig.hpp"

namespace evermill::workflow {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr activity<int(int)> square{.name = "square"};
constexpr activity<void(int)> note{.name = "note"};
constexpr signal<> go{.name = "go"};
constexpr signal<int> number{.name = "number"};
constexpr child_workflow<int(int)> elsewhere{.name = "elsewhere"};
constexpr child_workflow<void()> nobody{.name = "nobody"};

task<std::string> five_at_once(context ctx) {
  auto a = ctx.call(square, 1);
  auto b = ctx.sleep(1h);
  auto c = ctx.wait(number);
  auto d = ctx.call(note, 4);
  auto e = ctx.call(square, 5);
  auto [one, slept, signaled, noted, five] = co_await all(a, b, c, d, e);
  static_assert(std::is_same_v<decltype(slept), std::monostate> && std::is_same_v<decltype(noted), std::monostate>);
  co_return std::to_string(one) + " " + std::to_string(signaled) + " " + std::to_string(five);
}

task<int> none_at_once(context) {
  std::vector<future<int>> none;
  const std::vector<int> values = co_await all(std::move(none));
  co_return static_cast<int>(values.size());
}

task<> voids_at_once(context ctx, int n) {
  std::vector<future<void>> notes;
  for (int i = 0; i < n; ++i) notes.push_back(ctx.call(note, i));
  co_await all(std::move(notes));
}

task<std::string> first_to_fail(context ctx) {
  std::string failed;
  auto slept = ctx.sleep(1h);
  auto squared = ctx.call(square, 1);
  auto noted = ctx.call(note, 2);
  try {
    co_await all(slept, squared, noted);
  } catch (const activity_error& error) {
    failed = error.activity() + ": " + error.why().type;
  }
  co_await ctx.wait(go);
  co_return failed;
}

task<std::string> mixed_race(context ctx) {
  auto squared = ctx.call(square, 1);
  auto slept = ctx.sleep(1h);
  auto signaled = ctx.wait(go);
  const std::size_t first = co_await race(squared, slept, signaled);
  const std::size_t again = co_await race(slept, signaled, squared);
  co_return std::to_string(first) + std::to_string(again);
}

task<int> race_of_an_empty_vector(context ctx) {
  std::vector<future<int>> none;
  co_await race(none);
  co_return co_await ctx.call(square, 1);
}

task<int> awaits_a_future_twice(context ctx) {
  auto squared = ctx.call(square, 1);
  co_await std::move(squared);
  co_return co_await std::move(squared);
}

task<int> part(context ctx) { co_return co_await ctx.call(square, 1); }
task<int> awaits_a_task_twice(context ctx) {
  auto once = part(ctx);
  co_await std::move(once);
  co_return co_await std::move(once);
}

task<bool> waits_for_go(context ctx) {
  const bool came = co_await ctx.wait(go, 1h);
  co_return came;
}

task<int> named_children(context ctx, std::string id) {
  auto by_function = ctx.start_as(id, part);
  auto by_handle = ctx.start_as(id + "/2", elsewhere, 3);
  auto without_input = ctx.start_as(id + "/3", nobody);
  auto unnamed = ctx.start(nobody);
  co_return co_await std::move(by_handle);
}

task<> logs(context ctx, int n) {
  ctx.log("started with " + std::to_string(n));
  co_await ctx.wait(go);
  ctx.log(log_level::warning, "gone");
}

task<> bad_name(context ctx, int which) {
  const std::string names[] = {"", "a\nb", "\xff", std::string(513, 'x')};
  const std::string& name = names[which];
  auto step = ctx.step(name, [] { return 1; });
  co_await std::move(step);
}

task<> continues_wrongly(context ctx, int n) {
  co_await ctx.wait(go);
  co_await ctx.continue_as_new(std::to_string(n) + "?");
}

task<> drops_waits(context ctx, int n) {
  for (int i = 0; i < n; ++i) auto dropped = ctx.wait(go);
  co_await ctx.wait(go);
}

const registry& definitions() {
  static const registry all_of_them = [] {
    registry r;
    r.add("five_at_once", five_at_once);
    r.add("none_at_once", none_at_once);
    r.add("voids_at_once", voids_at_once);
    r.add("first_to_fail", first_to_fail);
    r.add("mixed_race", mixed_race);
    r.add("race_of_an_empty_vector", race_of_an_empty_vector);
    r.add("awaits_a_future_twice", awaits_a_future_twice);
    r.add("awaits_a_task_twice", awaits_a_task_twice);
    r.add("part", part);
    r.add("waits_for_go", waits_for_go);
    r.add("named_children", named_children);
    r.add("logs", logs);
    r.add("bad_name", bad_name);
    r.add("continues_wrongly", continues_wrongly);
    r.add("drops_waits", drops_waits);
    return r;
  }();
  return all_of_them;
}

TEST(Context, AllGivesATupleOfManyTypesInOrder) {
  decider_rig rig(definitions(), "five_at_once");
  rig.start();
  EXPECT_THAT(rig.complete(5, "25"), IsEmpty());
  EXPECT_THAT(rig.complete(4), IsEmpty());
  EXPECT_THAT(rig.complete(2, "1"), IsEmpty());
  EXPECT_THAT(rig.signal("number", "3"), IsEmpty());
  EXPECT_THAT(rig.fire(3), ElementsAre("WorkflowExecutionCompleted \"1 3 25\""));
}

TEST(Context, AllOfNothingIsThereAtOnce) {
  decider_rig rig(definitions(), "none_at_once");
  EXPECT_THAT(rig.start(), ElementsAre("WorkflowExecutionCompleted 0"));
}

TEST(Context, AllOfVoidsWaitsForEach) {
  decider_rig rig(definitions(), "voids_at_once");
  rig.start(json_payload("2"));
  EXPECT_THAT(rig.complete(3), IsEmpty());
  EXPECT_THAT(rig.complete(2), ElementsAre("WorkflowExecutionCompleted "));
}

TEST(Context, AllFailsWithTheFirstThatFails) {
  decider_rig rig(definitions(), "first_to_fail");
  rig.start();
  rig.fail(4, {failure_kind::application, "Full", "no room", {}, false, nullptr});
  rig.fail(3, {failure_kind::application, "Late", "too late to matter", {}, false, nullptr});
  EXPECT_THAT(rig.signal("go", ""), ElementsAre("TimerCanceled 2", "WorkflowExecutionCompleted \"note: Full\""));
}

TEST(Context, ARaceTakesFuturesOfAnyType) {
  decider_rig by_signal(definitions(), "mixed_race");
  by_signal.start();
  EXPECT_THAT(by_signal.signal("go", ""), testing::Contains("WorkflowExecutionCompleted \"21\""));
  decider_rig by_timer(definitions(), "mixed_race");
  by_timer.start();
  EXPECT_THAT(by_timer.fire(3), testing::Contains("WorkflowExecutionCompleted \"10\""));
}

TEST(Context, ARaceOfNothingFailsInsteadOfWaitingForEver) {
  decider_rig rig(definitions(), "race_of_an_empty_vector");
  EXPECT_THAT(rig.start(), ElementsAre("WorkflowExecutionFailed std::invalid_argument"));
}

TEST(Context, WhatIsAwaitedTwiceFailsTheWorkflowOnly) {
  for (const char* workflow : {"awaits_a_future_twice", "awaits_a_task_twice"}) {
    decider_rig rig(definitions(), workflow);
    rig.start();
    EXPECT_THAT(rig.complete(2, "1"), ElementsAre("WorkflowExecutionFailed std::logic_error")) << workflow;
    EXPECT_THAT(rig.end_failure().message, HasSubstr("awaited or moved from before"));
  }
}

TEST(Context, ASignalWithoutAValueComesInTimeOrNot) {
  decider_rig in_time(definitions(), "waits_for_go");
  in_time.start();
  EXPECT_THAT(in_time.signal("go", ""), ElementsAre("TimerCanceled 2", "WorkflowExecutionCompleted true"));
  decider_rig too_late(definitions(), "waits_for_go");
  too_late.start();
  EXPECT_THAT(too_late.fire(2), ElementsAre("WorkflowExecutionCompleted false"));
}

TEST(Context, ChildrenAreNamedByFunctionOrHandle) {
  decider_rig rig(definitions(), "named_children");
  EXPECT_THAT(rig.start(json_payload("\"c\"")),
              ElementsAre("StartChildWorkflowExecutionInitiated part as c",
                          "StartChildWorkflowExecutionInitiated elsewhere as c/2",
                          "StartChildWorkflowExecutionInitiated nobody as c/3",
                          "StartChildWorkflowExecutionInitiated nobody as w/7.5"));
  EXPECT_EQ(rig.journal[0].events(2).start_child_workflow_execution_initiated().input().data(), "3");
  rig.child_completed(3, "9");
}

TEST(Context, AChildsIdMustBeAName) {
  for (const std::string id : {"", "a\\nb"}) {
    decider_rig rig(definitions(), "named_children");
    EXPECT_THAT(rig.start(json_payload("\"" + id + "\"")), ElementsAre("WorkflowExecutionFailed std::invalid_argument"));
    EXPECT_THAT(rig.end_failure().message, HasSubstr("child's workflow id"));
  }
}

TEST(Context, AChildOfAParentWithALongIdGetsAShorterOne) {
  decider live(*definitions().find_workflow("named_children"), run_number(7));
  messages::Event event;
  event.mutable_workflow_execution_started()->set_workflow_id(std::string(512, 'w'));
  to_message(json_payload("\"c\""), *event.mutable_workflow_execution_started()->mutable_input());
  const auto turn = live.handle(std::move(event), timestamp{});
  ASSERT_TRUE(turn);
  const std::string id = turn->record.events(4).start_child_workflow_execution_initiated().workflow_id();
  EXPECT_LT(id.size(), 512U);
  EXPECT_THAT(id, testing::EndsWith("/7.5"));
}

TEST(Context, LogLinesComeWithTheirTurnAndNotInAReplay) {
  decider_rig rig(definitions(), "logs");
  rig.start(json_payload("3"));
  ASSERT_EQ(rig.last->log_lines.size(), 1U);
  EXPECT_EQ(rig.last->log_lines[0].text, "started with 3");
  EXPECT_EQ(rig.last->log_lines[0].level, log_level::info);

  decider fresh(*definitions().find_workflow("logs"), run_number(decider_rig::run));
  ASSERT_FALSE(rig.replay_into(fresh));
  messages::Event event;
  event.mutable_workflow_execution_signaled()->set_signal_name("go");
  const auto turn = fresh.handle(std::move(event), timestamp{});
  ASSERT_TRUE(turn);
  ASSERT_EQ(turn->log_lines.size(), 1U) << "only the new turn's";
  EXPECT_EQ(turn->log_lines[0].text, "gone");
  EXPECT_EQ(turn->log_lines[0].level, log_level::warning);
}

TEST(Context, ANameThatCannotBeStoredFailsTheWorkflow) {
  for (const char* which : {"0", "1", "2", "3"}) {
    decider_rig rig(definitions(), "bad_name");
    EXPECT_THAT(rig.start(json_payload(which)), ElementsAre("WorkflowExecutionFailed std::invalid_argument"));
    EXPECT_THAT(rig.end_failure().message, HasSubstr("step's name"));
  }
}

TEST(Context, ContinuingWithAnInputOfTheWrongTypeFailsThisRun) {
  decider_rig rig(definitions(), "continues_wrongly");
  rig.start(json_payload("1"));
  rig.signal("go", "");
  EXPECT_EQ(rig.end_failure().kind, failure_kind::invalid_payload);
}

TEST(Context, ManyDroppedWaitsDoNotGrowTheStack) {
  decider_rig rig(definitions(), "drops_waits");
  rig.start(json_payload("100000"));
  EXPECT_THAT(rig.signal("go", ""), ElementsAre("WorkflowExecutionCompleted "));
}

}  // namespace
}  // namespace evermill::workflow
