#include "deciders/remote_decider.hpp"

#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

namespace evermill::deciders {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using E = messages::Event;

constexpr timestamp noon{std::chrono::hours(12)};

E started() {
  E event;
  event.mutable_workflow_execution_started()->set_workflow_id("w");
  event.mutable_workflow_execution_started()->set_run_id("r");
  return event;
}
E signaled(const std::string& name = "go") {
  E event;
  event.mutable_workflow_execution_signaled()->set_signal_name(name);
  return event;
}
E activity(const std::string& type = "charge") {
  E event;
  event.mutable_activity_task_scheduled()->set_activity_type(type);
  return event;
}
E activity_done(std::uint64_t seq) {
  E event;
  event.mutable_activity_task_completed()->set_scheduled_seq(seq);
  return event;
}
E timer(std::chrono::microseconds delay) {
  E event;
  event.mutable_timer_started()->set_fire_at_us(delay.count());
  return event;
}
E timer_fired(std::uint64_t seq) {
  E event;
  event.mutable_timer_fired()->set_started_seq(seq);
  return event;
}
E timer_canceled(std::uint64_t seq) {
  E event;
  event.mutable_timer_canceled()->set_started_seq(seq);
  return event;
}
E cancel_activity(std::uint64_t seq, bool wait) {
  E event;
  event.mutable_activity_task_cancel_requested()->set_scheduled_seq(seq);
  event.mutable_activity_task_cancel_requested()->set_wait_for_end(wait);
  return event;
}
E child(const std::string& id = {}) {
  E event;
  event.mutable_start_child_workflow_execution_initiated()->set_workflow_type("part");
  event.mutable_start_child_workflow_execution_initiated()->set_workflow_id(id);
  return event;
}
E completed() {
  E event;
  event.mutable_workflow_execution_completed();
  return event;
}
E cancel_requested() {
  E event;
  event.mutable_workflow_execution_cancel_requested()->set_reason("enough");
  return event;
}
E update(const std::string& id) {
  E event;
  event.mutable_workflow_execution_update_accepted()->set_update_id(id);
  return event;
}

struct rig {
  remote_decider code{"order", run_number(7)};
  std::vector<messages::TurnRecord> journal;

