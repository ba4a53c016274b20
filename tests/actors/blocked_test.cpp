// Executions that take no turns: without code, or with code that differs from the journal. Their events are parked.
#include <gmock/gmock.h>

#include "partition_rig.hpp"
#include "test_workflows.hpp"

namespace evermill::actors {
namespace {

using namespace std::chrono_literals;
using crash = partition_rig::crash;
using testing::ElementsAre;

messages::Blocked::Reason blocked(const partition_rig& rig, const std::string& id) {
  return rig.header(id)->blocked().reason();
}

TEST(Blocked, WithoutCodeTheStartIsAcceptedAndWaits) {
  partition_rig rig(no_workflows());
  rig.start("w", "reads_two", "0", 1);
  rig.settle();
  EXPECT_EQ(rig.answers.at(1).what, answer::outcome::accepted);
  EXPECT_EQ(blocked(rig, "w"), messages::Blocked::UNSERVED);
  rig.signal("w", "number", "1", 2);
  rig.settle();
  EXPECT_EQ(rig.answers.at(2).what, answer::outcome::accepted);

  rig.restart_with(test_workflows());
  rig.settle();
  EXPECT_EQ(blocked(rig, "w"), messages::Blocked::NONE);
  rig.signal("w", "number", "2");
  rig.settle();
  EXPECT_EQ(rig.result("w"), "12");
  EXPECT_EQ(rig.rows(storage::family::inbox), 0U);
  EXPECT_EQ(rig.rows(storage::family::open_work), 0U);
}

TEST(Blocked, WithOtherCodeItIsStuckAndNamesTheEvent) {
  partition_rig rig(test_workflows());
  rig.start("w", "reads_two", "0");
  rig.settle();
  rig.restart_with(changed_workflows());
  rig.signal("w", "number", "1", 1);
  rig.signal("w", "number", "2", 2);
  rig.settle();
  EXPECT_EQ(rig.answers.at(1).what, answer::outcome::accepted);
  EXPECT_EQ(rig.answers.at(2).what, answer::outcome::accepted);
  EXPECT_EQ(blocked(rig, "w"), messages::Blocked::STUCK);
  EXPECT_EQ(rig.header("w")->blocked().event_seq(), 2U);
  EXPECT_EQ(rig.events(run_number(1)).size(), 1U) << "nothing was added to its journal";
  EXPECT_EQ(rig.live_instances(), 0U);

  rig.restart_with(test_workflows());
  rig.settle();
  EXPECT_EQ(rig.result("w"), "12") << "in the order in which they came";
  EXPECT_EQ(rig.rows(storage::family::inbox), 0U);
}

TEST(Blocked, WhatComesWhileItIsLoadedFollowsWhatIsParked) {
  partition_rig rig(test_workflows());
  rig.start("w", "reads_two", "0");
  rig.settle();
  rig.restart_with(changed_workflows());
  rig.signal("w", "number", "1");
  rig.settle();
  rig.restart_with(test_workflows());
  rig.signal("w", "number", "2");
  rig.settle();
  EXPECT_EQ(rig.result("w"), "12");
}

TEST(Blocked, AParkedEventSurvivesAnyNumberOfRestarts) {
  partition_rig rig(test_workflows());
  rig.start("w", "reads_two", "0");
  rig.settle();
  rig.restart_with(changed_workflows());
  rig.signal("w", "number", "1", 1);
  rig.settle();
  for (int i = 0; i < 3; ++i) {
    rig.restart();
    rig.settle();
    EXPECT_EQ(rig.rows(storage::family::inbox), 1U);
  }
  rig.signal("w", "number", "2", 2);
  rig.settle();
  rig.restart_with(test_workflows());
  rig.settle();
  EXPECT_EQ(rig.result("w"), "12");
}

TEST(Blocked, ATaintTriesAgainAndIsSafeToRepeat) {
  partition_rig rig(test_workflows());
  rig.start("w", "reads_two", "0");
  rig.settle();
  rig.restart_with(changed_workflows());
  rig.signal("w", "number", "1");
  rig.settle();
  for (std::uint64_t token = 1; token <= 5; ++token) rig.taint("w", token);
  rig.settle();
  for (std::uint64_t token = 1; token <= 5; ++token) EXPECT_EQ(rig.answers.at(token).what, answer::outcome::accepted);
  EXPECT_EQ(blocked(rig, "w"), messages::Blocked::STUCK);
  EXPECT_EQ(rig.rows(storage::family::inbox), 1U);
  rig.start("x", "sleeper", "1");
  rig.taint("nobody", 6);
  rig.settle();
  EXPECT_EQ(rig.answers.at(6).what, answer::outcome::not_found);
}

TEST(Blocked, ATaintOfARunningOneChangesNothing) {
  partition_rig rig(test_workflows());
  rig.start("w", "reads_two", "0");
  rig.taint("w", 1);
  rig.settle();
  rig.taint("w", 2);
  rig.settle();
  EXPECT_EQ(rig.answers.size(), 2U);
  EXPECT_THAT(rig.events(run_number(1)), ElementsAre("WorkflowExecutionStarted"));
}

TEST(Blocked, ItCanBeTerminated) {
  partition_rig rig(test_workflows());
  rig.start("w", "reads_two", "0");
  rig.settle();
  rig.restart_with(changed_workflows());
  rig.signal("w", "number", "1");
  rig.settle();
  rig.terminate("w", 1);
  rig.settle();
  EXPECT_EQ(rig.answers.at(1).what, answer::outcome::accepted);
  EXPECT_EQ(rig.status("w"), messages::TERMINATED);
  EXPECT_EQ(rig.rows(storage::family::inbox), 0U);
  EXPECT_EQ(rig.rows(storage::family::open_work), 0U);
  rig.restart();
  rig.settle();
  EXPECT_EQ(rig.status("w"), messages::TERMINATED);
}

TEST(Blocked, WhatWasParkedInTheSameCommitLeavesNothingBehind) {
  partition_rig rig(no_workflows());
  rig.start("w", "reads_two", "0");
  rig.signal("w", "number", "1");
  rig.terminate("w");
  rig.settle();
  EXPECT_EQ(rig.status("w"), messages::TERMINATED);
  EXPECT_EQ(rig.rows(storage::family::inbox), 0U);
}

TEST(Blocked, AChildThatNeverRanTellsItsParentOfItsEnd) {
  partition_rig rig(no_workflows());
  messages::DecisionEvent start;
  start.set_workflow_id("w");
  auto& started = *start.mutable_event()->mutable_workflow_execution_started();
  started.set_workflow_type("asks");
  started.mutable_parent()->set_workflow_id("other/parent");
  started.mutable_parent()->set_run_number(17);
  started.mutable_parent()->set_initiated_seq(3);
  rig.publish(rig.over_lane(1, start));
  rig.settle();
  rig.restart();
  rig.terminate("w");
  rig.sent.clear();
  rig.settle();
  const auto told = std::find_if(rig.sent.begin(), rig.sent.end(), [](const auto& e) { return e->has_event(); });
  ASSERT_NE(told, rig.sent.end());
  EXPECT_EQ((*told)->workflow_id(), "other/parent");
  EXPECT_TRUE((*told)->event().has_child_workflow_execution_terminated());
}

TEST(Blocked, ParkedSignalsThatTheRunDidNotReadAreNotLostWhenItContinues) {
  partition_rig rig(test_workflows());
  rig.start("w", "rounds", "[3,0]");
  rig.settle();
  rig.restart_with(changed_workflows());
  for (int i = 1; i <= 3; ++i) rig.signal("w", "number", std::to_string(i), static_cast<std::uint64_t>(i));
  rig.settle();
  ASSERT_EQ(rig.answers.size(), 3U) << "acknowledged: they must not be lost any more";
  rig.restart_with(test_workflows());
  rig.flush_after_each_report();
  // Every commit is the last one of a process: what is not in it is gone.
  for (int i = 0; i < 20 && rig.status("w") == messages::RUNNING; ++i) {
    rig.pump();
    if (rig.commit_pending()) rig.make_durable();
    rig.restart();
  }
  EXPECT_EQ(rig.result("w"), "6");
  EXPECT_EQ(rig.rows(storage::family::inbox), 0U);
  rig.check_journals();
}

}  // namespace
}  // namespace evermill::actors
