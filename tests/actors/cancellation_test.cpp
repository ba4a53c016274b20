// What canceling an activity means, as its options say.
#include "asked.hpp"

namespace evermill::actors {
namespace {

using namespace std::chrono_literals;
using how = attempt_cancellation::kind;
using testing::Contains;
using testing::IsEmpty;
using testing::SizeIs;

class Cancellation : public Asked {
 protected:
  void start_and_cancel(activity_cancellation type, retry_policy retry = {}) {
    start({.retry = retry, .cancellation = type}, "asks_until_told");
    cancel();
  }
  void cancel() {
    rig.signal("w", "number", "1");
    rig.settle();
  }
  void expect_told(how what) {
    ASSERT_THAT(rig.cancellations, SizeIs(1));
    EXPECT_EQ(rig.cancellations[0].how, what);
    EXPECT_EQ(rig.cancellations[0].id, tasks::dispatch_id_of(last()));
  }
};

TEST_F(Cancellation, TryDoesNotWaitForTheEnd) {
  start_and_cancel(activity_cancellation::try_cancel);
  expect_told(how::cancel);
  EXPECT_EQ(rig.result("w"), "-1");
}

TEST_F(Cancellation, WaitGivesWhatTheAttemptEndsWith) {
  start_and_cancel(activity_cancellation::wait_cancellation_completed);
  expect_told(how::request_stop);
  EXPECT_EQ(rig.status("w"), messages::RUNNING);
  complete(last(), "6");
  EXPECT_EQ(rig.result("w"), "6");
  EXPECT_EQ(rig.rows(storage::family::open_work), 0U);
}

TEST_F(Cancellation, WaitTriesNothingAgain) {
  start_and_cancel(activity_cancellation::wait_cancellation_completed);
  fail(last(), "Busy");
  EXPECT_EQ(rig.result("w"), "-2");
  EXPECT_THAT(rig.tasks, SizeIs(1));
}

TEST_F(Cancellation, WaitGivesCanceledErrorForACanceledAttempt) {
  start_and_cancel(activity_cancellation::wait_cancellation_completed);
  cancel_attempt(last());
  EXPECT_EQ(rig.result("w"), "-1");
}

TEST_F(Cancellation, WaitEndsWithTheProcessThatRanTheAttempt) {
  start_and_cancel(activity_cancellation::wait_cancellation_completed);
  restart();
  EXPECT_EQ(rig.result("w"), "-1");
  EXPECT_THAT(rig.tasks, SizeIs(1));
  rig.check_journals();
}

TEST_F(Cancellation, WaitHasNothingToWaitForBetweenTwoAttempts) {
  start({.retry = {.initial_interval = 1h}, .cancellation = activity_cancellation::wait_cancellation_completed},
        "asks_until_told");
  fail(last(), "Busy");
  cancel();
  EXPECT_EQ(rig.result("w"), "-1");
  while (rig.tick()) rig.settle();
  EXPECT_THAT(rig.tasks, SizeIs(1));
}

TEST_F(Cancellation, WaitIsWaitedForByACancelRequestOfTheWholeExecution) {
  start({.cancellation = activity_cancellation::wait_cancellation_completed});
  rig.cancel("w");
  rig.settle();
  EXPECT_EQ(rig.status("w"), messages::RUNNING);
  cancel_attempt(last());
  EXPECT_EQ(rig.status("w"), messages::CANCELED);
}

TEST_F(Cancellation, AbandonLeavesTheAttemptAlone) {
  start({.cancellation = activity_cancellation::abandon}, "asks_until_told");
  cancel();
  EXPECT_EQ(rig.result("w"), "-1");
  EXPECT_THAT(rig.cancellations, IsEmpty());
}

TEST_F(Cancellation, AnAbandonedAttemptsEndIsJournaledAndIgnored) {
  start({.cancellation = activity_cancellation::abandon}, "abandons_then_reads");
  cancel();
  fail(last(), "Busy");
  tick_until_dispatched(2);
  complete(last(), "6");
  EXPECT_THAT(rig.events(run_number(1)), Contains("ActivityTaskCompleted"));
  EXPECT_EQ(rig.status("w"), messages::RUNNING);
  restart();
  cancel();
  EXPECT_EQ(rig.result("w"), "1");
  EXPECT_THAT(rig.tasks, SizeIs(2));
  rig.check_journals();
}

}  // namespace
}  // namespace evermill::actors