  result<workflow::turn, workflow::divergence> decide(const E& decision, std::vector<E> events, commands more = {}) {
    more.events = std::move(events);
    auto turn = code.decide(decision, noon, std::move(more));
    if (turn) {
      journal.push_back(turn->record);
      *journal.back().mutable_events(0) = decision;
    }
    return turn;
  }
  std::string refusal(const E& decision, std::vector<E> events) {
    const auto turn = decide(decision, std::move(events));
    return turn ? "it was taken" : turn.error().message;
  }
};

TEST(RemoteDecider, MakesATurnOfCommandsAndKnowsWhatIsOpen) {
  rig run;
  const auto turn = run.decide(started(), {activity(), timer(5s), child()});
  ASSERT_TRUE(turn);
  ASSERT_EQ(turn->record.events_size(), 4);
  EXPECT_EQ(turn->record.events(0).event_case(), E::EVENT_NOT_SET);
  EXPECT_EQ(turn->record.events(2).timer_started().fire_at_us(), to_micros(noon + 5s));
  EXPECT_EQ(turn->record.events(3).start_child_workflow_execution_initiated().workflow_id(), "w/7.4");
  EXPECT_EQ(run.code.last_seq(), event_seq(4));
  EXPECT_TRUE(run.code.concerns(activity_done(2)));
  EXPECT_FALSE(run.code.concerns(activity_done(3))) << "that is a timer";
  EXPECT_TRUE(run.code.concerns(timer_fired(3)));
  EXPECT_FALSE(run.code.concerns(started()));
  ASSERT_TRUE(run.decide(timer_fired(3), {}));
  EXPECT_FALSE(run.code.concerns(timer_fired(3)));
}

TEST(RemoteDecider, WhatIsCanceledConcernsNobodyUnlessItsEndIsAwaited) {
  rig run;
  ASSERT_TRUE(run.decide(started(), {activity(), activity(), timer(1s)}));
  ASSERT_TRUE(run.decide(signaled(), {cancel_activity(2, false), cancel_activity(3, true), timer_canceled(4)}));
  EXPECT_FALSE(run.code.concerns(activity_done(2)));
  EXPECT_TRUE(run.code.concerns(activity_done(3)));
  EXPECT_FALSE(run.code.concerns(timer_fired(4)));
}

TEST(RemoteDecider, RefusesCommandsThatCantBe) {
  EXPECT_THAT(rig().refusal(started(), {E()}), HasSubstr("no command of that kind"));
  EXPECT_THAT(rig().refusal(started(), {timer_canceled(9)}), HasSubstr("event 9 is no open timer"));
  EXPECT_THAT(rig().refusal(started(), {activity(), timer_canceled(2)}), HasSubstr("event 2 is no open timer"));
  EXPECT_THAT(rig().refusal(started(), {activity(), cancel_activity(2, true), cancel_activity(2, true)}), HasSubstr("before"));
  EXPECT_THAT(rig().refusal(started(), {activity("")}), HasSubstr("the activity's name is empty"));
  EXPECT_THAT(rig().refusal(started(), {child("evermill.lock")}), HasSubstr("begin with"));
  EXPECT_THAT(rig().refusal(started(), {completed(), timer(1s)}), HasSubstr("have ended the run"));
  E canceled;
  canceled.mutable_workflow_execution_canceled();
  EXPECT_THAT(rig().refusal(started(), {canceled}), HasSubstr("nobody has asked"));
  E done;
  done.mutable_workflow_execution_update_completed()->set_update_id("u");
  EXPECT_THAT(rig().refusal(started(), {done}), HasSubstr("no update \"u\""));
  E negative = activity();
  negative.mutable_activity_task_scheduled()->mutable_options()->set_heartbeat_us(-1);
  EXPECT_THAT(rig().refusal(started(), {negative}), HasSubstr("heartbeat is negative"));
}

TEST(RemoteDecider, SaysWhichCommandOfWhichAnswerIsRefused) {
  rig run;
  ASSERT_TRUE(run.decide(started(), {timer(1s)}));
  EXPECT_THAT(run.refusal(timer_fired(2), {activity(), timer_canceled(2)}),
              "command 2 of its worker's answer to TimerFired, TimerCanceled: event 2 is no open timer");
}

TEST(RemoteDecider, ContinuesWithWhatTheCodeHasNotDone) {
  rig run;
  ASSERT_TRUE(run.decide(started(), {}));
  ASSERT_TRUE(run.decide(update("u1"), {}));
  ASSERT_TRUE(run.decide(update("u2"), {}));
  ASSERT_TRUE(run.decide(cancel_requested(), {}));
  E again;
  again.mutable_workflow_execution_continued_as_new()->set_workflow_type("another");
  E done;
  done.mutable_workflow_execution_update_completed()->set_update_id("u1");
  commands unread;
  unread.unread_signals.emplace_back().set_signal_name("go");
  const auto turn = run.decide(signaled(), {done, again}, unread);
  ASSERT_TRUE(turn);
  EXPECT_EQ(turn->record.events(2).workflow_execution_continued_as_new().workflow_type(), "order");
  ASSERT_EQ(turn->unread_signals.size(), 1u);
  ASSERT_EQ(turn->unfinished_updates.size(), 1u);
  EXPECT_EQ(turn->unfinished_updates[0].update_id(), "u2");
  EXPECT_TRUE(turn->cancel_requested);
  EXPECT_TRUE(run.code.closed());
}

TEST(RemoteDecider, AnswersUpdatesBeforeAnEndThatLeavesNobodyToDoThem) {
  rig run;
  ASSERT_TRUE(run.decide(started(), {}));
  ASSERT_TRUE(run.decide(update("u1"), {}));
  const auto turn = run.decide(signaled(), {completed()});
  ASSERT_TRUE(turn);
  ASSERT_EQ(turn->record.events_size(), 3);
  EXPECT_EQ(turn->record.events(1).workflow_execution_update_completed().failure().type(), "WorkflowEnded");
  EXPECT_TRUE(turn->record.events(2).has_workflow_execution_completed());
}

TEST(RemoteDecider, ACancelHasTheReasonOfItsRequest) {
  rig run;
  ASSERT_TRUE(run.decide(started(), {}));
  E canceled;
  canceled.mutable_workflow_execution_canceled();
  const auto turn = run.decide(cancel_requested(), {canceled});
  ASSERT_TRUE(turn);
  EXPECT_EQ(turn->record.events(1).workflow_execution_canceled().reason(), "enough");
}

TEST(RemoteDecider, ASideEffectComesBackAsItsMarkerOrIsToldToBeLost) {
  rig run;
  E step;
  step.mutable_step_scheduled()->set_name("roll");
  commands with;
  with.values[1].set_data("6");
  const auto turn = run.decide(started(), {activity(), step}, with);
  ASSERT_TRUE(turn);
  ASSERT_EQ(turn->steps.size(), 1u);
  EXPECT_EQ(turn->steps[0].scheduled, event_seq(3));
  EXPECT_EQ(turn->steps[0].run().result().data(), "6");

  remote_decider again("order", run_number(7));
  for (const messages::TurnRecord& each : run.journal) ASSERT_FALSE(again.replay(each));
  const auto lost = again.unfinished_steps();
  ASSERT_EQ(lost.size(), 1u);
  messages::MarkerRecorded marker = lost[0].run();
  EXPECT_EQ(marker.failure().kind(), messages::Failure::LOST);
  marker.set_scheduled_seq(3);
  E told;
  *told.mutable_marker_recorded() = marker;
  EXPECT_TRUE(again.concerns(told));
}

TEST(RemoteDecider, KnowsAfterAReplayWhatItKnewBefore) {
  rig run;
  ASSERT_TRUE(run.decide(started(), {activity(), timer(1s), child("c")}));
  ASSERT_TRUE(run.decide(signaled(), {cancel_activity(2, true)}));
  remote_decider again("order", run_number(7));
  for (const messages::TurnRecord& each : run.journal) ASSERT_FALSE(again.replay(each));
  EXPECT_EQ(again.last_seq(), run.code.last_seq());
  for (std::uint64_t seq = 1; seq <= 6; ++seq) {
    EXPECT_EQ(again.concerns(activity_done(seq)), run.code.concerns(activity_done(seq))) << seq;
    EXPECT_EQ(again.concerns(timer_fired(seq)), run.code.concerns(timer_fired(seq))) << seq;
  }
}

TEST(RemoteDecider, CantGoOnWithWhatOtherCodeHasDecided) {
  messages::TurnRecord turn;
  *turn.add_events() = started();
  turn.add_events()->mutable_lock_requested()->set_name("gate");
  const auto why = remote_decider("order", run_number(7)).replay(turn);
  ASSERT_TRUE(why);
  EXPECT_EQ(why->at, event_seq(2));
  EXPECT_THAT(why->message, HasSubstr("LockRequested"));
}

}  // namespace
}  // namespace evermill::deciders
