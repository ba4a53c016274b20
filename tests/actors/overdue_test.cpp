// Executions whose code does not come back from a turn: set aside, kept whole, and taken back.
#include <gmock/gmock.h>

#include "partition_rig.hpp"
#include "test_workflows.hpp"

namespace evermill::actors {
namespace {

using namespace std::chrono_literals;
using outcome = answer::outcome;
using testing::ElementsAre;
using testing::SizeIs;

class Overdue : public testing::Test {
 protected:
  messages::Blocked::Reason blocked() const { return rig.header("w")->blocked().reason(); }
  /// The run waits for its first signal; the next turn does not come back.
  void hang_in_the_first_signal() {
    rig.start("w", "reads_two", "0", 1);
    rig.settle();
    rig.hold_instances(true);
    rig.signal("w", "number", "1", 2);
    rig.settle();
    EXPECT_FALSE(rig.answers.contains(2));
    rig.let_turn_time_out(run_number(1));
    rig.settle();
  }
  void come_back() {
    rig.hold_instances(false);
    rig.settle();
  }
  void expect_nothing_left() {
    EXPECT_EQ(blocked(), messages::Blocked::NONE);
    EXPECT_EQ(rig.rows(storage::family::inbox), 0U);
    EXPECT_EQ(rig.rows(storage::family::open_work), 0U);
    rig.check_journals();
  }

