// Heartbeats at the partition, and attempts that are completed from elsewhere.
#include "asked.hpp"

namespace evermill::actors {
namespace {

using namespace std::chrono_literals;
using kind = messages::Failure;
using outcome = answer::outcome;
using testing::IsEmpty;
using testing::SizeIs;

class Heartbeat : public Asked {};

TEST_F(Heartbeat, ItsDetailsAreThereForTheNextAttempt) {
  start({.retry = {.initial_interval = 1s}, .heartbeat = 10s});
  EXPECT_FALSE(last().has_heartbeat_details());
  beat(last(), "40");
  EXPECT_EQ(rig.open_activity("w").heartbeat_details().data(), "40");
  fail(last(), "Busy");
  tick_until_dispatched(2);
  EXPECT_EQ(last().heartbeat_details().data(), "40");
}

TEST_F(Heartbeat, ItsDetailsOutliveTheProcess) {
  start({.heartbeat = 10s});
  beat(last(), "40");
  restart();
  tick_until_dispatched(2);
  EXPECT_EQ(last().heartbeat_details().data(), "40");
  restart();
  tick_until_dispatched(3);
  EXPECT_EQ(last().heartbeat_details().data(), "40") << "the second attempt said nothing newer";
}

TEST_F(Heartbeat, WhatTheEndOfAnAttemptBringsIsNewer) {
  start({.retry = {.initial_interval = 1s}, .heartbeat = 10s});
  beat(last(), "40");
  fail(last(), "Busy", {}, "50");
  tick_until_dispatched(2);
  EXPECT_EQ(last().heartbeat_details().data(), "50");
  time_out(last(), kind::HEARTBEAT, "60");
  tick_until_dispatched(3);
  EXPECT_EQ(last().heartbeat_details().data(), "60");
}

TEST_F(Heartbeat, WithoutDetailsNothingIsWritten) {
  start({.heartbeat = 10s});
  const std::uint64_t before = rig.commits();
  beat(last(), "");
  EXPECT_EQ(rig.commits(), before);
}

TEST_F(Heartbeat, OfAnAttemptThatIsNotCurrentIsAnsweredWithStop) {
  start({.retry = {.initial_interval = 1s}});
  const messages::ActivityTask first = last();
  fail(first, "Busy");
  beat(first, "40", 7);
  ASSERT_THAT(rig.cancellations, SizeIs(1));
  EXPECT_EQ(rig.cancellations[0].id, tasks::dispatch_id_of(first));
  EXPECT_EQ(rig.answers.at(7).what, outcome::not_found);
  tick_until_dispatched(2);
  EXPECT_FALSE(last().has_heartbeat_details());
}

class Asynchronous : public Asked {
 protected:
  void start_later(const activity_options& options, const std::string& type = "asks_as_told") {
    start(options, type);
    complete_later(last());
  }
};

TEST_F(Asynchronous, ItIsNotLostWithTheProcess) {
  start_later({.start_to_close = 1h, .retry = {.max_attempts = 1}});
  const messages::ActivityTask task = last();
  restart();
  restart();
  EXPECT_THAT(rig.tasks, SizeIs(1));
  complete(task, "6", 3);
  EXPECT_EQ(rig.answers.at(3).what, outcome::accepted);
  EXPECT_EQ(rig.result("w"), "6");
  const auto turns = rig.journal(run_number(1));
  EXPECT_GT(turns.back().record.events(0).activity_task_completed().attempt().started_us(), 0);
  EXPECT_EQ(rig.rows(storage::family::open_work), 0U);
  complete(task, "7", 4);
  EXPECT_EQ(rig.answers.at(4).what, outcome::not_found);
}

TEST_F(Asynchronous, ItMayBeCompletedBeforeItsFunctionHasReturned) {
  start({.start_to_close = 1h});
  complete(last(), "6", 3);
  EXPECT_EQ(rig.answers.at(3).what, outcome::accepted);
  complete_later(last());
  EXPECT_EQ(rig.result("w"), "6");
  EXPECT_EQ(rig.subject().statistics().late_results, 0U);
}

TEST_F(Asynchronous, StartToCloseIsCountedFromItsStartOverRestarts) {
  start_later({.start_to_close = 60s, .retry = {.max_attempts = 1}});
  rig.advance(40s);
  restart();
  rig.advance(19s);
  while (rig.next_tick() && *rig.next_tick() <= rig.now()) rig.tick();
  rig.settle();
  EXPECT_EQ(rig.status("w"), messages::RUNNING);
  rig.advance(1s);
  while (rig.next_tick() && *rig.next_tick() <= rig.now()) rig.tick();
  rig.settle();
  EXPECT_EQ(rig.status("w"), messages::FAILED);
  EXPECT_EQ(failure().kind(), kind::START_TO_CLOSE);
  EXPECT_GT(rig.journal(run_number(1)).back().record.events(0).activity_task_timed_out().attempt().started_us(), 0);
}

TEST_F(Asynchronous, AHeartbeatSetsItsTimeoutAnewAndARestartDoes) {
  start_later({.retry = {.initial_interval = 1s}, .heartbeat = 10s});
  const messages::ActivityTask task = last();
  rig.advance(9s);
  beat(task, "1", 3);
  EXPECT_EQ(rig.answers.at(3).what, outcome::accepted);
  rig.advance(9s);
  restart();
  rig.advance(9s);
  while (rig.next_tick() && *rig.next_tick() <= rig.now()) rig.tick();
  rig.settle();
  EXPECT_THAT(rig.tasks, SizeIs(1));
  tick_until_dispatched(2);
  EXPECT_EQ(last().attempt(), 2U) << "the heartbeat timeout is tried again";
  EXPECT_EQ(last().heartbeat_details().data(), "1");
  beat(task, "2", 4);
  EXPECT_EQ(rig.answers.at(4).what, outcome::not_found);
}

TEST_F(Asynchronous, TimeoutsInARowAreToldAsOne) {
  start_later({.start_to_close = 1s, .retry = {.initial_interval = 1s, .backoff_coefficient = 1}});
  for (std::size_t attempt = 2; attempt < 150; ++attempt) {
    tick_until_dispatched(attempt);
    complete_later(last());
  }
  const messages::Failure why = rig.open_activity("w").last_failure();  // each cause of a cause is one more level to read
  EXPECT_EQ(why.kind(), kind::START_TO_CLOSE);
  EXPECT_FALSE(why.cause().has_cause());
  restart();
  complete(last(), "6");
  EXPECT_EQ(rig.result("w"), "6");
}

TEST_F(Asynchronous, HeartbeatsAreWrittenOnceInAWhile) {
  start_later({.heartbeat = 10s});
  rig.advance(8s);
  beat(last(), "1");
  const std::uint64_t before = rig.commits();
  for (int i = 2; i < 9; ++i) {
    rig.advance(1s);
    beat(last(), std::to_string(i), static_cast<std::uint64_t>(i));
    EXPECT_EQ(rig.answers.at(static_cast<std::uint64_t>(i)).what, outcome::accepted);
  }
  EXPECT_EQ(rig.commits(), before);
  EXPECT_EQ(rig.open_activity("w").heartbeat_details().data(), "1");
  for (const timestamp until = rig.now() + 1s; rig.next_tick() && *rig.next_tick() <= until;) {
    rig.tick();
    rig.settle();
  }
  EXPECT_EQ(rig.commits(), before + 1);
  EXPECT_EQ(rig.open_activity("w").heartbeat_details().data(), "8");
}

TEST_F(Asynchronous, ACleanStopWritesWhatWasSaid) {
  start_later({.heartbeat = 10s});
  beat(last(), "1");
  beat(last(), "2");
  EXPECT_EQ(rig.open_activity("w").heartbeat_details().data(), "1");
  rig.subject().drain();
  rig.settle();
  EXPECT_EQ(rig.open_activity("w").heartbeat_details().data(), "2");
}

TEST_F(Asynchronous, AFailureIsTriedAgainUnderANewToken) {
  start_later({.start_to_close = 1h, .retry = {.initial_interval = 1s}});
  const messages::ActivityTask first = last();
  fail(first, "Busy");
  tick_until_dispatched(2);
  EXPECT_NE(tasks::dispatch_id_of(last()), tasks::dispatch_id_of(first));
  restart();
  tick_until_dispatched(3);
  EXPECT_EQ(last().attempt(), 3U) << "the second attempt was not completed from elsewhere: it is lost";
}

TEST_F(Asynchronous, CancelingItsWorkflowMakesItsTokenOld) {
  start_later({.start_to_close = 1h});
  rig.cancel("w");
  rig.settle();
  beat(last(), "1", 3);
  EXPECT_EQ(rig.answers.at(3).what, outcome::not_found);
  EXPECT_EQ(rig.status("w"), messages::CANCELED);
}

TEST_F(Asynchronous, ACancellationThatIsWaitedForIsToldByTheHeartbeat) {
  start_later({.start_to_close = 1h, .cancellation = activity_cancellation::wait_cancellation_completed},
              "asks_until_told");
  beat(last(), "1", 3);
  EXPECT_FALSE(rig.answers.at(3).cancel_requested);
  rig.signal("w", "number", "1");
  rig.settle();
  restart();
  beat(last(), "2", 4);
  EXPECT_TRUE(rig.answers.at(4).cancel_requested);
  cancel_attempt(last());
  EXPECT_EQ(rig.result("w"), "-1");
}

}  // namespace
}  // namespace evermill::actors
