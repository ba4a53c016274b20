// What the retry policy says: which failures are tried again, and when.
#include <set>

#include "asked.hpp"

namespace evermill::actors {
namespace {

using namespace std::chrono_literals;
using testing::SizeIs;

class Retry : public Asked {
 protected:
  /// From the failure of the last attempt to the next one.
  std::chrono::microseconds wait_after_failure() {
    const timestamp failed_at = rig.now();
    const std::size_t before = rig.tasks.size();
    fail(last(), "Busy");
    tick_until_dispatched(before + 1);
    return rig.now() - failed_at;
  }
};

TEST_F(Retry, IntervalsGrowUpToTheLongest) {
  start({.retry = {.initial_interval = 100ms, .backoff_coefficient = 3, .max_interval = 1s}});
  EXPECT_EQ(wait_after_failure(), 100ms);
  EXPECT_EQ(wait_after_failure(), 300ms);
  EXPECT_EQ(wait_after_failure(), 900ms);
  EXPECT_EQ(wait_after_failure(), 1s);
}

TEST_F(Retry, JitterShortensTheWaitByAPartOfIt) {
  start({.retry = {.initial_interval = 100s, .backoff_coefficient = 1, .jitter = 0.25}});
  std::set<std::int64_t> waits;
  for (int i = 0; i < 20; ++i) {
    rig.skip_random();
    const auto waited = wait_after_failure();
    EXPECT_GE(waited, 75s);
    EXPECT_LE(waited, 100s);
    waits.insert(waited.count());
  }
  EXPECT_GT(waits.size(), 10U);
}

TEST_F(Retry, TheDrawnTimeIsKeptOverARestart) {
  start({.retry = {.initial_interval = 100s, .jitter = 1}});
  rig.skip_random();
  const timestamp failed_at = rig.now();
  fail(last(), "Busy");
  const timestamp due = from_micros(rig.open_activity("w").not_before_us());
  EXPECT_GT(due, failed_at);
  EXPECT_LT(due, failed_at + 100s);
  rig.skip_random();
  restart();
  tick_until_dispatched(2);
  EXPECT_EQ(rig.now(), due);
}

TEST_F(Retry, AnAttemptKnowsFromWhichOneOnNobodySawTheEnd) {
  start({.retry = {.initial_interval = 1s}});
  EXPECT_EQ(last().lost_from(), 0U);
  fail(last(), "Busy");
  tick_until_dispatched(2);
  EXPECT_EQ(last().lost_from(), 0U) << "the first attempt has ended";
  restart();
  tick_until_dispatched(3);
  EXPECT_EQ(last().attempt(), 3U);
  EXPECT_EQ(last().lost_from(), 2U);
  restart();
  tick_until_dispatched(4);
  EXPECT_EQ(last().lost_from(), 2U) << "the second one may still go on";
  time_out(last(), messages::Failure::START_TO_CLOSE);
  tick_until_dispatched(5);
  EXPECT_EQ(last().lost_from(), 0U) << "its backend has ended it";
}

TEST_F(Retry, ABackendMaySayThatAnAttemptGoesOn) {
  start({.retry = {.initial_interval = 1s}});
  messages::DecisionEvent event = about(last());
  fill(*event.mutable_activity_attempt_closed()->mutable_failed(), last());
  event.mutable_activity_attempt_closed()->mutable_failed()->mutable_failure()->set_goes_on(true);
  publish(event);
  restart();  // while it waits for its time
  tick_until_dispatched(2);
  EXPECT_EQ(last().lost_from(), 1U);
  fail(last(), "Busy");
  restart();
  tick_until_dispatched(3);
  EXPECT_EQ(last().lost_from(), 0U);
}

TEST_F(Retry, WhatGoesOnIsLookedForWhateverErrorsEndTheActivity) {
  start({.retry = {.initial_interval = 1s, .non_retryable = {"*"}}});
  messages::DecisionEvent event = about(last());
  fill(*event.mutable_activity_attempt_closed()->mutable_failed(), last());
  event.mutable_activity_attempt_closed()->mutable_failed()->mutable_failure()->set_goes_on(true);
  publish(event);
  tick_until_dispatched(2);
  EXPECT_EQ(last().lost_from(), 1U);
  fail(last(), "Busy");
  EXPECT_EQ(rig.status("w"), messages::FAILED);
}

TEST_F(Retry, AnErrorOfATypeThatIsNamedEndsTheActivity) {
  start({.retry = {.non_retryable = {"Fraud", "CardDeclined"}}});
  fail(last(), "Busy");
  tick_until_dispatched(2);
  fail(last(), "CardDeclined");
  EXPECT_EQ(rig.status("w"), messages::FAILED);
  EXPECT_EQ(failure().type(), "CardDeclined");
  EXPECT_EQ(rig.rows(storage::family::open_work), 0U);
}

TEST_F(Retry, OfNothingButWhatWasLost) {
  start({.retry = {.non_retryable = {"*"}}});
  restart();
  tick_until_dispatched(2);  // the first attempt was lost with its process
  fail(last(), "Busy");
  EXPECT_EQ(rig.status("w"), messages::FAILED);
  EXPECT_EQ(failure().type(), "Busy");
}

TEST_F(Retry, AnAttemptMayAskForItsNextDelay) {
  start({.retry = {.initial_interval = 1s, .max_interval = 2s}});
  const timestamp failed_at = rig.now();
  fail(last(), "Busy", 3'600'000'000);
  tick_until_dispatched(2);
  EXPECT_EQ(rig.now() - failed_at, 1h);
  fail(last(), "Busy", 0);
  tick_until_dispatched(3);
  EXPECT_EQ(rig.now() - failed_at, 1h) << "at once";
  fail(last(), "Busy");
  tick_until_dispatched(4);
  EXPECT_EQ(rig.now() - failed_at, 1h + 2s) << "the policy's third interval would be 4 s";
}

TEST_F(Retry, ALostAttemptHasNoDelay) {
  start({.retry = {.initial_interval = 1h}});
  const timestamp before = rig.now();
  restart();
  tick_until_dispatched(2);
  EXPECT_EQ(rig.now(), before);
}

}  // namespace
}  // namespace evermill::actors
