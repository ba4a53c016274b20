#include "engine/journal_check.hpp"

#include <algorithm>
#include <utility>

#include "messages/history_json.hpp"

namespace evermill {
namespace {

// The numbers of an event's field tell what it is: messages/journal.proto.
constexpr int first_command = 32;
constexpr int first_end = 64;

const char* name_of(event_reference::kind what) {
  switch (what) {
    case event_reference::kind::activity: return "activity";
    case event_reference::kind::timer: return "timer";
    case event_reference::kind::child: return "child";
    case event_reference::kind::step: return "step";
    case event_reference::kind::human_task: return "human task";
    case event_reference::kind::lock: return "lock request";
  }
  return "command";
}

bool is_open(const actors::open_commands& open, const event_reference& to) {
  const event_seq seq(to.seq);
  switch (to.what) {
    case event_reference::kind::activity: return open.activities.contains(seq);
    case event_reference::kind::timer: return open.timers.contains(seq);
    case event_reference::kind::child: return open.children.contains(seq);
    case event_reference::kind::step: return open.steps.contains(seq);
    case event_reference::kind::human_task: return open.human_tasks.contains(seq);
    case event_reference::kind::lock: return open.locks.contains(seq);
  }
  return false;
}

std::uint64_t boot_of(const messages::Event& event) {
  using E = messages::Event;
  switch (event.event_case()) {
    case E::kActivityTaskScheduled: return event.activity_task_scheduled().dispatch_boot();
    case E::kActivityTaskCompleted: return event.activity_task_completed().attempt().dispatch_boot();
    case E::kActivityTaskFailed: return event.activity_task_failed().attempt().dispatch_boot();
    case E::kActivityTaskTimedOut: return event.activity_task_timed_out().attempt().dispatch_boot();
    case E::kActivityTaskCanceled: return event.activity_task_canceled().attempt().dispatch_boot();
    default: return 0;
  }
}

}  // namespace

std::optional<event_reference> reference_of(const messages::Event& e) {
  using E = messages::Event;
  using kind = event_reference::kind;
  switch (e.event_case()) {
    case E::kActivityTaskCompleted: return event_reference{kind::activity, e.activity_task_completed().scheduled_seq()};
    case E::kActivityTaskFailed: return event_reference{kind::activity, e.activity_task_failed().scheduled_seq()};
    case E::kActivityTaskTimedOut: return event_reference{kind::activity, e.activity_task_timed_out().scheduled_seq()};
    case E::kActivityTaskCanceled: return event_reference{kind::activity, e.activity_task_canceled().scheduled_seq()};
    case E::kActivityTaskCancelRequested:
      return event_reference{kind::activity, e.activity_task_cancel_requested().scheduled_seq()};
    case E::kTimerFired: return event_reference{kind::timer, e.timer_fired().started_seq()};
    case E::kTimerCanceled: return event_reference{kind::timer, e.timer_canceled().started_seq()};
    case E::kMarkerRecorded: return event_reference{kind::step, e.marker_recorded().scheduled_seq()};
    case E::kHumanTaskAssigned: return event_reference{kind::human_task, e.human_task_assigned().created_seq()};
    case E::kHumanTaskCompleted: return event_reference{kind::human_task, e.human_task_completed().created_seq()};
    case E::kHumanTaskCanceled: return event_reference{kind::human_task, e.human_task_canceled().created_seq()};
    case E::kLockGranted: return event_reference{kind::lock, e.lock_granted().requested_seq()};
    case E::kLockReleased: return event_reference{kind::lock, e.lock_released().requested_seq()};
    case E::kChildWorkflowExecutionCompleted:
      return event_reference{kind::child, e.child_workflow_execution_completed().initiated_seq()};
    case E::kChildWorkflowExecutionFailed:
      return event_reference{kind::child, e.child_workflow_execution_failed().initiated_seq()};
    case E::kChildWorkflowExecutionCanceled:
      return event_reference{kind::child, e.child_workflow_execution_canceled().initiated_seq()};
    case E::kChildWorkflowExecutionTerminated:
      return event_reference{kind::child, e.child_workflow_execution_terminated().initiated_seq()};
    case E::kChildWorkflowExecutionTimedOut:
      return event_reference{kind::child, e.child_workflow_execution_timed_out().initiated_seq()};
    case E::kStartChildWorkflowExecutionFailed:
      return event_reference{kind::child, e.start_child_workflow_execution_failed().initiated_seq()};
    case E::kRequestCancelChildWorkflowExecutionInitiated:
      return event_reference{kind::child, e.request_cancel_child_workflow_execution_initiated().initiated_seq()};
    default: return std::nullopt;
  }
}

void journal_check::add(event_seq first, const messages::TurnRecord& turn) {
  if (first != last_.next()) {
    whole_ = false;
    if (first > last_) {
      found_(last_.next(), "events " + std::to_string(last_.value + 1) + " to " + std::to_string(first.value - 1) +
                               " are missing");
    } else {
      found_(first, "the turn overlaps the one before, which ends with event " + std::to_string(last_.value));
    }
  }
  if (turn.events_size() == 0) {
    whole_ = false;
    return found_(first, "a turn without events");
  }
  if (from_micros(turn.time_us()) < time_) found_(first, "its time lies before that of the turn before");
  time_ = std::max(time_, from_micros(turn.time_us()));
  std::uint64_t number = first.value;
  for (int i = 0; i < turn.events_size(); ++i) {
    const messages::Event& event = turn.events(i);
    const event_seq seq(number++);
    check_place(event, seq, i, turn.events_size());
    check_reference(event, seq);
    highest_boot_ = std::max(highest_boot_, boot_of(event));
    open_.apply(seq, first, from_micros(turn.time_us()), event);
    if (!actors::is_end(event) || end_) continue;
    end_ = event;
    closing_turn_ = first;
  }
  last_ = event_seq(number - 1);
  if (through_.value != 0 && last_ == through_) open_at_ = open_;
}

void journal_check::check_place(const messages::Event& event, event_seq seq, int index, int count) {
  if (event.event_case() == messages::Event::EVENT_NOT_SET) {
    whole_ = false;
    return found_(seq, "an event of a kind that this version does not know");
  }
  if (end_) found_(seq, event_type(event) + " follows the execution's end");
  if (event.has_workflow_execution_started() != (seq.value == 1)) {
    found_(seq, seq.value == 1 ? "the first event is " + event_type(event) + ", not WorkflowExecutionStarted"
                               : "WorkflowExecutionStarted is not the first event");
  }
  if (seq.value == 1 && event.has_workflow_execution_started()) started_ = event.workflow_execution_started();
  const int kind = event.event_case();
  const bool decision = kind < first_command;
  if (index == 0 && !decision && kind < first_end) found_(seq, "a turn begins with " + event_type(event) + ", a command");
  if (index > 0 && decision) found_(seq, event_type(event) + ", a decision event, is not the first of its turn");
  if (kind >= first_end && index + 1 < count) found_(seq, event_type(event) + " is not the last event of its turn");
}

void journal_check::check_reference(const messages::Event& event, event_seq seq) {
  const auto to = reference_of(event);
  if (!to || !whole_ || is_open(open_, *to)) return;
  found_(seq, event_type(event) + " names event " + std::to_string(to->seq) + ", which is not an open " + name_of(to->what));
}

}  // namespace evermill
