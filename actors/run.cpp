#include "actors/run.hpp"

#include <xxhash.h>

#include <algorithm>
#include "workflow/lock_keeper.hpp"

namespace evermill::actors {

void open_commands::apply(event_seq seq, event_seq turn_first, timestamp turn_time, const messages::Event& event) {
  using E = messages::Event;
  switch (event.event_case()) {
    case E::kWorkflowExecutionStarted:
      if (const auto deadline = deadline_of(event.workflow_execution_started())) timers[seq] = *deadline;
      return;
    case E::kActivityTaskScheduled: {
      open_activity& activity = activities[seq];
      activity.boot = event.activity_task_scheduled().dispatch_boot();
      activity.turn_first = turn_first;
      activity.close_by = close_time(turn_time, event.activity_task_scheduled().options());
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
    case E::kHumanTaskCreated: {
      const messages::HumanTaskCreated& created = event.human_task_created();
      messages::HumanTask& row = human_tasks[seq].row;
      row.set_name(created.name());
      row.set_title(created.title());
      row.set_assignee(created.assignee());
      *row.mutable_candidate_groups() = created.candidate_groups();
      row.set_created_us(created.created_us());
      row.set_due_us(created.due_us());
      row.set_turn_first(turn_first.value);
      return;
    }
    case E::kHumanTaskAssigned: {
      const auto task = human_tasks.find(event_seq(event.human_task_assigned().created_seq()));
      if (task != human_tasks.end()) task->second.row.set_assignee(event.human_task_assigned().assignee());
      return;
    }
    case E::kHumanTaskCompleted: human_tasks.erase(event_seq(event.human_task_completed().created_seq())); return;
    case E::kHumanTaskCanceled: human_tasks.erase(event_seq(event.human_task_canceled().created_seq())); return;
    case E::kLockRequested:
      locks[seq].id = workflow::locks::id_of(event.lock_requested().name(), event.lock_requested().permits());
      return;
    case E::kLockGranted: {
      const auto lock = locks.find(event_seq(event.lock_granted().requested_seq()));
      if (lock != locks.end()) lock->second.granted = true;
      return;
    }
    case E::kLockReleased: locks.erase(event_seq(event.lock_released().requested_seq())); return;
    case E::kStartChildWorkflowExecutionInitiated:
      children[seq] = {event.start_child_workflow_execution_initiated().workflow_id(),
                       event.start_child_workflow_execution_initiated().parent_close_policy()};
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

void open_commands::apply(const storage::stored_turn& turn) {
  std::uint64_t seq = turn.first.value;
  const timestamp time = from_micros(turn.record.time_us());
  for (const messages::Event& event : turn.record.events()) apply(event_seq(seq++), turn.first, time, event);
}

void open_commands::take_attempts(const open_commands& known) {
  for (const auto& [seq, activity] : known.activities) {
    const auto it = activities.find(seq);
    if (it == activities.end()) continue;
    const timestamp close_by = it->second.close_by;  // which the journal alone says for sure
    it->second = activity;
    it->second.close_by = close_by;
  }
}

void run::read(const storage::stored_turn& turn, open_commands& to) {
  const messages::Event& first = turn.record.events(0);
  if (first.has_workflow_execution_started()) remember(first.workflow_execution_started());
  to.apply(turn);
  last = turn.last();
  time = from_micros(turn.record.time_us());
}

timestamp close_time(timestamp scheduled, const messages::ActivityOptions& options) noexcept {
  const std::int64_t limit_us = options.schedule_to_close_us();
  return limit_us > 0 ? scheduled + std::chrono::microseconds(limit_us) : timestamp();
}

void run::remember(const messages::WorkflowExecutionStarted& started) {
  if (started.has_parent()) parent = started.parent();
  execution_deadline_us = started.execution_deadline_us();
  run_deadline_us = started.run_deadline_us();
  run_timeout_us = started.run_timeout_us();
  remember_trace(started.traceparent(), started.tracestate());
}

void run::remember_trace(const std::string& traceparent, const std::string& tracestate) {
  const auto from = tracing::parse_traceparent(traceparent);
  if (!from) return;
  trace = std::make_unique<const caller_trace>(caller_trace{*from, tracing::is_tracestate(tracestate) ? tracestate : std::string()});
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

std::optional<timestamp> deadline_of(const messages::WorkflowExecutionStarted& started) noexcept {
  const std::int64_t run = started.run_deadline_us();
  const std::int64_t execution = started.execution_deadline_us();
  if (run == 0 && execution == 0) return std::nullopt;
  return from_micros(run == 0 ? execution : execution == 0 ? run : std::min(run, execution));
}

bool ends_without_code(const messages::Event& event) noexcept {
  return event.has_workflow_execution_terminated() || event.has_workflow_execution_timed_out();
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

std::string update_request_id(const std::string& update_id) { return "u/" + update_id; }
std::string request_id_of(const std::string& id) { return "r/" + id; }

std::uint64_t input_hash(const messages::Payload& input) noexcept {
  return XXH3_64bits_withSeed(input.data().data(), input.data().size(), input.content_type());
}

}  // namespace evermill::actors
