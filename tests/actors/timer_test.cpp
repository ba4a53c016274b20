// Durable timers: in order, once, in bounded batches, also after a restart.
#include <gmock/gmock.h>

#include "partition_rig.hpp"
#include "test_workflows.hpp"

namespace evermill::actors {
namespace {

using namespace std::chrono_literals;

std::size_t fired(const partition_rig& rig, run_number run) {
  const auto events = rig.events(run);
  return static_cast<std::size_t>(std::count(events.begin(), events.end(), "TimerFired"));
}

TEST(Timer, FiresAtItsTimeAndNotBefore) {
  partition_rig rig(test_workflows());
  rig.start("w", "sleeper", "1");
  rig.settle();
  const timestamp started = rig.now();
  while (rig.status("w") == messages::RUNNING && rig.tick()) {
    rig.settle();
    EXPECT_EQ(fired(rig, run_number(1)), rig.now() - started < 60s ? 0U : 1U);
  }
  EXPECT_EQ(rig.now() - started, 60s);
  EXPECT_EQ(rig.result("w"), "1");
  EXPECT_EQ(rig.rows(storage::family::timers), 0U);
}

TEST(Timer, WakesNobodyBeforeItsTimeThoughTheClockIsSetBackMeanwhile) {
  partition_rig rig(test_workflows());
  rig.start("w", "sleeper", "1");
  rig.settle();
  const timestamp due = rig.now() + 60s;
  while (rig.now() < due) ASSERT_TRUE(rig.tick());
  rig.advance(-30s);  // the timer has fired, and its event is on the way
  rig.settle();
  const auto journal = rig.journal(run_number(1));
  ASSERT_EQ(fired(rig, run_number(1)), 1U);
  EXPECT_EQ(from_micros(journal.back().record.time_us()), due);
}

TEST(Timer, OneThatIsNotDurableIsNotArmed) {
  partition_rig rig(test_workflows());
  rig.start("w", "naps", "1");
  rig.pump();
  EXPECT_TRUE(rig.commit_pending());
  rig.advance(2s);
  rig.subject().on_tick();
  rig.pump();
  rig.make_durable();
  EXPECT_EQ(fired(rig, run_number(1)), 0U);
  ASSERT_TRUE(rig.tick());
  rig.settle();
  EXPECT_EQ(fired(rig, run_number(1)), 1U);
}

TEST(Timer, OverdueOnesOfManyExecutionsFireInTheirOrderAfterARestart) {
  partition_rig rig(test_workflows());
  for (int i = 0; i < 3; ++i) {
    rig.start("w" + std::to_string(i), "sleeper", std::to_string(i));
    rig.settle();
    rig.advance(-7s);  // each later one is due earlier
  }
  rig.restart();
  rig.advance(1h);
  while (rig.tick()) rig.settle();
  std::vector<std::string> order;
  for (const ended_execution& each : rig.ended) order.push_back(each.workflow_id);
  EXPECT_THAT(order, testing::ElementsAre("w2", "w1", "w0"));
}

TEST(Timer, OneThatHasFiredDoesNotFireAgainAfterARestart) {
  partition_rig rig(test_workflows());
  rig.start("w", "naps", "2");
  rig.settle();
  ASSERT_TRUE(rig.tick());
  rig.settle();
  ASSERT_EQ(fired(rig, run_number(1)), 1U);
  rig.restart();
  while (rig.status("w") == messages::RUNNING && rig.tick()) rig.settle();
  EXPECT_EQ(rig.result("w"), "2");
  EXPECT_EQ(fired(rig, run_number(1)), 2U);
  rig.check_journals();
}

TEST(Timer, OneWhoseTurnWasNotDurableFiresAgain) {
  partition_rig rig(test_workflows());
  rig.start("w", "naps", "1");
  rig.settle();
  ASSERT_TRUE(rig.tick());
  rig.pump();
  ASSERT_TRUE(rig.commit_pending());
  rig.restart();
  ASSERT_TRUE(rig.tick());
  rig.settle();
  EXPECT_EQ(rig.result("w"), "1");
}

TEST(Timer, AnAbundanceIsAdmittedInBatches) {
  constexpr std::size_t batch = 1000;
  partition_rig rig(test_workflows());
  rig.start("w", "many_naps", "2500");
  rig.settle();
  rig.restart();
  for (const std::size_t expected : {batch, 2 * batch, 2500UL}) {
    ASSERT_TRUE(rig.tick());
    rig.settle();
    EXPECT_EQ(fired(rig, run_number(1)), expected);
  }
  EXPECT_EQ(rig.result("w"), "2500");
}

TEST(Timer, MoreThanFitInMemoryAllFireThoughLaterOnesHaveFiredBefore) {
  partition_rig rig(test_workflows());
  rig.start("early", "naps", "1");
  rig.settle();
  rig.start("w", "many_naps", "10500");  // due now
  rig.pump();
  ASSERT_TRUE(rig.commit_pending());
  rig.advance(2s);
  ASSERT_TRUE(rig.tick());  // early's timer, which was due after them, fires before they are durable
  rig.settle();
  ASSERT_EQ(rig.result("early"), "1");
  for (int i = 0; i < 50 && rig.status("w") == messages::RUNNING && rig.tick(); ++i) rig.settle();
  EXPECT_EQ(rig.result("w"), "10500");
  rig.check_journals();
}

}  // namespace
}  // namespace evermill::actors
