// Attempts of activities: dispatch ids, retries and their times, late results, what a restart does to them.
#include <gmock/gmock.h>

#include "partition_rig.hpp"
#include "test_workflows.hpp"

namespace evermill::actors {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

class Attempt : public testing::Test {
 protected:
  void started(const std::string& type) {
    rig.start("w", type, "5");
    rig.settle();
    ASSERT_THAT(rig.tasks, SizeIs(1));
  }
  const messages::ActivityTask& last() const { return *rig.tasks.back(); }
  partition_rig rig{test_workflows()};
};

TEST_F(Attempt, ItsResultGoesToTheWorkflow) {
  started("asks");
  EXPECT_EQ(last().attempt(), 1U);
  EXPECT_EQ(last().dispatch_boot(), rig.boot());
  EXPECT_EQ(last().input().data(), "5");
  rig.complete(last(), "6");
  rig.settle();
  EXPECT_EQ(rig.result("w"), "6");
  EXPECT_EQ(rig.rows(storage::family::open_work), 0U);
}

TEST_F(Attempt, ARetryHasANewDispatchIdAndWaitsForItsTime) {
  started("asks_patiently");
  rig.fail(last());
  rig.settle();
  EXPECT_THAT(rig.tasks, SizeIs(1)) << "not before its time";
  const timestamp failed_at = rig.now();
  ASSERT_TRUE(rig.tick());
  ASSERT_THAT(rig.tasks, SizeIs(2));
  EXPECT_EQ(rig.now() - failed_at, 10s);
  EXPECT_EQ(last().attempt(), 2U);
  EXPECT_NE(tasks::dispatch_id_of(last()), tasks::dispatch_id_of(*rig.tasks[0]));
}

TEST_F(Attempt, TheLastOneThatIsAllowedEndsTheActivity) {
  started("asks_patiently");
  for (int attempt = 1; attempt <= 3; ++attempt) {
    ASSERT_EQ(last().attempt(), static_cast<unsigned>(attempt));
    rig.fail(last());
    rig.settle();
    if (attempt < 3) {
      ASSERT_TRUE(rig.tick());
    }
  }
  EXPECT_EQ(rig.status("w"), messages::FAILED);
  EXPECT_THAT(rig.tasks, SizeIs(3));
  EXPECT_EQ(rig.rows(storage::family::open_work), 0U);
}

TEST_F(Attempt, ALateResultIsCountedAndHasNoEffect) {
  started("asks_patiently");
  const messages::ActivityTask first = last();
  rig.fail(first);
  rig.settle();
  rig.complete(first, "1");
  rig.settle();
  EXPECT_EQ(rig.subject().statistics().late_results, 1U);
  EXPECT_EQ(rig.status("w"), messages::RUNNING);
  ASSERT_TRUE(rig.tick());
  rig.complete(last(), "2");
  rig.complete(last(), "3");
  rig.settle();
  EXPECT_EQ(rig.result("w"), "2");
  EXPECT_EQ(rig.subject().statistics().late_results, 2U);
  rig.complete(last(), "4");
  rig.settle();
  EXPECT_EQ(rig.subject().statistics().late_results, 3U);
  rig.check_journals();
}

TEST_F(Attempt, OneThatWasOpenAtARestartIsLostAndFollowedAtOnce) {
  started("asks");
  const messages::ActivityTask first = last();
  rig.restart();
  rig.settle();
  while (rig.tasks.size() < 2 && rig.tick()) {
  }
  ASSERT_THAT(rig.tasks, SizeIs(2));
  EXPECT_EQ(last().attempt(), 2U);
  EXPECT_EQ(last().dispatch_boot(), rig.boot());
  EXPECT_EQ(last().input().data(), "5");
  rig.complete(first, "1");  // the process was not dead after all
  rig.settle();
  EXPECT_EQ(rig.subject().statistics().late_results, 1U);
  rig.complete(last(), "6");
  rig.settle();
  EXPECT_EQ(rig.result("w"), "6");
}

TEST_F(Attempt, ALostOneCountsAgainstTheAttemptsAllowed) {
  started("asks_once");
  rig.restart();
  rig.settle();
  EXPECT_THAT(rig.tasks, SizeIs(1));
  EXPECT_EQ(rig.status("w"), messages::FAILED);
}

TEST_F(Attempt, OneThatWaitsForItsTimeKeepsNumberAndTimeOverARestart) {
  started("asks_patiently");
  rig.fail(last());
  rig.settle();
  const timestamp failed_at = rig.now();
  rig.advance(3s);
  rig.restart();
  rig.settle();
  EXPECT_THAT(rig.tasks, SizeIs(1));
  ASSERT_TRUE(rig.tick());
  ASSERT_THAT(rig.tasks, SizeIs(2));
  EXPECT_EQ(rig.now() - failed_at, 10s);
  EXPECT_EQ(last().attempt(), 2U);
  EXPECT_EQ(last().dispatch_boot(), rig.boot()) << "had the clock been set back, the one before might have run";
}

TEST_F(Attempt, OneWhoseTimeHadComeAtARestartMayHaveRun) {
  started("asks_patiently");
  rig.fail(last());
  rig.settle();
  rig.advance(11s);
  rig.restart();
  rig.settle();
  while (rig.tasks.size() < 2 && rig.tick()) {
  }
  EXPECT_EQ(last().attempt(), 3U);
}

TEST_F(Attempt, ItsWorkflowsEndTellsItToStop) {
  started("asks");
  rig.terminate("w");
  rig.pump();
  EXPECT_THAT(rig.cancellations, IsEmpty());
  rig.settle();
  ASSERT_THAT(rig.cancellations, SizeIs(1));
  EXPECT_EQ(rig.cancellations[0].id, tasks::dispatch_id_of(last()));
  rig.complete(last(), "1");
  rig.settle();
  EXPECT_EQ(rig.subject().statistics().late_results, 1U);
  EXPECT_EQ(rig.status("w"), messages::TERMINATED);
}

TEST_F(Attempt, ARetryIsNotSentAfterTheActivityWasCanceled) {
  started("asks_patiently");
  rig.fail(last());
  rig.settle();
  rig.cancel("w");
  rig.settle();
  EXPECT_EQ(rig.status("w"), messages::CANCELED);
  while (rig.tick()) {
  }
  EXPECT_THAT(rig.tasks, SizeIs(1));
  EXPECT_EQ(rig.rows(storage::family::open_work), 0U);
}

TEST_F(Attempt, AResultThatIsParkedWithAStuckExecutionIsNotAskedForAgain) {
  started("asks");
  rig.restart_with(changed_workflows(), partition_rig::crash::loses_queue);
  rig.settle();
  while (rig.tasks.size() < 2 && rig.tick()) {
  }
  rig.complete(last(), "6");
  rig.settle();
  ASSERT_EQ(rig.header("w")->blocked().reason(), messages::Blocked::STUCK);
  rig.restart();
  rig.settle();
  while (rig.tick()) {
  }
  EXPECT_THAT(rig.tasks, SizeIs(2)) << "its result waits in the inbox";
  rig.restart_with(test_workflows());
  rig.settle();
  EXPECT_EQ(rig.result("w"), "6");
  rig.check_journals();
}

TEST_F(Attempt, NoneIsSentWhileThePartitionDrains) {
  rig.subject().drain();
  rig.start("w", "asks", "5", 1);
  rig.settle();
  EXPECT_EQ(rig.answers.at(1).what, answer::outcome::accepted);
  EXPECT_THAT(rig.tasks, IsEmpty());
  rig.restart();
  rig.settle();
  while (rig.tasks.empty() && rig.tick()) {
  }
  EXPECT_THAT(rig.tasks, SizeIs(1));
}

}  // namespace
}  // namespace evermill::actors
