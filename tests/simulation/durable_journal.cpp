#include "durable_journal.hpp"

#include <utility>

#include "tests/support/find_event.hpp"

namespace evermill::simulation {
namespace {

using E = messages::Event;

template <class Closing>
attempt_end end_of(const Closing& closing) {
  return {closing.scheduled_seq(), {closing.attempt().number(), closing.attempt().dispatch_boot()}};
}

bool opens(const E& event) {
  return event.has_activity_task_scheduled() || event.has_timer_started() || event.has_step_scheduled() ||
         event.has_start_child_workflow_execution_initiated();
}

}  // namespace

std::uint64_t closed_by(const E& event) {
  switch (event.event_case()) {
    case E::kActivityTaskCompleted: return event.activity_task_completed().scheduled_seq();
    case E::kActivityTaskFailed: return event.activity_task_failed().scheduled_seq();
    case E::kActivityTaskTimedOut: return event.activity_task_timed_out().scheduled_seq();
    case E::kActivityTaskCanceled: return event.activity_task_canceled().scheduled_seq();
    case E::kActivityTaskCancelRequested: return event.activity_task_cancel_requested().scheduled_seq();
    case E::kTimerFired: return event.timer_fired().started_seq();
    case E::kTimerCanceled: return event.timer_canceled().started_seq();
    case E::kMarkerRecorded: return event.marker_recorded().scheduled_seq();
    case E::kChildWorkflowExecutionCompleted: return event.child_workflow_execution_completed().initiated_seq();
    case E::kChildWorkflowExecutionFailed: return event.child_workflow_execution_failed().initiated_seq();
    case E::kChildWorkflowExecutionCanceled: return event.child_workflow_execution_canceled().initiated_seq();
    case E::kChildWorkflowExecutionTerminated: return event.child_workflow_execution_terminated().initiated_seq();
    case E::kChildWorkflowExecutionTimedOut: return event.child_workflow_execution_timed_out().initiated_seq();
    case E::kStartChildWorkflowExecutionFailed: return event.start_child_workflow_execution_failed().initiated_seq();
    default: return 0;
  }
}

attempt_end attempt_end_of(const E& event) {
  switch (event.event_case()) {
    case E::kActivityTaskCompleted: return end_of(event.activity_task_completed());
    case E::kActivityTaskFailed: return end_of(event.activity_task_failed());
    case E::kActivityTaskTimedOut: return end_of(event.activity_task_timed_out());
    case E::kActivityTaskCanceled: return end_of(event.activity_task_canceled());
    default: return {};
  }
}

attempt_end attempt_end_of(const messages::ActivityAttemptClosed& closed) {
  using how = messages::ActivityAttemptClosed;
  switch (closed.outcome_case()) {
    case how::kCompleted: return end_of(closed.completed());
    case how::kFailed: return end_of(closed.failed());
    case how::kTimedOut: return end_of(closed.timed_out());
    case how::kCanceled: return end_of(closed.canceled());
    case how::OUTCOME_NOT_SET: return {};
  }
  return {};
}

bool ends_run(const E& event) {
  return event.has_workflow_execution_completed() || event.has_workflow_execution_failed() ||
         event.has_workflow_execution_timed_out() || event.has_workflow_execution_canceled() ||
         event.has_workflow_execution_terminated() || event.has_workflow_execution_continued_as_new();
}

const E* durable_journal::event(std::uint64_t seq) const { return tests::find_event(turns, seq); }

/// Journals grow at their end, without gaps, from their start on, and not after their end.
std::string durable_journal::append(std::uint64_t first, messages::TurnRecord&& turn) {
  if (turn.events().empty()) return "is empty";
  if (first != last + 1) return "follows event " + std::to_string(last);
  if (ended) return "comes after the end";
  const bool starts = turn.events(0).has_workflow_execution_started();
  if (starts != (last == 0)) return "a journal begins with its start, and has one";
  if (starts) workflow_id = turn.events(0).workflow_execution_started().workflow_id();
  for (const E& event : turn.events()) {
    ++last;
    if (ended) return "events follow the end";
    if (opens(event)) open[last] = {1, event.activity_task_scheduled().dispatch_boot()};
    open.erase(closed_by(event));
    ended = ends_run(event);
  }
  turns.push_back(std::move(turn));
  return {};
}

}  // namespace evermill::simulation
