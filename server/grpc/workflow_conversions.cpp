// Executions: starts, ends, descriptions, histories.
#include "base/clock.hpp"
#include "server/grpc/conversions.hpp"

namespace evermill::server {
namespace {

template <class Message>
void set_time(std::chrono::sys_time<std::chrono::microseconds> from, Message* (wire::Execution::*field)(), wire::Execution& to) {
  if (to_micros(from) != 0) to_wire(from, *(to.*field)());
}

execution_status status_from(wire::ExecutionStatus from) { return static_cast<execution_status>(from); }
wire::ExecutionStatus status_to(execution_status from) { return static_cast<wire::ExecutionStatus>(from); }

workflow_id_reuse reuse_from(wire::WorkflowIdReuse from) {
  switch (from) {
    case wire::WORKFLOW_ID_REUSE_UNSPECIFIED:
    case wire::WORKFLOW_ID_REUSE_USE_EXISTING: return workflow_id_reuse::use_existing;
    case wire::WORKFLOW_ID_REUSE_REJECT_DUPLICATE: return workflow_id_reuse::reject_duplicate;
    case wire::WORKFLOW_ID_REUSE_ALLOW_AFTER_FAILURE: return workflow_id_reuse::allow_after_failure;
    case wire::WORKFLOW_ID_REUSE_ALLOW: return workflow_id_reuse::allow;
    case wire::WORKFLOW_ID_REUSE_TERMINATE_EXISTING: return workflow_id_reuse::terminate_existing;
    default: break;
  }
  throw control_error(control_errc::invalid_argument,
                      "the workflow id reuse policy " + std::to_string(from) + " is unknown here");
}

wire::WorkflowIdReuse reuse_to(workflow_id_reuse from) {
  switch (from) {
    case workflow_id_reuse::use_existing: return wire::WORKFLOW_ID_REUSE_USE_EXISTING;
    case workflow_id_reuse::reject_duplicate: return wire::WORKFLOW_ID_REUSE_REJECT_DUPLICATE;
    case workflow_id_reuse::allow_after_failure: return wire::WORKFLOW_ID_REUSE_ALLOW_AFTER_FAILURE;
    case workflow_id_reuse::allow: return wire::WORKFLOW_ID_REUSE_ALLOW;
    case workflow_id_reuse::terminate_existing: return wire::WORKFLOW_ID_REUSE_TERMINATE_EXISTING;
  }
  return wire::WORKFLOW_ID_REUSE_UNSPECIFIED;
}

void to_wire_activity(const execution_description::open_activity& from, wire::DescribeWorkflowResponse::OpenActivity& to) {
  to.set_scheduled_seq(from.scheduled_seq);
  to.set_activity_type(from.activity_type);
  to.set_attempt(from.attempt);
  if (from.last_failure) to_wire(*from.last_failure, *to.mutable_last_failure());
  if (to_micros(from.not_before) != 0) to_wire(from.not_before, *to.mutable_not_before());
  to.set_task_queue(from.task_queue);
  to.set_version(from.version);
  to.set_token(from.token);
  to.set_undispatched(!from.dispatched);
  to.set_completed_elsewhere(from.completed_elsewhere);
  to.set_cancel_requested(from.cancel_requested);
  if (from.heartbeat_details) to_wire(*from.heartbeat_details, *to.mutable_heartbeat_details());
}

execution_description::open_activity from_wire_activity(const wire::DescribeWorkflowResponse::OpenActivity& from) {
  execution_description::open_activity to;
  to.scheduled_seq = from.scheduled_seq();
  to.activity_type = from.activity_type();
  to.attempt = from.attempt();
  if (from.has_last_failure()) to.last_failure = from_wire(from.last_failure());
  if (from.has_not_before()) to.not_before = from_wire(from.not_before());
  to.task_queue = from.task_queue();
  to.version = from.version();
  to.token = from.token();
  to.dispatched = !from.undispatched();
  to.completed_elsewhere = from.completed_elsewhere();
  to.cancel_requested = from.cancel_requested();
  if (from.has_heartbeat_details()) to.heartbeat_details = from_wire(from.heartbeat_details());
  return to;
}

}  // namespace

void to_wire(std::string_view workflow_type, payload&& input, start_options&& from, wire::StartWorkflowRequest& to) {
  to.set_workflow_id(std::move(from.id));
  to.set_workflow_type(std::string(workflow_type));
  to_wire(std::move(input), *to.mutable_input());
  to.set_request_id(std::move(from.request_id));
  to.set_reuse(reuse_to(from.reuse));
  if (from.execution_timeout.count() != 0) to_wire(from.execution_timeout, *to.mutable_execution_timeout());
  if (from.run_timeout.count() != 0) to_wire(from.run_timeout, *to.mutable_run_timeout());
  to.set_version(std::move(from.version));
  if (!from.with_signal) return;
  to.mutable_with_signal()->set_name(std::move(from.with_signal->name));
  to_wire(std::move(from.with_signal->input), *to.mutable_with_signal()->mutable_input());
}

start_options from_wire(const wire::StartWorkflowRequest& from) {
  start_options to;
  to.id = from.workflow_id();
  to.request_id = from.request_id();
  to.reuse = reuse_from(from.reuse());
  if (from.has_execution_timeout()) to.execution_timeout = from_wire(from.execution_timeout());
  if (from.has_run_timeout()) to.run_timeout = from_wire(from.run_timeout());
  to.version = from.version();
  if (from.has_with_signal()) to.with_signal = start_signal{from.with_signal().name(), from_wire(from.with_signal().input())};
  return to;
}

void to_wire(const started_execution& from, wire::StartWorkflowResponse& to) {
  to.set_workflow_id(from.workflow_id);
  to.set_run_id(from.run_id);
  to.set_existed(from.existed);
}

started_execution from_wire(const wire::StartWorkflowResponse& from) {
  return {from.workflow_id(), from.run_id(), from.existed()};
}

void to_wire(const update_end& from, wire::UpdateWorkflowResponse& to) {
  to.set_accepted(from.accepted);
  if (from.result) to_wire(*from.result, *to.mutable_result());
  if (from.why) to_wire(*from.why, *to.mutable_failure());
}

update_end from_wire(const wire::UpdateWorkflowResponse& from) {
  update_end to;
  to.accepted = from.accepted();
  if (from.has_result()) to.result = from_wire(from.result());
  if (from.has_failure()) to.why = from_wire(from.failure());
  return to;
}

void to_wire(const execution_end& from, wire::GetResultResponse& to) {
  to.set_status(status_to(from.status));
  if (from.result) to_wire(*from.result, *to.mutable_result());
  if (from.cause) to_wire(*from.cause, *to.mutable_cause());
}

execution_end from_wire(const wire::GetResultResponse& from) {
  execution_end to;
  to.status = status_from(from.status());
  if (from.has_result()) to.result = from_wire(from.result());
  if (from.has_cause()) to.cause = from_wire(from.cause());
  return to;
}

void to_wire(const listed_execution& from, wire::Execution& to) {
  to.set_workflow_id(from.workflow_id);
  to.set_run_id(from.run_id);
  to.set_workflow_type(from.workflow_type);
  to.set_status(status_to(from.status));
  to.set_blocked(from.blocked);
  set_time(from.started_at, &wire::Execution::mutable_started_at, to);
  set_time(from.closed_at, &wire::Execution::mutable_closed_at, to);
  set_time(from.execution_started_at, &wire::Execution::mutable_execution_started_at, to);
}

listed_execution from_wire(const wire::Execution& from) {
  listed_execution to;
  to.workflow_id = from.workflow_id();
  to.run_id = from.run_id();
  to.workflow_type = from.workflow_type();
  to.status = status_from(from.status());
  to.blocked = from.blocked();
  if (from.has_started_at()) to.started_at = from_wire(from.started_at());
  if (from.has_closed_at()) to.closed_at = from_wire(from.closed_at());
  if (from.has_execution_started_at()) to.execution_started_at = from_wire(from.execution_started_at());
  return to;
}

void to_wire(const execution_filter& from, wire::ExecutionFilter& to) {
  for (const execution_status each : from.statuses) to.add_statuses(status_to(each));
  to.set_workflow_type(from.workflow_type);
  if (to_micros(from.started_from) != 0) to_wire(from.started_from, *to.mutable_started_from());
  if (to_micros(from.started_before) != 0) to_wire(from.started_before, *to.mutable_started_before());
  to.set_workflow_id_prefix(from.workflow_id_prefix);
  if (from.blocked) to.set_blocked(*from.blocked);
}

execution_filter from_wire(const wire::ExecutionFilter& from) {
  execution_filter to;
  for (const int each : from.statuses()) {
    if (each < wire::EXECUTION_STATUS_RUNNING || each > wire::EXECUTION_STATUS_TIMED_OUT) {
      throw control_error(control_errc::invalid_argument, "no execution has the status " + std::to_string(each));
    }
    to.statuses.push_back(static_cast<execution_status>(each));
  }
  to.workflow_type = from.workflow_type();
  if (from.has_started_from()) to.started_from = from_wire(from.started_from());
  if (from.has_started_before()) to.started_before = from_wire(from.started_before());
  to.workflow_id_prefix = from.workflow_id_prefix();
  if (from.has_blocked()) to.blocked = from.blocked();
  return to;
}

void to_wire(const execution_page& from, wire::ListWorkflowsResponse& to) {
  for (const listed_execution& row : from.executions) to_wire(row, *to.add_executions());
  to.set_next_page_token(from.next_page_token);
}

execution_page from_wire(const wire::ListWorkflowsResponse& from) {
  execution_page to;
  for (const wire::Execution& row : from.executions()) to.executions.push_back(from_wire(row));
  to.next_page_token = from.next_page_token();
  return to;
}

void to_wire(const execution_counts& from, wire::CountWorkflowsResponse& to) {
  to.set_count(from.total);
  to.set_blocked(from.blocked);
  for (const auto& [status, count] : from.by_status) {
    auto& one = *to.add_by_status();
    one.set_status(status_to(status));
    one.set_count(count);
  }
}

execution_counts from_wire(const wire::CountWorkflowsResponse& from) {
  execution_counts to{from.count(), from.blocked(), {}};
  for (const auto& each : from.by_status()) to.by_status[status_from(each.status())] = each.count();
  return to;
}

void to_wire(const execution_description& from, wire::DescribeWorkflowResponse& to) {
  to_wire(listed_execution{from.workflow_id, from.run_id, from.workflow_type, from.status, from.blocked, from.started_at,
                           from.closed_at},
          *to.mutable_execution());
  to.set_blocked_message(from.blocked_message);
  to.set_blocked_at_event(from.blocked_at_event);
  to.set_partition(from.partition);
  to.set_events(from.events);
  for (const auto& activity : from.activities) to_wire_activity(activity, *to.add_activities());
  for (const auto& timer : from.timers) {
    auto& open = *to.add_timers();
    open.set_started_seq(timer.started_seq);
    to_wire(timer.fire_at, *open.mutable_fire_at());
  }
}

execution_description from_wire(const wire::DescribeWorkflowResponse& from) {
  listed_execution about = from_wire(from.execution());
  execution_description to;
  to.workflow_id = std::move(about.workflow_id);
  to.run_id = std::move(about.run_id);
  to.workflow_type = std::move(about.workflow_type);
  to.status = about.status;
  to.blocked = std::move(about.blocked);
  to.blocked_message = from.blocked_message();
  to.blocked_at_event = from.blocked_at_event();
  to.started_at = about.started_at;
  to.closed_at = about.closed_at;
  to.partition = static_cast<std::uint16_t>(from.partition());
  to.events = from.events();
  for (const auto& open : from.activities()) to.activities.push_back(from_wire_activity(open));
  for (const auto& open : from.timers()) to.timers.push_back({open.started_seq(), from_wire(open.fire_at())});
  return to;
}

void to_wire(const history_event& from, wire::HistoryEvent& to) {
  to.set_seq(from.seq);
  to.set_type(from.type);
  to_wire(from.time, *to.mutable_time());
  to.set_json(from.json);
}

history_event from_wire(const wire::HistoryEvent& from) { return {from.seq(), from.type(), from_wire(from.time()), from.json()}; }

void to_wire(history_page&& from, wire::GetHistoryResponse& to) {
  to.set_run_number(from.run_number);
  to.set_run_id(std::move(from.run_id));
  to.set_ended(from.ended);
  to.set_next_run_number(from.next_run);
  for (const history_event& event : from.events) to_wire(event, *to.add_events());
}

history_page from_wire(const wire::GetHistoryResponse& from) {
  history_page to;
  to.run_number = from.run_number();
  to.run_id = from.run_id();
  to.ended = from.ended();
  to.next_run = from.next_run_number();
  for (const auto& event : from.events()) to.events.push_back(from_wire(event));
  return to;
}

}  // namespace evermill::server
