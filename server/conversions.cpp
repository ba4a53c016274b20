#include "server/conversions.hpp"

#include "base/clock.hpp"
#include "workflow/conversions.hpp"

namespace evermill::server {
namespace {

using code = grpc::StatusCode;

constexpr const char* blocked_details = "blocked";
constexpr const char* conflict_details = "conflict";

code to_code(control_errc errc) {
  switch (errc) {
    case control_errc::invalid_argument: return code::INVALID_ARGUMENT;
    case control_errc::unknown_workflow: return code::UNIMPLEMENTED;
    case control_errc::not_found: return code::NOT_FOUND;
    case control_errc::already_exists: return code::ALREADY_EXISTS;
    case control_errc::closed:
    case control_errc::blocked: return code::FAILED_PRECONDITION;
    case control_errc::conflict:
    case control_errc::refused: return code::ABORTED;
    case control_errc::overloaded: return code::RESOURCE_EXHAUSTED;
    case control_errc::storage: return code::DATA_LOSS;
    case control_errc::stopped:
    case control_errc::unreachable: return code::UNAVAILABLE;
    case control_errc::incompatible:
    case control_errc::internal: return code::INTERNAL;
  }
  return code::INTERNAL;
}

}  // namespace

grpc::Status to_status(const control_error& error) {
  return {to_code(error.code()), error.what(), error.code() == control_errc::blocked    ? blocked_details
                                               : error.code() == control_errc::conflict ? conflict_details
                                                                                        : ""};
}

control_error to_error(const grpc::Status& status, const std::string& who) {
  const std::string& message = status.error_message();
  switch (status.error_code()) {
    case code::INVALID_ARGUMENT: return {control_errc::invalid_argument, message};
    case code::UNIMPLEMENTED:
      if (!message.empty()) return {control_errc::unknown_workflow, message};
      return {control_errc::incompatible, who + " runs another version of evermill that does not know this request"};
    case code::NOT_FOUND: return {control_errc::not_found, message};
    case code::ALREADY_EXISTS: return {control_errc::already_exists, message};
    case code::FAILED_PRECONDITION:
      return {status.error_details() == blocked_details ? control_errc::blocked : control_errc::closed, message};
    case code::ABORTED: 
      return {status.error_details() == conflict_details ? control_errc::conflict : control_errc::refused, message};
    case code::RESOURCE_EXHAUSTED: return {control_errc::overloaded, message};
    case code::DATA_LOSS: return {control_errc::storage, message};
    case code::UNAVAILABLE:
    case code::CANCELLED:
      return {control_errc::stopped, who + " stopped before it answered; what it had acknowledged is kept"};
    case code::DEADLINE_EXCEEDED: return {control_errc::unreachable, who + " does not answer"};
    default: return {control_errc::internal, who + ": " + message};
  }
}

void to_wire(const listed_execution& from, wire::ListedExecution& to) {
  to.set_workflow_id(from.workflow_id);
  to.set_run_id(from.run_id);
  to.set_workflow_type(from.workflow_type);
  to.set_status(static_cast<wire::ExecutionStatus>(from.status));
  to.set_blocked(from.blocked);
  to.set_started_us(to_micros(from.started_at));
  to.set_closed_us(to_micros(from.closed_at));
}

listed_execution from_wire(const wire::ListedExecution& from) {
  return {from.workflow_id(), from.run_id(),          from.workflow_type(), static_cast<execution_status>(from.status()),
          from.blocked(),     from_micros(from.started_us()), from_micros(from.closed_us())};
}

void to_wire(const execution_description& from, wire::DescribeReply& to) {
  to_wire(listed_execution{from.workflow_id, from.run_id, from.workflow_type, from.status, from.blocked, from.started_at,
                           from.closed_at},
          *to.mutable_execution());
  to.set_blocked_message(from.blocked_message);
  to.set_blocked_at_event(from.blocked_at_event);
  to.set_partition(from.partition);
  to.set_events(from.events);
  for (const auto& activity : from.activities) {
    wire::OpenActivity& open = *to.add_activities();
    open.set_scheduled_seq(activity.scheduled_seq);
    open.set_activity_type(activity.activity_type);
    open.set_attempt(activity.attempt);
    if (activity.last_failure) workflow::to_message(*activity.last_failure, *open.mutable_last_failure());
    open.set_not_before_us(to_micros(activity.not_before));
    open.set_task_queue(activity.task_queue);
    open.set_version(activity.version);
    open.set_token(activity.token);
    open.set_undispatched(!activity.dispatched);
    open.set_completed_elsewhere(activity.completed_elsewhere);
    open.set_cancel_requested(activity.cancel_requested);
    if (activity.heartbeat_details) workflow::to_message(*activity.heartbeat_details, *open.mutable_heartbeat_details());
  }
  for (const auto& timer : from.timers) {
    wire::OpenTimer& open = *to.add_timers();
    open.set_started_seq(timer.started_seq);
    open.set_fire_at_us(to_micros(timer.fire_at));
  }
}

execution_description from_wire(const wire::DescribeReply& from) {
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
  for (const wire::OpenActivity& open : from.activities()) {
    auto& activity = to.activities.emplace_back();
    activity.scheduled_seq = open.scheduled_seq();
    activity.activity_type = open.activity_type();
    activity.attempt = open.attempt();
    if (open.has_last_failure()) activity.last_failure = workflow::from_message(open.last_failure());
    activity.not_before = from_micros(open.not_before_us());
    activity.task_queue = open.task_queue();
    activity.version = open.version();
    activity.token = open.token();
    activity.dispatched = !open.undispatched();
    activity.completed_elsewhere = open.completed_elsewhere();
    activity.cancel_requested = open.cancel_requested();
    if (open.has_heartbeat_details()) activity.heartbeat_details = workflow::from_message(open.heartbeat_details());
  }
  for (const wire::OpenTimer& open : from.timers()) {
    to.timers.push_back({open.started_seq(), from_micros(open.fire_at_us())});
  }
  return to;
}

void to_wire(const history_event& from, wire::HistoryEvent& to) {
  to.set_seq(from.seq);
  to.set_type(from.type);
  to.set_time_us(to_micros(from.time));
  to.set_json(from.json);
}

history_event from_wire(const wire::HistoryEvent& from) {
  return {from.seq(), from.type(), from_micros(from.time_us()), from.json()};
}

void to_wire(const update_end& from, wire::UpdateReply& to) {
  to.set_accepted(from.accepted);
  if (from.result) workflow::to_message(*from.result, *to.mutable_result());
  if (from.why) workflow::to_message(*from.why, *to.mutable_failure());
}

update_end from_wire(const wire::UpdateReply& from) {
  update_end to;
  to.accepted = from.accepted();
  if (from.has_result()) to.result = workflow::from_message(from.result());
  if (from.has_failure()) to.why = workflow::from_message(from.failure());
  return to;
}

void to_wire(std::string_view workflow_type, start_options&& from, wire::StartRequest& to) {
  to.set_workflow_id(std::move(from.id));
  to.set_workflow_type(std::string(workflow_type));
  to.set_request_id(std::move(from.request_id));
  to.set_reuse(static_cast<wire::WorkflowIdReuse>(from.reuse));
  to.set_execution_timeout_us(from.execution_timeout.count());
  to.set_run_timeout_us(from.run_timeout.count());
  to.set_version(std::move(from.version));
  if (!from.with_signal) return;
  to.set_with_signal(std::move(from.with_signal->name));
  workflow::to_message(std::move(from.with_signal->input), *to.mutable_signal_input());
}

start_options from_wire(const wire::StartRequest& from) {
  start_options to;
  to.id = from.workflow_id();
  to.request_id = from.request_id();
  to.reuse = static_cast<workflow_id_reuse>(from.reuse());
  to.execution_timeout = std::chrono::microseconds(from.execution_timeout_us());
  to.run_timeout = std::chrono::microseconds(from.run_timeout_us());
  to.version = from.version();
  if (!from.with_signal().empty()) to.with_signal = {from.with_signal(), workflow::from_message(from.signal_input())};
  return to;
}

void to_wire(const execution_end& from, wire::WaitReply& to) {
  to.set_status(static_cast<wire::ExecutionStatus>(from.status));
  if (from.result) workflow::to_message(*from.result, *to.mutable_result());
  if (from.cause) workflow::to_message(*from.cause, *to.mutable_cause());
}

execution_end from_wire(const wire::WaitReply& from) {
  execution_end to;
  to.status = static_cast<execution_status>(from.status());
  if (from.has_result()) to.result = workflow::from_message(from.result());
  if (from.has_cause()) to.cause = workflow::from_message(from.cause());
  return to;
}

namespace {

struct report_writer {
  wire::ReportActivityRequest& to;