  partition_rig rig{test_workflows()};
};

TEST_F(Overdue, WhatWasGivenIsParkedAndItsSenderAnswered) {
  hang_in_the_first_signal();
  EXPECT_EQ(rig.answers.at(2).what, outcome::accepted);
  EXPECT_EQ(blocked(), messages::Blocked::TURN_TIMEOUT);
  EXPECT_THAT(rig.header("w")->blocked().message(), testing::HasSubstr("has not come back from a turn"));
  EXPECT_EQ(rig.rows(storage::family::inbox), 1U);
  EXPECT_TRUE(rig.subject().idle()) << "nobody waits for it";
}

TEST_F(Overdue, AnotherExecutionGoesOn) {
  hang_in_the_first_signal();
  rig.hold_instances(false);
  rig.start("v", "asks", "5", 3);  // after the one that hangs, which comes back with it here
  rig.settle();
  EXPECT_EQ(rig.answers.at(3).what, outcome::accepted);
}

TEST_F(Overdue, ItsTurnCountsWhenItComesBack) {
  hang_in_the_first_signal();
  rig.signal("w", "number", "2", 3);
  rig.settle();
  EXPECT_EQ(rig.answers.at(3).what, outcome::accepted);
  EXPECT_EQ(rig.rows(storage::family::inbox), 2U);
  come_back();
  EXPECT_EQ(rig.result("w"), "12") << "in the order in which they came";
  EXPECT_EQ(rig.journal(run_number(1)).size(), 3U);
  expect_nothing_left();
}

TEST_F(Overdue, ItMayComeBackBeforeWhatIsParkedIsDurable) {
  rig.start("w", "reads_two", "0", 1);
  rig.settle();
  rig.hold_instances(true);
  rig.signal("w", "number", "1", 2);
  rig.settle();
  rig.let_turn_time_out(run_number(1));
  rig.signal("w", "number", "2", 3);
  come_back();
  EXPECT_EQ(rig.result("w"), "12");
  expect_nothing_left();
}

TEST_F(Overdue, ItsFirstTurnMayHang) {
  rig.hold_instances(true);
  rig.start("w", "reads_two", "0", 1);
  rig.settle();
  rig.let_turn_time_out(run_number(1));
  rig.settle();
  EXPECT_EQ(rig.answers.at(1).what, outcome::accepted);
  EXPECT_EQ(blocked(), messages::Blocked::TURN_TIMEOUT);
  rig.signal("w", "number", "1");
  rig.signal("w", "number", "2");
  rig.settle();
  come_back();
  EXPECT_EQ(rig.result("w"), "12");
  expect_nothing_left();
}

TEST_F(Overdue, ItsReplayMayHang) {
  rig.start("w", "reads_two", "0", 1);
  rig.settle();
  rig.restart();
  rig.settle();
  rig.hold_instances(true);
  rig.signal("w", "number", "1", 2);
  rig.settle();
  rig.let_turn_time_out(run_number(1));
  rig.settle();
  EXPECT_EQ(rig.answers.at(2).what, outcome::accepted);
  EXPECT_EQ(blocked(), messages::Blocked::TURN_TIMEOUT);
  rig.signal("w", "number", "2", 3);
  rig.settle();
  come_back();
  EXPECT_EQ(rig.result("w"), "12");
  expect_nothing_left();
}

TEST_F(Overdue, ItMayHangTwice) {
  hang_in_the_first_signal();
  come_back();
  rig.hold_instances(true);
  rig.signal("w", "number", "2", 3);
  rig.settle();
  rig.let_turn_time_out(run_number(1));
  rig.settle();
  EXPECT_EQ(rig.answers.at(3).what, outcome::accepted);
  come_back();
  EXPECT_EQ(rig.result("w"), "12");
  expect_nothing_left();
}

TEST_F(Overdue, ATurnThatWasReportedMeanwhileIsNotOverdue) {
  rig.start("w", "reads_two", "0", 1);
  rig.settle();
  rig.subject().on_overdue(run_number(1), 1, 1);
  rig.settle();
  EXPECT_EQ(blocked(), messages::Blocked::NONE);
}

TEST_F(Overdue, ANewProcessTriesItAnew) {
  hang_in_the_first_signal();
  rig.restart();
  rig.hold_instances(false);
  rig.signal("w", "number", "2");
  rig.settle();
  EXPECT_EQ(rig.result("w"), "12");
  expect_nothing_left();
}

TEST_F(Overdue, TaintTriesItAnewAndTheOldCodeIsHeardNoMore) {
  hang_in_the_first_signal();
  rig.taint("w", 3);
  rig.settle();
  EXPECT_EQ(rig.answers.at(3).what, outcome::accepted);
  come_back();
  rig.signal("w", "number", "2");
  rig.settle();
  EXPECT_EQ(rig.result("w"), "12");
  EXPECT_EQ(rig.journal(run_number(1)).size(), 3U);
  expect_nothing_left();
}

TEST_F(Overdue, TerminateEndsIt) {
  hang_in_the_first_signal();
  rig.terminate("w", 3);
  rig.settle();
  EXPECT_EQ(rig.answers.at(3).what, outcome::accepted);
  EXPECT_EQ(rig.status("w"), messages::TERMINATED);
  come_back();
  EXPECT_EQ(rig.status("w"), messages::TERMINATED);
  EXPECT_EQ(rig.rows(storage::family::inbox), 0U);
  rig.check_journals();
}

TEST_F(Overdue, TerminateEndsOneThatHasNeverRun) {
  rig.hold_instances(true);
  rig.start("w", "reads_two", "0", 1);
  rig.settle();
  rig.let_turn_time_out(run_number(1));
  rig.terminate("w", 3);
  rig.settle();
  EXPECT_EQ(rig.status("w"), messages::TERMINATED);
  come_back();
  EXPECT_EQ(rig.rows(storage::family::inbox), 0U);
  rig.check_journals();
}

// --- code elsewhere, whose worker is gone

TEST_F(Overdue, AStartThatMovesToAnotherWorkerIsThereWhenItIsAnswered) {
  rig.hold_instances(true);
  rig.start("w", "reads_two", "0", 1);
  rig.settle();
  rig.give_back(run_number(1), messages::Blocked::NONE);
  rig.settle();
  EXPECT_EQ(rig.answers.at(1).what, outcome::accepted);
  ASSERT_TRUE(rig.header("w")) << "nothing of it could be found";
  rig.restart(partition_rig::crash::loses_queue);
  rig.hold_instances(false);
  rig.signal("w", "number", "1", 2);
  rig.signal("w", "number", "2", 3);
  rig.settle();
  EXPECT_EQ(rig.result("w"), "12");
  expect_nothing_left();
}

}  // namespace
}  // namespace evermill::actors
