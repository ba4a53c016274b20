#include "server/grpc/decider_conversions.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/clock.hpp"
#include "base/namespaces.hpp"
#include "messages/history_json.hpp"
#include "workflow/conversions.hpp"

namespace evermill::server {
namespace {

using E = messages::Event;

messages::Payload journaled(const wire::Payload& from) {
  messages::Payload to;
  workflow::to_message(from_wire(from), to);
  return to;
}

/// Without data: no value at all.
bool has_value(const wire::Payload& from) { return !from.data().empty() || !from.content_type().empty(); }

messages::Failure journaled(const wire::Failure& from) {
  messages::Failure to;
  workflow::to_message(from_wire(from), to);
  return to;
}

void tell(const messages::Payload& from, wire::Payload& to) { to_wire(workflow::from_message(from), to); }
void tell(const messages::Failure& from, wire::Failure& to) { to_wire(workflow::from_message(from), to); }

std::int64_t micros(const google::protobuf::Duration& from) { return from_wire(from).count(); }

/// Of an event that closes something.
template <class Closing>
void tell_result(const Closing& from, std::uint64_t of, wire::JournaledEvent& to) {
  to.set_of(of);
  if (from.has_result()) tell(from.result(), *to.mutable_value());
}
template <class Closing>
void tell_failure(const Closing& from, std::uint64_t of, wire::JournaledEvent& to) {
  to.set_of(of);
  if (from.has_failure()) tell(from.failure(), *to.mutable_failure());
}

template <class Named>
void tell_input(const Named& from, std::string name, std::string id, wire::JournaledEvent& to) {
  to.set_name(std::move(name));
  to.set_id(std::move(id));
  if (from.has_input()) tell(from.input(), *to.mutable_value());
}

void tell_start(const messages::WorkflowExecutionStarted& from, wire::JournaledEvent& to) {
  tell_input(from, from.workflow_type(), std::string(namespaces::plain(from.workflow_id())), to);
  wire::StartedRun& run = *to.mutable_started();
  run.set_random_seed(from.random_seed());
  run.set_cancel_requested(from.cancel_requested());
  run.set_continues(from.continued_from_run_number() != 0);
  run.set_parent_workflow_id(std::string(namespaces::plain(from.parent().workflow_id())));
  for (const auto& each : from.carried_signals()) {
    wire::Signal& signal = *run.add_signals();
    signal.set_name(each.signal_name());
    tell(each.input(), *signal.mutable_input());
  }
  for (const auto& each : from.carried_updates()) {
    wire::CarriedUpdate& update = *run.add_updates();
    update.set_update_id(each.update_id());
    update.set_update_name(each.update_name());
    tell(each.input(), *update.mutable_input());
  }
}

}  // namespace

void to_wire(const E& e, std::uint64_t seq, wire::JournaledEvent& to) {
  to.set_seq(seq);
  to.set_type(event_type(e));
  switch (e.event_case()) {
    case E::kWorkflowExecutionStarted: return tell_start(e.workflow_execution_started(), to);
    case E::kWorkflowExecutionSignaled:
      return tell_input(e.workflow_execution_signaled(), e.workflow_execution_signaled().signal_name(), {}, to);
    case E::kWorkflowExecutionCancelRequested: return to.set_reason(e.workflow_execution_cancel_requested().reason());
    case E::kWorkflowExecutionUpdateAccepted: {
      const auto& update = e.workflow_execution_update_accepted();
      return tell_input(update, update.update_name(), update.update_id(), to);
    }
    case E::kActivityTaskCompleted: return tell_result(e.activity_task_completed(), e.activity_task_completed().scheduled_seq(), to);
    case E::kActivityTaskFailed: return tell_failure(e.activity_task_failed(), e.activity_task_failed().scheduled_seq(), to);
    case E::kActivityTaskTimedOut: return tell_failure(e.activity_task_timed_out(), e.activity_task_timed_out().scheduled_seq(), to);
    case E::kActivityTaskCanceled: return to.set_of(e.activity_task_canceled().scheduled_seq());
    case E::kTimerFired: return to.set_of(e.timer_fired().started_seq());
    case E::kChildWorkflowExecutionCompleted:
      return tell_result(e.child_workflow_execution_completed(), e.child_workflow_execution_completed().initiated_seq(), to);
    case E::kChildWorkflowExecutionFailed:
      return tell_failure(e.child_workflow_execution_failed(), e.child_workflow_execution_failed().initiated_seq(), to);
    case E::kChildWorkflowExecutionCanceled: return to.set_of(e.child_workflow_execution_canceled().initiated_seq());
    case E::kChildWorkflowExecutionTerminated:
      to.set_reason(e.child_workflow_execution_terminated().reason());
      return to.set_of(e.child_workflow_execution_terminated().initiated_seq());
    case E::kChildWorkflowExecutionTimedOut: return to.set_of(e.child_workflow_execution_timed_out().initiated_seq());
    case E::kStartChildWorkflowExecutionFailed:
      return tell_failure(e.start_child_workflow_execution_failed(), e.start_child_workflow_execution_failed().initiated_seq(), to);
    case E::kActivityTaskScheduled: return tell_input(e.activity_task_scheduled(), e.activity_task_scheduled().activity_type(), {}, to);
    case E::kActivityTaskCancelRequested: return to.set_of(e.activity_task_cancel_requested().scheduled_seq());
    case E::kTimerCanceled: return to.set_of(e.timer_canceled().started_seq());
    case E::kStartChildWorkflowExecutionInitiated: {
      const auto& child = e.start_child_workflow_execution_initiated();
      return tell_input(child, child.workflow_type(), child.workflow_id(), to);
    }
    case E::kRequestCancelChildWorkflowExecutionInitiated:
      return to.set_of(e.request_cancel_child_workflow_execution_initiated().initiated_seq());
    case E::kSignalExternalWorkflowExecutionInitiated: {
      const auto& told = e.signal_external_workflow_execution_initiated();
      return tell_input(told, told.signal_name(), told.workflow_id(), to);
    }
    case E::kStepScheduled: return to.set_name(e.step_scheduled().name());
    case E::kMarkerRecorded:
      tell_failure(e.marker_recorded(), e.marker_recorded().scheduled_seq(), to);
      return tell_result(e.marker_recorded(), e.marker_recorded().scheduled_seq(), to);
    case E::kPatchRecorded: return to.set_name(e.patch_recorded().patch_id());
    case E::kWorkflowExecutionUpdateCompleted: return to.set_id(e.workflow_execution_update_completed().update_id());
    default: return;
  }
}

void to_wire(const deciders::question& from, wire::DecisionTask& to) {
  to.set_workflow_id(from.workflow_id);
  to.set_run_id(from.run_id);
  to.set_workflow_type(from.workflow_type);
  to.set_version(from.version);
  to.set_from_start(from.from_start);
  if (from.decision) {
    to_wire(from.time, *to.mutable_time());
    to_wire(*from.decision, from.seq.value, *to.mutable_event());
  }
  for (const deciders::query& each : from.queries) {
    wire::AskedQuery& query = *to.add_queries();
    query.set_id(each.id);
    query.set_name(each.name);
    tell(each.input, *query.mutable_input());
  }
}

// --- commands

namespace {

void read(const wire::ScheduleActivityCommand& from, messages::ActivityTaskScheduled& to) {
  to.set_activity_type(from.activity_type());
  if (has_value(from.input())) *to.mutable_input() = journaled(from.input());
  to.set_label(from.label());
  messages::ActivityOptions how;
  if (from.task_queue() != "default") how.set_task_queue(from.task_queue());
  how.set_version(from.version());
  how.set_start_to_close_us(micros(from.start_to_close_timeout()));
  how.set_schedule_to_start_us(micros(from.schedule_to_start_timeout()));
  how.set_schedule_to_close_us(micros(from.schedule_to_close_timeout()));
  how.set_heartbeat_us(micros(from.heartbeat_timeout()));
  if (from.survives()) how.set_cancellation(messages::ABANDON);
  if (from.has_retry()) {
    messages::RetryPolicy& retry = *how.mutable_retry();
    retry.set_max_attempts(from.retry().max_attempts());
    retry.set_initial_interval_us(micros(from.retry().initial_interval()));
    retry.set_backoff_coefficient(from.retry().backoff_coefficient());
    retry.set_max_interval_us(micros(from.retry().max_interval()));
    *retry.mutable_non_retryable_types() = from.retry().non_retryable_types();
    retry.set_jitter(from.retry().jitter());
  }
  if (how.ByteSizeLong() > 0) *to.mutable_options() = std::move(how);
}

void read(const wire::StartChildCommand& from, messages::StartChildWorkflowExecutionInitiated& to) {
  if (from.parent_close() > wire::StartChildCommand::PARENT_CLOSE_ABANDON || from.reuse() > wire::WORKFLOW_ID_REUSE_TERMINATE_EXISTING) {
    throw control_error(control_errc::invalid_argument, "a child's policy is unknown here");
  }
  to.set_workflow_type(from.workflow_type());
  to.set_workflow_id(from.workflow_id());
  if (has_value(from.input())) *to.mutable_input() = journaled(from.input());
  to.set_parent_close_policy(
      static_cast<messages::StartChildWorkflowExecutionInitiated::ParentClosePolicy>(std::max(from.parent_close() - 1, 0)));
  to.set_reuse_policy(static_cast<messages::WorkflowIdReusePolicy>(std::max(from.reuse() - 1, 0)));
  to.set_execution_timeout_us(micros(from.execution_timeout()));
  to.set_run_timeout_us(micros(from.run_timeout()));
  to.set_version(from.version());
  to.set_label(from.label());
}

void read(const wire::SignalCommand& from, messages::SignalExternalWorkflowExecutionInitiated& to) {
  to.set_workflow_id(from.workflow_id());
  to.set_signal_name(from.signal_name());
  *to.mutable_input() = journaled(from.input());
  to.set_start_type(from.start_type());
  if (!from.start_type().empty()) *to.mutable_start_input() = journaled(from.start_input());
}

void read(const wire::ContinueAsNewCommand& from, deciders::commands& to) {
  auto& next = *to.events.back().mutable_workflow_execution_continued_as_new();
  if (has_value(from.input())) *next.mutable_input() = journaled(from.input());
  for (const wire::Signal& each : from.unread_signals()) {
    messages::WorkflowExecutionSignaled& signal = to.unread_signals.emplace_back();
    signal.set_signal_name(each.name());
    *signal.mutable_input() = journaled(each.input());
  }
}

void read_end(const wire::Command& from, deciders::commands& to) {
  E& event = to.events.back();
  switch (from.command_case()) {
    case wire::Command::kCompleteWorkflow: {
      auto& completed = *event.mutable_workflow_execution_completed();
      if (has_value(from.complete_workflow().result())) *completed.mutable_result() = journaled(from.complete_workflow().result());
      return;
    }
    case wire::Command::kFailWorkflow:
      *event.mutable_workflow_execution_failed()->mutable_failure() = journaled(from.fail_workflow().failure());
      return;
    case wire::Command::kCancelWorkflow: event.mutable_workflow_execution_canceled(); return;
    case wire::Command::kContinueAsNew: return read(from.continue_as_new(), to);
    default: return;  // an event of no kind, which no run knows
  }
}

void read(const wire::Command& from, deciders::commands& to) {
  E& event = to.events.emplace_back();
  switch (from.command_case()) {
    case wire::Command::kScheduleActivity: return read(from.schedule_activity(), *event.mutable_activity_task_scheduled());
    case wire::Command::kCancelActivity: {
      auto& request = *event.mutable_activity_task_cancel_requested();
      request.set_scheduled_seq(from.cancel_activity().scheduled_seq());
      request.set_wait_for_end(from.cancel_activity().wait_for_end());
      return;
    }
    case wire::Command::kStartTimer:
      event.mutable_timer_started()->set_fire_at_us(micros(from.start_timer().delay()));
      event.mutable_timer_started()->set_label(from.start_timer().label());
      return;
    case wire::Command::kCancelTimer: event.mutable_timer_canceled()->set_started_seq(from.cancel_timer().started_seq()); return;
    case wire::Command::kStartChild: return read(from.start_child(), *event.mutable_start_child_workflow_execution_initiated());
    case wire::Command::kCancelChild: {
      auto& request = *event.mutable_request_cancel_child_workflow_execution_initiated();
      request.set_initiated_seq(from.cancel_child().initiated_seq());
      request.set_reason(from.cancel_child().reason());
      return;
    }
    case wire::Command::kSignal: return read(from.signal(), *event.mutable_signal_external_workflow_execution_initiated());
    case wire::Command::kRecordSideEffect:
      event.mutable_step_scheduled()->set_name(from.record_side_effect().name());
      to.values[to.events.size() - 1] = journaled(from.record_side_effect().value());
      return;
    case wire::Command::kRecordPatch: event.mutable_patch_recorded()->set_patch_id(from.record_patch().patch_id()); return;
    case wire::Command::kCompleteUpdate: {
      auto& done = *event.mutable_workflow_execution_update_completed();
      done.set_update_id(from.complete_update().update_id());
      if (from.complete_update().has_failure()) {
        *done.mutable_failure() = journaled(from.complete_update().failure());
      } else if (has_value(from.complete_update().result())) {
        *done.mutable_result() = journaled(from.complete_update().result());
      }
      return;
    }
    default: return read_end(from, to);
  }
}

}  // namespace

deciders::verdict from_wire(const wire::Decision& from) {
  deciders::verdict to;
  switch (from.how_case()) {
    case wire::Decision::kRejected:
      to.what = deciders::verdict::kind::rejected;
      to.why = journaled(from.rejected());
      break;
    case wire::Decision::kFailed:
      to.what = deciders::verdict::kind::failed;
      to.message = from.failed().empty() ? "its worker can't go on with it, and does not say why" : "its worker can't go on with it: " + from.failed();
      break;
    case wire::Decision::kRunEvicted: to.what = deciders::verdict::kind::moved; break;
    default:
      for (const wire::Command& each : from.commands().commands()) read(each, to.wanted);
  }
  for (const wire::QueryResult& each : from.answers()) {
    deciders::query_answer& answer = to.answers.emplace_back();
    answer.id = each.id();
    if (each.has_failure()) {
      answer.failure = journaled(each.failure());
    } else {
      answer.value = journaled(each.value());
    }
  }
  return to;
}

}  // namespace evermill::server