  void operator()(activity_completed& what) {
    workflow::to_message(std::move(what.result), *to.mutable_completed()->mutable_result());
  }
  void operator()(failure& why) { workflow::to_message(why, *to.mutable_failed()); }
  void operator()(activity_heartbeat& what) {
    to.mutable_heartbeat();
    if (what.details) workflow::to_message(std::move(*what.details), *to.mutable_heartbeat()->mutable_details());
  }
  void operator()(activity_canceled&) { to.mutable_canceled(); }
};

}  // namespace

void to_wire(activity_report&& from, wire::ReportActivityRequest& to) { std::visit(report_writer{to}, from); }

activity_report from_wire(const wire::ReportActivityRequest& from) {
  using request = wire::ReportActivityRequest;
  switch (from.what_case()) {
    case request::kCompleted: return activity_completed{workflow::from_message(from.completed().result())};
    case request::kFailed: return workflow::from_message(from.failed());
    case request::kHeartbeat: {
      activity_heartbeat beat;
      if (from.heartbeat().has_details()) beat.details = workflow::from_message(from.heartbeat().details());
      return beat;
    }
    case request::kCanceled: return activity_canceled{};
    case request::WHAT_NOT_SET: break;
  }
  throw control_error(control_errc::invalid_argument, "the request does not say what to report of the activity");
}

}  // namespace evermill::server
