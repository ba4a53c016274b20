// What a partition keeps in memory about positions and open commands, as plain values.
#include <gmock/gmock.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "actors/position_tracker.hpp"
#include "actors/run.hpp"

namespace evermill::actors {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(PositionTracker, InOrderOnlyTheLowWaterMoves) {
  position_tracker tracker;
  for (std::uint64_t at = 1; at <= 5; ++at) tracker.add(at);
  EXPECT_EQ(tracker.low(), 5U);
  EXPECT_THAT(tracker.ranges(), IsEmpty());
  EXPECT_TRUE(tracker.contains(5));
  EXPECT_FALSE(tracker.contains(6));
}

TEST(PositionTracker, HoldsWhatASetWouldHold) {
  std::mt19937 random(11);
  for (int round = 0; round < 2'000; ++round) {
    position_tracker tracker;
    std::set<std::uint64_t> model;
    for (int n = 0; n < 12; ++n) {
      const std::uint64_t first = 1 + random() % 30;
      const std::uint64_t last = first + random() % 6;
      if (random() % 2 == 0) {
        tracker.add(first);
        model.insert(first);
      } else {
        tracker.add(first, last);
        for (std::uint64_t at = first; at <= last; ++at) model.insert(at);
      }
      for (std::uint64_t at = 1; at < 40; ++at) ASSERT_EQ(tracker.contains(at), model.contains(at)) << at;
      EXPECT_FALSE(model.contains(tracker.low() + 1)) << "the low water is as high as it can be";
    }
  }
}

TEST(PositionTracker, TakesRangesAsItTakesTheirPositions) {
  std::mt19937 random(7);
  for (int round = 0; round < 2'000; ++round) {
    position_tracker ranges;
    position_tracker single;
    for (int n = 0; n < 12; ++n) {
      const std::uint64_t first = 1 + random() % 30;
      const std::uint64_t last = first + random() % 6;
      ranges.add(first, last);
      for (std::uint64_t at = first; at <= last; ++at) single.add(at);
      ASSERT_EQ(ranges.low(), single.low());
      ASSERT_EQ(ranges.ranges(), single.ranges());
    }
  }
}

TEST(PositionTracker, GapsBecomeRangesThatGrowAndJoin) {
  position_tracker tracker;
  tracker.add(3);
  tracker.add(5);
  EXPECT_THAT(tracker.ranges(), ElementsAre(Pair(3, 3), Pair(5, 5)));
  tracker.add(4);
  EXPECT_THAT(tracker.ranges(), ElementsAre(Pair(3, 5)));
  tracker.add(2);
  EXPECT_THAT(tracker.ranges(), ElementsAre(Pair(2, 5)));
  EXPECT_FALSE(tracker.contains(1));
  tracker.add(1);
  EXPECT_EQ(tracker.low(), 5U);
  EXPECT_THAT(tracker.ranges(), IsEmpty());
}

TEST(PositionTracker, RepeatsChangeNothing) {
  position_tracker tracker;
  tracker.add(1);
  tracker.add(3);
  tracker.add(3);
  tracker.add(1);
  EXPECT_EQ(tracker.low(), 1U);
  EXPECT_THAT(tracker.ranges(), ElementsAre(Pair(3, 3)));
}

TEST(PositionTracker, WhatIsStoredIsRestored) {
  position_tracker tracker(7, {9, 10, 12, 12});
  for (const std::uint64_t at : {1, 7, 9, 10, 12}) EXPECT_TRUE(tracker.contains(at)) << at;
  for (const std::uint64_t at : {8, 11, 13}) EXPECT_FALSE(tracker.contains(at)) << at;
  tracker.add(8);
  EXPECT_EQ(tracker.low(), 10U);
  EXPECT_THAT(tracker.ranges(), ElementsAre(Pair(12, 12)));
}

TEST(PositionTracker, AnyOrderEndsTheSame) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::vector<std::uint64_t> order(40);
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i + 1;
    std::shuffle(order.begin(), order.end(), std::mt19937(seed));
    position_tracker tracker;
    for (std::size_t i = 0; i < order.size(); ++i) {
      tracker.add(order[i]);
      for (std::size_t k = 0; k < order.size(); ++k) ASSERT_EQ(tracker.contains(order[k]), k <= i) << "seed " << seed;
    }
    EXPECT_EQ(tracker.low(), 40U);
    EXPECT_THAT(tracker.ranges(), IsEmpty());
  }
}

class OpenCommands : public testing::Test {
 protected:
  void apply(messages::Event event) { open_.apply(event_seq(++seq_), event_seq(1), {}, event); }
  messages::Event event_;
  open_commands open_;
  std::uint64_t seq_ = 0;
};

