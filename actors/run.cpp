#include "actors/run.hpp"

#include <xxhash.h>

namespace evermill::actors {

void open_commands::apply(event_seq seq, event_seq turn_first, const messages::Event& event) {
  using E = messages::Event;
  switch (event.event_case()) {
    case E::kActivityTaskScheduled: {
      open_activity& activity = activities[seq];
      activity.boot = event.activity_task_scheduled().dispatch_boot();
      activity.turn_first = turn_first;
      return;
    }
    case E::kActivityTaskCompleted:
    case E::kActivityTaskFailed:
    case E::kActivityTaskTimedOut:
    case E::kActivityTaskCanceled: activities.erase(activity_closed_by(event)); return;
    case E::kActivityTaskCancelRequested: {
      const messages::ActivityTaskCancelRequested& request = event.activity_task_cancel_requested();
      const auto it = activities.find(event_seq(request.scheduled_seq()));
      if (it == activities.end()) return;
      if (!request.wait_for_end()) {
        activities.erase(it);
      } else {
        it->second.cancel_requested = true;
      }
      return;
    }
    case E::kTimerStarted: timers[seq] = from_micros(event.timer_started().fire_at_us()); return;
    case E::kTimerFired: timers.erase(event_seq(event.timer_fired().started_seq())); return;
    case E::kTimerCanceled: timers.erase(event_seq(event.timer_canceled().started_seq())); return;
    case E::kStepScheduled: steps.insert(seq); return;
    case E::kMarkerRecorded: steps.erase(event_seq(event.marker_recorded().scheduled_seq())); return;
    case E::kStartChildWorkflowExecutionInitiated:
      children[seq] = event.start_child_workflow_execution_initiated().workflow_id();
      return;
    case E::kStartChildWorkflowExecutionFailed:
      children.erase(event_seq(event.start_child_workflow_execution_failed().initiated_seq()));
      return;
    case E::kChildWorkflowExecutionCompleted:
      children.erase(event_seq(event.child_workflow_execution_completed().initiated_seq()));
      return;
    case E::kChildWorkflowExecutionFailed:
      children.erase(event_seq(event.child_workflow_execution_failed().initiated_seq()));
      return;
    case E::kChildWorkflowExecutionCanceled:
      children.erase(event_seq(event.child_workflow_execution_canceled().initiated_seq()));
      return;
    case E::kChildWorkflowExecutionTerminated:
      children.erase(event_seq(event.child_workflow_execution_terminated().initiated_seq()));
      return;
    case E::kChildWorkflowExecutionTimedOut:
      children.erase(event_seq(event.child_workflow_execution_timed_out().initiated_seq()));
      return;
    default: return;
  }
}

event_seq activity_closed_by(const messages::Event& event) noexcept {
  using E = messages::Event;
  switch (event.event_case()) {
    case E::kActivityTaskCompleted: return event_seq(event.activity_task_completed().scheduled_seq());
    case E::kActivityTaskFailed: return event_seq(event.activity_task_failed().scheduled_seq());
    case E::kActivityTaskTimedOut: return event_seq(event.activity_task_timed_out().scheduled_seq());
    case E::kActivityTaskCanceled: return event_seq(event.activity_task_canceled().scheduled_seq());
    default: return event_seq(0);
  }
}

messages::ExecutionStatus status_after(const messages::Event& end) noexcept {
  using E = messages::Event;
  switch (end.event_case()) {
    case E::kWorkflowExecutionCompleted: return messages::COMPLETED;
    case E::kWorkflowExecutionFailed: return messages::FAILED;
    case E::kWorkflowExecutionTimedOut: return messages::TIMED_OUT;
    case E::kWorkflowExecutionCanceled: return messages::CANCELED;
    case E::kWorkflowExecutionTerminated: return messages::TERMINATED;
    case E::kWorkflowExecutionContinuedAsNew: return messages::CONTINUED_AS_NEW;
    default: return messages::RUNNING;
  }
}

void set_timeout(messages::Failure& failure, messages::Failure::Kind which) {
  failure.set_kind(which);
  switch (which) {
    case messages::Failure::SCHEDULE_TO_START:
      failure.set_type("ScheduleToStartTimeout");
      failure.set_message("the attempt was not started within its schedule-to-start timeout");
      return;
    case messages::Failure::SCHEDULE_TO_CLOSE:
      failure.set_type("ScheduleToCloseTimeout");
      failure.set_message("the activity with all its attempts took longer than its schedule-to-close timeout");
      return;
    case messages::Failure::HEARTBEAT:
      failure.set_type("HeartbeatTimeout");
      failure.set_message("the attempt was not heard of within its heartbeat timeout");
      return;
    default:
      failure.set_type("StartToCloseTimeout");
      failure.set_message("the attempt ran longer than its start-to-close timeout");
      return;
  }
}

bool is_end(const messages::Event& event) noexcept { return status_after(event) != messages::RUNNING; }

std::uint64_t input_hash(const messages::Payload& input) noexcept {
  return XXH3_64bits_withSeed(input.data().data(), input.data().size(), input.content_type());
}

}  // namespace evermill::actors
