// The life of an execution: started, found again, loaded and put away, continued, ended from outside.
#include <gmock/gmock.h>

#include "partition_rig.hpp"
#include "test_workflows.hpp"

namespace evermill::actors {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

TEST(Lifecycle, TheSameStartAgainFindsTheExecution) {
  partition_rig rig(test_workflows());
  rig.start("w", "echo", "5", 1);
  rig.settle();
  rig.start("w", "echo", "5", 2);
  rig.settle();
  EXPECT_FALSE(rig.answers.at(1).existed);
  EXPECT_TRUE(rig.answers.at(2).existed);
  EXPECT_EQ(rig.answers.at(2).run_id, rig.answers.at(1).run_id);
  rig.restart();
  rig.start("w", "echo", "5", 3);
  rig.settle();
  EXPECT_EQ(rig.answers.at(3).run_id, rig.answers.at(1).run_id);
  EXPECT_THAT(rig.ended, SizeIs(1));
}

TEST(Lifecycle, AnotherInputOrWorkflowUnderTheSameIdIsRefused) {
  partition_rig rig(test_workflows());
  rig.start("w", "echo", "5", 1);
  rig.start("w", "echo", "6", 2);
  rig.start("w", "sleeper", "5", 3);
  rig.settle();
  EXPECT_EQ(rig.answers.at(2).what, answer::outcome::already_exists);
  EXPECT_THAT(rig.answers.at(2).message, HasSubstr("another input"));
  EXPECT_EQ(rig.answers.at(3).what, answer::outcome::already_exists);
  EXPECT_EQ(rig.state().last_run_number(), 1U);
}

TEST(Lifecycle, AStartThatIsFoundAfterAContinuationIsTheFirstOnes) {
  partition_rig rig(test_workflows());
  rig.start("w", "rounds", "[2,0]", 1);
  rig.signal("w", "number", "1");
  rig.settle();
  rig.start("w", "rounds", "[2,0]", 2);
  rig.settle();
  EXPECT_TRUE(rig.answers.at(2).existed);
}

TEST(Lifecycle, WhatIsSaidToOneThatHasEndedIsRefused) {
  partition_rig rig(test_workflows());
  rig.start("w", "echo", "5");
  rig.settle();
  rig.signal("w", "number", "1", 1);
  rig.terminate("w", 2);
  rig.taint("w", 3);
  rig.settle();
  EXPECT_EQ(rig.answers.at(1).what, answer::outcome::closed);
  EXPECT_EQ(rig.answers.at(2).what, answer::outcome::closed);
  EXPECT_EQ(rig.answers.at(3).what, answer::outcome::accepted);
  EXPECT_THAT(rig.ended, SizeIs(1));
}

TEST(Lifecycle, AnIdleInstanceLeavesMemoryAndComesBackByReplay) {
  partition_rig rig(test_workflows());
  rig.start("w", "reads_two", "0");
  rig.signal("w", "number", "1");
  rig.settle();
  EXPECT_EQ(rig.live_instances(), 1U);
  ASSERT_TRUE(rig.tick());
  EXPECT_EQ(rig.live_instances(), 0U);
  rig.signal("w", "number", "2");
  rig.settle();
  EXPECT_EQ(rig.result("w"), "12");
  EXPECT_EQ(rig.live_instances(), 0U) << "an ended one is not kept";
}

TEST(Lifecycle, AnInstanceWithATurnThatIsNotDurableStays) {
  partition_rig rig(test_workflows());
  rig.start("w", "reads_two", "0");
  rig.pump();
  rig.advance(1h);
  rig.subject().on_tick();
  EXPECT_EQ(rig.live_instances(), 1U);
  rig.settle();
  ASSERT_TRUE(rig.tick());
  EXPECT_EQ(rig.live_instances(), 0U);
}

TEST(Lifecycle, AnInstanceWithADecisionInFlightStays) {
  partition_rig rig(test_workflows());
  rig.start("w", "reads_two", "0");
  rig.settle();
  rig.hold_instances(true);
  rig.signal("w", "number", "1");
  rig.pump();
  rig.advance(1h);
  rig.subject().on_tick();
  EXPECT_EQ(rig.live_instances(), 1U);
}

TEST(Lifecycle, AnInstanceWithAnUnfinishedStepStays) {
  partition_rig rig(test_workflows());
  rig.start("w", "steps", "4");
  rig.settle();
  rig.advance(1h);
  rig.subject().on_tick();
  EXPECT_EQ(rig.live_instances(), 1U);
  rig.run_steps();
  rig.settle();
  rig.advance(1h);
  rig.subject().on_tick();
  EXPECT_EQ(rig.live_instances(), 0U);
}

TEST(Lifecycle, TheLongestIdleLeaveFirstWhenThereAreTooMany) {
  partition_options options;
  options.max_live_instances = 2;
  partition_rig rig(test_workflows(), options);
  for (const char* id : {"a", "b", "c"}) {
    rig.start(id, "reads_two", "0");
    rig.settle();
    rig.advance(1s);
  }
  rig.signal("a", "number", "1");
  rig.settle();
  EXPECT_EQ(rig.live_instances(), 2U);
  EXPECT_EQ(rig.subject().statistics().live_instances, 2U);
}

TEST(Lifecycle, OneThatWasPutAwayLeavesNoOpenWorkWhenItEnds) {
  partition_rig rig(test_workflows());
  rig.start("w", "asks_then_reads", "1");
  rig.settle();
  rig.complete(*rig.tasks.at(0), "2");
  rig.settle();
  ASSERT_TRUE(rig.tick());
  ASSERT_EQ(rig.live_instances(), 0U);
  rig.signal("w", "number", "7");
  rig.settle();
  EXPECT_EQ(rig.result("w"), "7");
  EXPECT_EQ(rig.rows(storage::family::open_work), 0U);
  rig.restart();
}

TEST(Lifecycle, AStepThatWasNotFinishedRunsAgainAfterARestart) {
  partition_rig rig(test_workflows());
  rig.start("w", "steps", "4");
  rig.settle();
  ASSERT_THAT(rig.steps, SizeIs(1));
  rig.restart();
  rig.settle();
  ASSERT_THAT(rig.steps, SizeIs(1));
  rig.run_steps();
  rig.signal("w", "number", "3");
  rig.settle();
  EXPECT_EQ(rig.result("w"), "7");
}

TEST(Lifecycle, TerminateEndsALiveOneWithDecisionsInFlight) {
  partition_rig rig(test_workflows());
  rig.start("w", "reads_two", "0");
  rig.settle();
  rig.hold_instances(true);
  rig.signal("w", "number", "1", 1);
  rig.publish(rig.over_lane(1, rig.signal_event("w", "number", "2")));
  const auto last = rig.terminate("w", 2);
  rig.pump();
  rig.hold_instances(false);
  rig.settle();
  EXPECT_EQ(rig.answers.at(2).what, answer::outcome::accepted);
  ASSERT_TRUE(rig.answers.contains(1)) << "its caller waits for ever";
  EXPECT_EQ(rig.answers.at(1).what, answer::outcome::closed);
  EXPECT_THAT(rig.events(run_number(1)), ElementsAre("WorkflowExecutionStarted", "WorkflowExecutionTerminated"));
  EXPECT_EQ(rig.state().consumed(0).low_water(), last);
  ASSERT_FALSE(rig.sent.empty());
  EXPECT_EQ(rig.sent.back()->lane_acknowledged().through(), 1U);
  EXPECT_EQ(rig.live_instances(), 0U);
  EXPECT_TRUE(rig.subject().idle());
}

TEST(Lifecycle, TerminateEndsOneThatIsBeingLoaded) {
  partition_rig rig(test_workflows());
  rig.start("w", "reads_two", "0");
  rig.settle();
  rig.restart();
  rig.hold_instances(true);
  rig.signal("w", "number", "1", 1);
  rig.terminate("w", 2);
  rig.pump();
  rig.hold_instances(false);
  rig.settle();
  EXPECT_EQ(rig.answers.at(1).what, answer::outcome::closed);
  EXPECT_EQ(rig.status("w"), messages::TERMINATED);
  EXPECT_EQ(rig.live_instances(), 0U);
  EXPECT_TRUE(rig.subject().idle());
}

TEST(Lifecycle, TerminateErasesTheTimersOfOneThatIsNotInMemory) {
  partition_rig rig(test_workflows());
  rig.start("w", "sleeper", "0");
  rig.settle();
  rig.restart();
  rig.terminate("w");
  rig.settle();
  EXPECT_EQ(rig.rows(storage::family::timers), 0U);
  EXPECT_EQ(rig.status("w"), messages::TERMINATED);
}

TEST(Lifecycle, AContinuationIsOneCommitWithSignalsAndCancelRequest) {
  partition_rig rig(test_workflows());
  rig.start("w", "rounds", "[2,0]");
  rig.settle();
  rig.hold_instances(true);
  rig.signal("w", "unread", "8", 1);
  rig.signal("w", "number", "1", 2);
  rig.signal("w", "number", "2", 3);
  rig.pump();
  rig.hold_instances(false);
  rig.pump();
  ASSERT_TRUE(rig.commit_pending());
  rig.write_without_telling();
  rig.restart(partition_rig::crash::keeps_queue);
  rig.settle();
  EXPECT_EQ(rig.result("w"), "3");
  EXPECT_EQ(rig.events(run_number(1)).back(), "WorkflowExecutionContinuedAsNew");
  const auto next = rig.journal(run_number(2));
  ASSERT_FALSE(next.empty());
  const auto& started = next[0].record.events(0).workflow_execution_started();
  EXPECT_EQ(started.continued_from_run_number(), 1U);
  ASSERT_EQ(started.carried_signals_size(), 1);
  EXPECT_EQ(started.carried_signals(0).input().data(), "8");
  EXPECT_NE(started.run_id(), rig.journal(run_number(1))[0].record.events(0).workflow_execution_started().run_id());
  EXPECT_EQ(rig.header("w")->run_id(), started.run_id());
  rig.check_journals();
}

TEST(Lifecycle, AContinuedRunKeepsItsParent) {
  partition_rig rig(test_workflows());
  messages::DecisionEvent start;
  start.set_workflow_id("w");
  auto& started = *start.mutable_event()->mutable_workflow_execution_started();
  started.set_workflow_type("rounds");
  started.mutable_input()->set_data("[2,0]");
  started.mutable_parent()->set_workflow_id("other/parent");
  started.mutable_parent()->set_run_number(17);
  started.mutable_parent()->set_initiated_seq(3);
  rig.publish(rig.over_lane(1, start));
  rig.signal("w", "number", "1");
  rig.settle();
  rig.restart();
  rig.sent.clear();
  rig.signal("w", "number", "2");
  rig.settle();
  ASSERT_THAT(rig.sent, SizeIs(1));
  EXPECT_EQ(rig.sent[0]->run_number(), 17U);
  EXPECT_EQ(rig.sent[0]->event().child_workflow_execution_completed().result().data(), "3");
}

}  // namespace
}  // namespace evermill::actors