TEST_F(OpenCommands, EachKindOpensAndEachOfItsEndsCloses) {
  const auto expect_closed_by = [&](messages::Event opened, messages::Event closed, auto size) {
    apply(std::move(opened));
    EXPECT_EQ(size(), 1U);
    apply(closed);
    EXPECT_EQ(size(), 0U) << closed.ShortDebugString();
  };
  const auto number = [&] { return seq_ + 1; };
  const auto event = [](auto&& set) {
    messages::Event made;
    set(made);
    return made;
  };
  using E = messages::Event;
  const E activity = event([](E& e) { e.mutable_activity_task_scheduled()->set_dispatch_boot(3); });
  const E timer = event([](E& e) { e.mutable_timer_started()->set_fire_at_us(5); });
  const E step = event([](E& e) { e.mutable_step_scheduled(); });
  const E child = event([](E& e) { e.mutable_start_child_workflow_execution_initiated()->set_workflow_id("c"); });
  const auto activities = [&] { return open_.activities.size(); };
  const auto timers = [&] { return open_.timers.size(); };
  const auto steps = [&] { return open_.steps.size(); };
  const auto children = [&] { return open_.children.size(); };
  expect_closed_by(activity, event([&](E& e) { e.mutable_activity_task_completed()->set_scheduled_seq(number()); }), activities);
  expect_closed_by(activity, event([&](E& e) { e.mutable_activity_task_failed()->set_scheduled_seq(number()); }), activities);
  expect_closed_by(activity, event([&](E& e) { e.mutable_activity_task_timed_out()->set_scheduled_seq(number()); }), activities);
  expect_closed_by(activity, event([&](E& e) { e.mutable_activity_task_canceled()->set_scheduled_seq(number()); }), activities);
  expect_closed_by(activity, event([&](E& e) { e.mutable_activity_task_cancel_requested()->set_scheduled_seq(number()); }), activities);
  expect_closed_by(timer, event([&](E& e) { e.mutable_timer_fired()->set_started_seq(number()); }), timers);
  expect_closed_by(timer, event([&](E& e) { e.mutable_timer_canceled()->set_started_seq(number()); }), timers);
  expect_closed_by(step, event([&](E& e) { e.mutable_marker_recorded()->set_scheduled_seq(number()); }), steps);
  expect_closed_by(child, event([&](E& e) { e.mutable_child_workflow_execution_completed()->set_initiated_seq(number()); }), children);
  expect_closed_by(child, event([&](E& e) { e.mutable_child_workflow_execution_failed()->set_initiated_seq(number()); }), children);
  expect_closed_by(child, event([&](E& e) { e.mutable_child_workflow_execution_canceled()->set_initiated_seq(number()); }), children);
  expect_closed_by(child, event([&](E& e) { e.mutable_child_workflow_execution_terminated()->set_initiated_seq(number()); }), children);
  expect_closed_by(child, event([&](E& e) { e.mutable_child_workflow_execution_timed_out()->set_initiated_seq(number()); }), children);
  expect_closed_by(child, event([&](E& e) { e.mutable_start_child_workflow_execution_failed()->set_initiated_seq(number()); }), children);
}

TEST_F(OpenCommands, AttemptsAreTakenOverButNotWhatTheJournalSays) {
  event_.mutable_activity_task_scheduled()->mutable_options()->set_schedule_to_close_us(7);
  open_.apply(event_seq(2), event_seq(1), from_micros(1'000), event_);
  open_commands known;
  known.activities[event_seq(2)].attempt = 3;  // as its row says, which tells no time of scheduling
  known.activities[event_seq(9)].attempt = 4;  // not open any more
  open_.take_attempts(known);
  ASSERT_EQ(open_.activities.size(), 1U);
  EXPECT_EQ(open_.activities.at(event_seq(2)).attempt, 3U);
  EXPECT_EQ(open_.activities.at(event_seq(2)).close_by, from_micros(1'007));
}

TEST_F(OpenCommands, AScheduleEventTellsBootAndTurn) {
  messages::Event scheduled;
  scheduled.mutable_activity_task_scheduled()->set_dispatch_boot(9);
  open_.apply(event_seq(6), event_seq(4), {}, scheduled);
  const open_activity& activity = open_.activities.at(event_seq(6));
  EXPECT_EQ(activity.boot, 9U);
  EXPECT_EQ(activity.turn_first, event_seq(4));
  EXPECT_EQ(activity.attempt, 1U);
}

}  // namespace
}  // namespace evermill::actors
