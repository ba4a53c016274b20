// A partition works before it has recovered everything.
#include <gmock/gmock.h>

#include "partition_rig.hpp"
#include "test_workflows.hpp"

namespace evermill::actors {
namespace {

using testing::ElementsAre;
using testing::Not;

class Recovery : public testing::Test {
 protected:
  static partition_options one_at_a_time() {
    partition_options options;
    options.recovery_chunk = 1;
    return options;
  }

  Recovery() : rig_(test_workflows(), one_at_a_time()) {
    for (const char* id : {"a", "b", "c"}) rig_.start(id, "asks_then_reads", "1");
    rig_.settle();
    rig_.hold_recovery(true);
  }

  void restart_and_go_on() {
    rig_.restart();
    go_on();
  }
  void go_on() {
    rig_.settle();
    rig_.tick();  // retries of what was lost are due at once
    rig_.settle();
  }

  /// What was sent out for the workflow since `since`.
  std::vector<std::uint32_t> attempts_of(const std::string& id, std::size_t since) const {
    std::vector<std::uint32_t> found;
    for (std::size_t i = since; i < rig_.tasks.size(); ++i) {
      if (rig_.tasks[i]->workflow_id() == id) found.push_back(rig_.tasks[i]->attempt());
    }
    return found;
  }

  partition_rig rig_;
};

TEST_F(Recovery, TheFirstGoOnBeforeTheLastAreKnown) {
  const std::size_t before = rig_.tasks.size();
  restart_and_go_on();
  EXPECT_THAT(attempts_of("a", before), ElementsAre(2));
  EXPECT_THAT(attempts_of("b", before), ElementsAre());
  rig_.hold_recovery(false);
  go_on();
  EXPECT_THAT(attempts_of("b", before), ElementsAre(2));
  EXPECT_THAT(attempts_of("c", before), ElementsAre(2));
}

TEST_F(Recovery, OneThatIsSpokenToIsRecoveredAtOnceAndOnce) {
  const std::size_t before = rig_.tasks.size();
  rig_.restart();
  rig_.signal("c", "number", "7");
  go_on();
  ASSERT_THAT(attempts_of("c", before), ElementsAre(2));
  rig_.hold_recovery(false);
  go_on();
  EXPECT_THAT(attempts_of("c", before), ElementsAre(2)) << "it was recovered twice";
}

TEST_F(Recovery, AResultThatOutlivedTheProcessIsNotTakenForALateOne) {
  rig_.complete(*rig_.tasks.back(), "1");  // c's; nobody has read it
  const std::size_t before = rig_.tasks.size();
  rig_.restart(partition_rig::crash::keeps_queue);
  go_on();
  EXPECT_THAT(attempts_of("c", before), ElementsAre()) << "it was done";
  rig_.signal("c", "number", "7");
  rig_.settle();
  EXPECT_EQ(rig_.status("c"), messages::COMPLETED);
}

TEST_F(Recovery, OneThatEndedAheadOfItsTurnStaysEnded) {
  const std::size_t before = rig_.tasks.size();
  rig_.restart();
  rig_.signal("c", "number", "7");
  go_on();
  ASSERT_THAT(attempts_of("c", before), ElementsAre(2));
  for (std::size_t i = before; i < rig_.tasks.size(); ++i) {
    if (rig_.tasks[i]->workflow_id() == "c") rig_.complete(*rig_.tasks[i], "1");
  }
  rig_.pump();
  ASSERT_TRUE(rig_.commit_pending()) << "its row is still stored when the scan comes to it";
  rig_.hold_recovery(false);
  go_on();
  EXPECT_EQ(rig_.status("c"), messages::COMPLETED);
  EXPECT_THAT(attempts_of("c", before), ElementsAre(2));
  EXPECT_EQ(rig_.rows(storage::family::open_work), 4u) << "two of each of the others";
  EXPECT_TRUE(rig_.stops.empty());
}

TEST_F(Recovery, ACommitInTheMiddleForgetsNobodyWhoWasNotReached) {
  restart_and_go_on();
  rig_.complete(*rig_.tasks.back(), "1");
  rig_.signal("a", "number", "7");
  rig_.settle();
  ASSERT_EQ(rig_.status("a"), messages::COMPLETED);  // nothing that is known has open work now
  const std::size_t before = rig_.tasks.size();
  rig_.restart();
  rig_.hold_recovery(false);
  go_on();
  EXPECT_THAT(attempts_of("b", before), Not(ElementsAre()));
  EXPECT_THAT(attempts_of("c", before), Not(ElementsAre()));
}

TEST_F(Recovery, OneThatBeganMeanwhileIsNotTakenForOld) {
  const std::size_t before = rig_.tasks.size();
  rig_.restart();
  rig_.start("d", "asks", "1");
  rig_.settle();
  rig_.hold_recovery(false);
  go_on();
  EXPECT_THAT(attempts_of("d", before), ElementsAre(1));
}

TEST_F(Recovery, OneCanBeTerminatedBeforeItsTurn) {
  rig_.restart();
  rig_.terminate("b");
  rig_.settle();
  rig_.hold_recovery(false);
  go_on();
  EXPECT_EQ(rig_.status("b"), messages::TERMINATED);
  EXPECT_EQ(rig_.rows(storage::family::open_work), 4u) << "two of each of the others";
  EXPECT_TRUE(rig_.stops.empty());
}

TEST_F(Recovery, ARowThatCannotBeReadStopsThePartition) {
  rig_.restart();
  rig_.corrupt_row(storage::family::open_work);  // a's, which is known; the scan never comes back to it
  rig_.settle();
  EXPECT_TRUE(rig_.stops.empty());
  EXPECT_FALSE(rig_.reopen(partition_rig::crash::loses_queue));
}

TEST_F(Recovery, ADrainingPartitionLeavesTheRestToTheNextBoot) {
  const std::size_t before = rig_.tasks.size();
  rig_.restart();
  rig_.subject().drain();
  rig_.hold_recovery(false);
  go_on();
  EXPECT_TRUE(rig_.subject().idle());
  restart_and_go_on();
  for (const char* id : {"a", "b", "c"}) EXPECT_FALSE(attempts_of(id, before).empty()) << id;
}

}  // namespace
}  // namespace evermill::actors
