// Messages between partitions: numbered, taken once and in order, kept until they are acknowledged.
#include <gmock/gmock.h>

#include "partition_rig.hpp"
#include "test_workflows.hpp"

namespace evermill::actors {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

/// The last acknowledgement sent to the other partition.
std::uint64_t acknowledged(const partition_rig& rig) {
  for (auto it = rig.sent.rbegin(); it != rig.sent.rend(); ++it) {
    if ((*it)->has_lane_acknowledged()) return (*it)->lane_acknowledged().through();
  }
  return 0;
}

messages::DecisionEvent acknowledge(std::uint64_t through) {
  messages::DecisionEvent event;
  event.mutable_lane_acknowledged()->set_destination_partition(partition_rig::other.value);
  event.mutable_lane_acknowledged()->set_through(through);
  return event;
}

messages::DecisionEvent number_for(const std::string& id, int n) {
  return partition_rig::signal_event(id, "number", std::to_string(n));
}

class Lane : public testing::Test {
 protected:
  Lane() : rig(test_workflows()) {
    rig.start("w", "reads_two", "0");
    rig.settle();
  }
  std::size_t signals() const { return rig.events(run_number(1)).size() - 1; }
  partition_rig rig;
};

TEST_F(Lane, AMessageIsAcknowledgedOnceItIsDurable) {
  rig.publish(rig.over_lane(1, number_for("w", 1)));
  rig.pump();
  EXPECT_EQ(acknowledged(rig), 0U);
  rig.make_durable();
  EXPECT_EQ(acknowledged(rig), 1U);
}

TEST_F(Lane, ARepeatHasNoEffectAndIsAcknowledgedAgain) {
  rig.publish(rig.over_lane(1, number_for("w", 1)));
  rig.settle();
  rig.sent.clear();
  rig.publish(rig.over_lane(1, number_for("w", 1)));
  rig.settle();
  EXPECT_EQ(signals(), 1U);
  EXPECT_EQ(acknowledged(rig), 1U);
  EXPECT_EQ(rig.subject().statistics().repeats, 1U);
}

TEST_F(Lane, AMessageAfterAGapIsNotTaken) {
  rig.publish(rig.over_lane(2, number_for("w", 2)));
  rig.settle();
  EXPECT_EQ(signals(), 0U);
  EXPECT_EQ(acknowledged(rig), 0U);
  rig.publish(rig.over_lane(1, number_for("w", 1)));
  rig.publish(rig.over_lane(2, number_for("w", 2)));
  rig.settle();
  EXPECT_EQ(rig.result("w"), "12");
  EXPECT_EQ(acknowledged(rig), 2U);
}

TEST_F(Lane, ARepeatIsKnownAfterARestart) {
  rig.publish(rig.over_lane(1, number_for("w", 1)));
  rig.settle();
  rig.restart();
  rig.publish(rig.over_lane(1, number_for("w", 1)));
  rig.publish(rig.over_lane(2, number_for("w", 2)));
  rig.settle();
  EXPECT_EQ(rig.result("w"), "12");
}

TEST_F(Lane, AcknowledgementIsCumulativeOverMessagesHandledOutOfOrder) {
  rig.hold_instances(true);
  rig.publish(rig.over_lane(1, number_for("w", 1)));       // held by its instance
  rig.publish(rig.over_lane(2, number_for("nobody", 2)));  // handled at once
  rig.pump();
  while (rig.commit_pending()) {
    rig.make_durable();
    rig.pump();
  }
  EXPECT_EQ(acknowledged(rig), 0U);
  rig.hold_instances(false);
  rig.settle();
  EXPECT_EQ(acknowledged(rig), 2U);
}

TEST_F(Lane, WhatIsSentIsKeptUntilItIsAcknowledged) {
  rig.start("p", "parent_elsewhere", "1");
  rig.start("q", "everything_at_once", "1");
  rig.settle();
  EXPECT_EQ(rig.rows(storage::family::outbox), 2U);
  ASSERT_THAT(rig.sent, SizeIs(2));
  EXPECT_EQ(rig.sent[0]->lane().number(), 1U);
  EXPECT_EQ(rig.sent[1]->lane().number(), 2U);
  EXPECT_EQ(rig.sent[0]->lane().source_partition(), 0U);

  rig.publish(acknowledge(1));
  rig.subject().drain();
  rig.settle();
  EXPECT_EQ(rig.rows(storage::family::outbox), 1U);
  rig.publish(acknowledge(1));
  rig.publish(acknowledge(99));  // of what was never sent
  rig.settle();
  EXPECT_EQ(rig.rows(storage::family::outbox), 0U);
  EXPECT_EQ(rig.state().outbound(0).acknowledged(), 2U);
}

TEST_F(Lane, ARestartSendsWhatIsNotAcknowledgedAgain) {
  rig.start("p", "parent_elsewhere", "1");
  rig.start("q", "everything_at_once", "1");
  rig.settle();
  rig.publish(acknowledge(1));
  rig.subject().drain();
  rig.settle();
  rig.sent.clear();
  rig.restart();
  rig.settle();
  ASSERT_THAT(rig.sent, SizeIs(1));
  EXPECT_EQ(rig.sent[0]->lane().number(), 2U);
  EXPECT_EQ(rig.sent[0]->workflow_id(), "other");
  rig.start("r", "parent_elsewhere", "1");
  rig.settle();
  EXPECT_EQ(rig.sent.back()->lane().number(), 3U) << "numbers go on";
}

TEST_F(Lane, AChildThatIsTakenIsRefusedToItsParent) {
  rig.start("p", "parent_elsewhere", "1");
  rig.settle();
  messages::DecisionEvent start;
  start.set_workflow_id("w");  // exists
  auto& started = *start.mutable_event()->mutable_workflow_execution_started();
  started.set_workflow_type("asks");
  started.mutable_parent()->set_workflow_id("other/parent");
  started.mutable_parent()->set_run_number(17);
  started.mutable_parent()->set_initiated_seq(3);
  rig.sent.clear();
  rig.publish(rig.over_lane(1, start));
  rig.settle();
  const auto refusal = std::find_if(rig.sent.begin(), rig.sent.end(), [](const auto& e) { return e->has_event(); });
  ASSERT_NE(refusal, rig.sent.end());
  EXPECT_EQ((*refusal)->run_number(), 17U);
  EXPECT_EQ((*refusal)->event().start_child_workflow_execution_failed().initiated_seq(), 3U);
  EXPECT_EQ((*refusal)->event().start_child_workflow_execution_failed().failure().kind(),
            messages::Failure::ALREADY_EXISTS);
}

TEST_F(Lane, TheCancelOfAChildThatWasRefusedDoesNotReachTheOther) {
  rig.start("g", "grandparent", "\"w\"");  // "w" is somebody else's
  rig.settle();
  EXPECT_EQ(signals(), 0U) << "w has heard of a cancel that was not for it";
  EXPECT_EQ(rig.status("w"), messages::RUNNING);
  rig.signal("g", "number", "5");
  rig.settle();
  EXPECT_EQ(rig.result("g"), "5");
}

TEST_F(Lane, TheCancelOfAChildFollowsItsStart) {
  rig.start("g", "grandparent", "\"own child\"");
  rig.settle();
  EXPECT_EQ(rig.status("own child"), messages::CANCELED);
  rig.restart();
  rig.start("h", "grandparent", "\"other child\"");
  rig.settle();
  ASSERT_GE(rig.sent.size(), 2U);
  EXPECT_TRUE(rig.sent[rig.sent.size() - 2]->event().has_workflow_execution_started());
  EXPECT_TRUE(rig.sent.back()->event().has_workflow_execution_cancel_requested());
}

}  // namespace
}  // namespace evermill::actors
