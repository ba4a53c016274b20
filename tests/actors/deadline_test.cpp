// Limits of an activity that the partition enforces: alone, together, and over restarts.
#include <algorithm>

#include "asked.hpp"

namespace evermill::actors {
namespace {

using namespace std::chrono_literals;
using kind = messages::Failure;
using cancellation = attempt_cancellation::kind;
using testing::IsEmpty;
using testing::SizeIs;

class Deadline : public Asked {
 protected:
  /// Rings everything that is due until then.
  void pass(std::chrono::microseconds time) {
    const timestamp until = rig.now() + time;
    while (rig.next_tick() && *rig.next_tick() <= until) {
      rig.tick();
      rig.settle();
    }
    rig.advance(until - rig.now());
  }
  std::size_t told(cancellation how) const {
    return static_cast<std::size_t>(std::count_if(rig.cancellations.begin(), rig.cancellations.end(),
                                                  [&](const attempt_cancellation& each) { return each.how == how; }));
  }
};

TEST_F(Deadline, ScheduleToCloseEndsARunningActivityAndStopsItsAttempt) {
  start({.schedule_to_close = 10s});
  pass(9999ms);
  EXPECT_EQ(rig.status("w"), messages::RUNNING);
  pass(1ms);
  EXPECT_EQ(rig.status("w"), messages::FAILED);
  EXPECT_EQ(closed_by(), "activity_task_timed_out");
  EXPECT_EQ(failure().kind(), kind::SCHEDULE_TO_CLOSE);
  EXPECT_EQ(failure().type(), "ScheduleToCloseTimeout");
  ASSERT_THAT(rig.cancellations, SizeIs(1));
  EXPECT_EQ(rig.cancellations[0].id, tasks::dispatch_id_of(last()));
  complete(last(), "6");
  EXPECT_EQ(rig.subject().statistics().late_results, 1U);
  rig.check_journals();
}

TEST_F(Deadline, ScheduleToCloseIsNotJournaledBeforeItsTime) {
  start({.schedule_to_close = 10s});
  const timestamp limit = rig.now() + 10s;
  rig.tick();
  ASSERT_EQ(rig.now(), limit);
  rig.advance(-5s);  // the clock is set back before the event is handled
  rig.settle();
  EXPECT_EQ(failure().kind(), kind::SCHEDULE_TO_CLOSE);
  EXPECT_EQ(from_micros(rig.journal(run_number(1)).back().record.time_us()), limit);
}

TEST_F(Deadline, ScheduleToCloseThatWasParkedIsNotJournaledBeforeItsTime) {
  start({.schedule_to_close = 10s});
  const timestamp limit = rig.now() + 10s;
  rig.restart_with(no_workflows());
  rig.settle();
  pass(10s);
  ASSERT_EQ(rig.header("w")->blocked().reason(), messages::Blocked::UNSERVED);
  ASSERT_EQ(rig.rows(storage::family::inbox), 1U);
  rig.advance(-5s);
  rig.restart_with(test_workflows());
  rig.settle();
  EXPECT_EQ(failure().kind(), kind::SCHEDULE_TO_CLOSE);
  EXPECT_EQ(from_micros(rig.journal(run_number(1)).back().record.time_us()), limit);
}

TEST_F(Deadline, ScheduleToCloseCoversAllAttemptsAndTheWaitsBetweenThem) {
  start({.retry = {.initial_interval = 4s, .backoff_coefficient = 1}, .schedule_to_close = 10s});
  pass(3s);
  fail(last(), "Busy");
  tick_until_dispatched(2);
  pass(3s);
  EXPECT_EQ(rig.status("w"), messages::FAILED) << "7 s + 3 s";
  EXPECT_EQ(failure().kind(), kind::SCHEDULE_TO_CLOSE);
  EXPECT_EQ(failure().cause().type(), "Busy");
}

TEST_F(Deadline, NoAttemptFollowsThatCouldNotBeginBeforeScheduleToClose) {
  start({.retry = {.initial_interval = 4s, .backoff_coefficient = 1}, .schedule_to_close = 10s});
  pass(6s);
  fail(last(), "Busy");
  EXPECT_EQ(rig.status("w"), messages::FAILED);
  EXPECT_EQ(failure().type(), "Busy");
  EXPECT_THAT(rig.tasks, SizeIs(1));
}

TEST_F(Deadline, ScheduleToCloseIsCountedFromTheCallOverRestarts) {
  start({.schedule_to_close = 10s});
  pass(6s);
  restart();
  tick_until_dispatched(2);
  restart();
  tick_until_dispatched(3);
  pass(3999ms);
  EXPECT_EQ(rig.status("w"), messages::RUNNING);
  pass(1ms);
  EXPECT_EQ(failure().kind(), kind::SCHEDULE_TO_CLOSE);
  EXPECT_EQ(rig.status("w"), messages::FAILED);
  rig.check_journals();
}

TEST_F(Deadline, ScheduleToCloseThatPassedWhileNothingRanIsToldOnce) {
  start({.schedule_to_close = 10s});
  rig.advance(1h);
  restart();
  pass(1s);
  EXPECT_EQ(rig.status("w"), messages::FAILED);
  EXPECT_EQ(failure().kind(), kind::SCHEDULE_TO_CLOSE);
  EXPECT_THAT(rig.tasks, SizeIs(1));
  rig.check_journals();
}

TEST_F(Deadline, NothingIsDueOnceTheActivityHasEnded) {
  start({.schedule_to_start = 5s, .schedule_to_close = 10s});
  complete(last(), "6");
  EXPECT_EQ(rig.result("w"), "6");
  pass(1h);
  EXPECT_THAT(rig.cancellations, IsEmpty());
  EXPECT_EQ(rig.subject().statistics().late_results, 0U);
}

TEST_F(Deadline, IsNotSetBeforeItsActivityIsDurable) {
  ask_options = {.schedule_to_close = 1s};
  rig.start("w", "asks_as_told", "5");
  rig.pump();
  ASSERT_TRUE(rig.commit_pending());
  rig.advance(2s);
  while (rig.tick() && rig.next_tick() && *rig.next_tick() <= rig.now()) {
  }
  EXPECT_EQ(rig.published(), 1U) << "nothing but the start";
  rig.settle();
  pass(1s);
  EXPECT_EQ(failure().kind(), kind::SCHEDULE_TO_CLOSE);
}

TEST_F(Deadline, AtScheduleToStartTheBackendIsAskedWhetherTheAttemptHasStarted) {
  start({.schedule_to_start = 5s});
  pass(4999ms);
  EXPECT_THAT(rig.cancellations, IsEmpty());
  pass(1ms);
  ASSERT_EQ(told(cancellation::expire), 1U);
  EXPECT_EQ(rig.cancellations[0].id, tasks::dispatch_id_of(last()));
  EXPECT_EQ(rig.status("w"), messages::RUNNING) << "it alone knows";
  pass(1h);
  EXPECT_EQ(told(cancellation::expire), 1U) << "once";
  time_out(last(), kind::SCHEDULE_TO_START);
  EXPECT_EQ(rig.status("w"), messages::FAILED) << "it is not tried again";
  EXPECT_EQ(failure().kind(), kind::SCHEDULE_TO_START);
}

TEST_F(Deadline, ScheduleToStartIsCountedAnewForEachAttempt) {
  start({.retry = {.initial_interval = 60s}, .schedule_to_start = 5s});
  pass(2s);
  fail(last(), "Busy");
  pass(59s);
  EXPECT_EQ(told(cancellation::expire), 0U);
  pass(1s);
  ASSERT_THAT(rig.tasks, SizeIs(2));
  pass(4999ms);
  EXPECT_EQ(told(cancellation::expire), 0U);
  pass(1ms);
  ASSERT_EQ(told(cancellation::expire), 1U);
  EXPECT_EQ(rig.cancellations[0].id.attempt, 2U);
}

TEST_F(Deadline, AnAttemptOfAQueueThatIsNotServedWaitsAndCostsNothingInRestarts) {
  rig.unserved_queue = "gpu";
  start({.retry = {.max_attempts = 1}, .schedule_to_start = 60s, .task_queue = "gpu"});
  EXPECT_THAT(rig.tasks, IsEmpty());
  restart();
  EXPECT_THAT(rig.tasks, IsEmpty());
  rig.unserved_queue.clear();
  restart();
  tick_until_dispatched(1);
  EXPECT_EQ(last().attempt(), 1U);
  EXPECT_EQ(last().dispatch_boot(), rig.boot());
  complete(last(), "6");
  EXPECT_EQ(rig.result("w"), "6");
}

TEST_F(Deadline, AnAttemptOfAVersionThatIsMissingWaitsAndCostsNothingInRestarts) {
  rig.missing_version = "2";
  start({.retry = {.max_attempts = 1}, .version = "2"});
  EXPECT_THAT(rig.tasks, IsEmpty());
  restart();
  EXPECT_THAT(rig.tasks, IsEmpty());
  rig.missing_version.clear();
  restart();
  tick_until_dispatched(1);
  EXPECT_EQ(last().attempt(), 1U);
  EXPECT_EQ(last().options().version(), "2");
  complete(last(), "6");
  EXPECT_EQ(rig.result("w"), "6");
}

TEST_F(Deadline, ARetryWaitsForTheVersionThatIsGone) {
  start({.version = "1"});
  ASSERT_THAT(rig.tasks, SizeIs(1));
  rig.missing_version = "1";
  restart();
  EXPECT_THAT(rig.tasks, SizeIs(1)) << "the attempt is lost, and nothing here can run another one";
  rig.missing_version.clear();
  restart();
  tick_until_dispatched(2);
  EXPECT_EQ(last().attempt(), 2U);
  complete(last(), "6");
  EXPECT_EQ(rig.result("w"), "6");
}

TEST_F(Deadline, ScheduleToStartEndsWhatNobodyServes) {
  rig.unserved_queue = "gpu";
  start({.schedule_to_start = 60s, .task_queue = "gpu"});
  pass(30s);
  restart();
  pass(29s);
  EXPECT_EQ(rig.status("w"), messages::RUNNING);
  pass(1s);
  EXPECT_EQ(rig.status("w"), messages::FAILED);
  EXPECT_EQ(failure().kind(), kind::SCHEDULE_TO_START);
  EXPECT_THAT(rig.tasks, IsEmpty());
}

TEST_F(Deadline, StartToCloseAndHeartbeatAreTriedAgain) {
  start({.retry = {.initial_interval = 1s, .backoff_coefficient = 1}});
  time_out(last(), kind::START_TO_CLOSE);
  tick_until_dispatched(2);
  time_out(last(), kind::HEARTBEAT);
  tick_until_dispatched(3);
  complete(last(), "6");
  EXPECT_EQ(rig.result("w"), "6");
}

TEST_F(Deadline, NoneIsToldWhileThePartitionDrains) {
  start({.schedule_to_close = 10s});
  rig.subject().drain();
  rig.settle();
  pass(1h);
  EXPECT_EQ(rig.status("w"), messages::RUNNING);
  restart();
  pass(1s);
  EXPECT_EQ(rig.status("w"), messages::FAILED);
}

}  // namespace
}  // namespace evermill::actors
