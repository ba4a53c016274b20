// What a commit promises: nothing leaves before it is durable, positions count with it, a failed one ends everything.
#include <gmock/gmock.h>

#include "partition_rig.hpp"
#include "test_workflows.hpp"

namespace evermill::actors {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

messages::ConsumedPositions consumed(const partition_rig& rig) { return rig.state().consumed(0); }

TEST(Commit, NothingLeavesBeforeItIsDurable) {
  partition_rig rig(test_workflows());
  rig.start("w", "everything_at_once", "1", 7);
  rig.pump();
  ASSERT_TRUE(rig.commit_pending());
  EXPECT_THAT(rig.tasks, IsEmpty());
  EXPECT_THAT(rig.steps, IsEmpty());
  EXPECT_THAT(rig.sent, IsEmpty());
  EXPECT_THAT(rig.answers, IsEmpty());
  EXPECT_THAT(rig.log_lines, IsEmpty());
  rig.make_durable();
  EXPECT_THAT(rig.tasks, SizeIs(1));
  EXPECT_THAT(rig.steps, SizeIs(1));
  EXPECT_THAT(rig.sent, SizeIs(1));
  EXPECT_EQ(rig.answers.at(7).what, answer::outcome::accepted);
  ASSERT_THAT(rig.log_lines, SizeIs(1));
  EXPECT_EQ(rig.log_lines[0].workflow_id, "w");
  EXPECT_EQ(rig.log_lines[0].run, run_number(1));
}

TEST(Commit, AnEndIsToldOnlyWhenItIsDurable) {
  partition_rig rig(test_workflows());
  rig.start("w", "echo", "5");
  rig.pump();
  EXPECT_THAT(rig.ended, IsEmpty());
  rig.make_durable();
  ASSERT_THAT(rig.ended, SizeIs(1));
  EXPECT_EQ(rig.ended[0].workflow_id, "w");
}

TEST(Commit, WhatComesWhileOneIsWrittenIsOneCommitAfterIt) {
  partition_rig rig(test_workflows());
  rig.start("a", "echo", "1", 1);
  rig.pump();
  for (std::uint64_t i = 2; i < 100; ++i) rig.start("w" + std::to_string(i), "echo", "1", i);
  rig.pump();
  rig.make_durable();
  EXPECT_THAT(rig.answers, SizeIs(1)) << "the others are not durable yet";
  rig.settle();
  EXPECT_THAT(rig.answers, SizeIs(99));
  EXPECT_EQ(rig.commits(), 2U);
}

TEST(Commit, AnAnswerWaitsForTheTurnsItHasSeen) {
  partition_rig rig(test_workflows());
  rig.start("w", "sleeper", "1", 1);
  rig.pump();
  rig.start("w", "sleeper", "1", 2);
  rig.terminate("nobody", 3);
  rig.pump();
  EXPECT_THAT(rig.answers, IsEmpty());
  rig.settle();
  EXPECT_TRUE(rig.answers.at(2).existed);
  EXPECT_EQ(rig.answers.at(3).what, answer::outcome::not_found);
}

TEST(Commit, ALaterEventMayBeDurableBeforeAnEarlierOne) {
  partition_rig rig(test_workflows());
  rig.start("a", "reads_two", "0");
  rig.start("b", "reads_two", "0");
  rig.settle();
  rig.hold_instances(true);
  const auto first = rig.signal("a", "number", "1");
  rig.pump();
  rig.hold_instances(false);
  // a's instance is slow: its work is lost with the process, while b's turn becomes durable.
  const auto second = rig.signal("b", "number", "2");
  rig.restart(partition_rig::crash::keeps_queue);
  rig.hold_instances(true);
  rig.pump();
  rig.hold_instances(false);
  rig.settle();
  EXPECT_EQ(rig.events(run_number(1)).back(), "WorkflowExecutionSignaled");
  EXPECT_EQ(rig.events(run_number(2)).back(), "WorkflowExecutionSignaled");
  EXPECT_EQ(consumed(rig).low_water(), std::max(first, second));
}

TEST(Commit, PositionsAboveAGapAreRangesAndAreDroppedWhenTheyComeAgain) {
  partition_rig rig(test_workflows());
  rig.start("a", "reads_two", "0");
  rig.settle();
  rig.hold_instances(true);
  const auto gap = rig.signal("a", "number", "1");
  const auto above = rig.signal("nobody", "number", "2", 5);  // handled without an instance
  rig.start("b", "unknown", "1");                              // parked: makes a commit
  rig.pump();
  rig.make_durable();
  EXPECT_EQ(consumed(rig).low_water(), gap - 1);
  EXPECT_THAT(consumed(rig).handled_ranges(), ElementsAre(above, above + 1));
  EXPECT_EQ(rig.answers.at(5).what, answer::outcome::not_found);

  rig.restart(partition_rig::crash::keeps_queue);
  rig.hold_instances(false);
  rig.settle();
  EXPECT_EQ(rig.subject().statistics().repeats, 2U) << "the two that were handled";
  EXPECT_THAT(rig.events(run_number(1)), ElementsAre("WorkflowExecutionStarted", "WorkflowExecutionSignaled"));
  EXPECT_EQ(consumed(rig).low_water(), above + 1);
}

TEST(Commit, PositionsOfALostQueueDoNotCountForTheNextOne) {
  partition_rig rig(test_workflows());
  rig.start("a", "reads_two", "0");
  rig.settle();
  rig.restart();
  rig.signal("a", "number", "1", 1);
  rig.settle();
  EXPECT_EQ(rig.answers.at(1).what, answer::outcome::accepted);
  EXPECT_EQ(rig.events(run_number(1)).back(), "WorkflowExecutionSignaled");
}

TEST(Commit, AFailedOneEndsTheIncarnation) {
  partition_rig rig(test_workflows());
  rig.start("w", "everything_at_once", "1", 7);
  rig.pump();
  rig.fail_commit();
  EXPECT_TRUE(rig.subject().failed());
  EXPECT_TRUE(rig.subject().idle());
  EXPECT_THAT(rig.stops, ElementsAre("the disk is gone"));
  rig.start("x", "echo", "1", 8);
  rig.advance(std::chrono::hours(1));
  rig.subject().poll();
  rig.subject().on_tick();
  rig.pump();
  EXPECT_FALSE(rig.commit_pending());
  EXPECT_THAT(rig.tasks, IsEmpty());
  EXPECT_THAT(rig.answers, IsEmpty());

  rig.restart(partition_rig::crash::keeps_queue);
  rig.settle();
  EXPECT_EQ(rig.answers.at(7).what, answer::outcome::accepted) << "the queue had it still";
  EXPECT_THAT(rig.tasks, SizeIs(1));
  EXPECT_EQ(rig.result("x"), "1");
  rig.check_journals();
}

TEST(Commit, AReportThatComesAfterAFailedOneIsIgnored) {
  partition_rig rig(test_workflows());
  rig.start("a", "echo", "1");
  rig.pump();
  rig.hold_instances(true);
  rig.start("b", "echo", "2");
  rig.pump();
  rig.fail_commit();
  rig.hold_instances(false);
  rig.pump();
  EXPECT_FALSE(rig.commit_pending());
  EXPECT_THAT(rig.ended, IsEmpty());
}

TEST(Commit, WhatCannotBeReadStopsThePartitionAndSaysSo) {
  partition_rig rig(test_workflows());
  rig.start("a", "reads_two", "0");
  rig.settle();
  rig.corrupt_row(storage::family::instances);
  rig.restart();
  rig.signal("a", "number", "1", 1);
  rig.settle();
  EXPECT_TRUE(rig.subject().failed());
  ASSERT_THAT(rig.stops, SizeIs(1));
  EXPECT_THAT(rig.stops[0], testing::HasSubstr("\"a\""));
  EXPECT_THAT(rig.answers, IsEmpty());
}

TEST(Commit, APartitionThatCouldNotRecoverDoesNothing) {
  partition_rig rig(test_workflows());
  rig.start("a", "asks", "0");
  rig.settle();
  rig.corrupt_row(storage::family::open_work);
  ASSERT_FALSE(rig.reopen(partition_rig::crash::loses_queue));
  const std::uint64_t commits = rig.commits();
  rig.start("b", "reads_two", "0", 1);
  rig.settle();
  EXPECT_TRUE(rig.subject().failed());
  EXPECT_EQ(rig.commits(), commits);
  EXPECT_THAT(rig.answers, IsEmpty());
}

}  // namespace
}  // namespace evermill::actors
