#include "engine/requests.hpp"

#include <string>
#include <utility>

#include "actors/run.hpp"
#include "base/namespaces.hpp"
#include "base/text.hpp"
#include "base/trace_context.hpp"
#include "engine/names.hpp"
#include "workflow/conversions.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill::requests {
namespace {

constexpr std::chrono::seconds when_full{1};  // until an execution may have ended

messages::DecisionEvent request_to(std::string_view workflow_id) {
  check_workflow_id(workflow_id);
  if (workflow::locks::is_lock(workflow_id)) {
    throw engine_error(engine_errc::invalid_argument,
                       "the workflow id \"" + std::string(namespaces::plain(workflow_id)) +
                           "\" is evermill's own (a lock): it takes no requests. End the execution that holds the lock instead");
  }
  messages::DecisionEvent event;
  event.set_workflow_id(std::string(workflow_id));
  return event;
}

void check_type(const registry& definitions, std::string_view workflow_type, const std::string& version) {
  if (definitions.find_workflow(workflow_type) == nullptr || workflow::locks::is_keeper(workflow_type)) {
    std::string known;
    for (const std::string& name : definitions.workflow_names()) known += (known.empty() ? "" : ", ") + name;
    throw engine_error(engine_errc::unknown_workflow, "no workflow named \"" + std::string(workflow_type) +
                                                          "\" is registered; there is: " +
                                                          (known.empty() ? "none" : known));
  }
  if (definitions.find_workflow(workflow_type, version) == nullptr) {
    throw engine_error(engine_errc::unknown_workflow, "the workflow \"" + std::string(workflow_type) + "\" is not registered in "
                                                      "version \"" + version + "\"");
  }
}

}  // namespace

messages::DecisionEvent start(const registry* definitions, random_source& random, std::string_view workflow_type,
                              payload&& input, start_options&& options) {
  if (definitions != nullptr || workflow::locks::is_keeper(workflow_type)) {
    check_type(definitions != nullptr ? *definitions : registry(), workflow_type, options.version);
  } else {
    check_name("name of a workflow", workflow_type);
  }
  messages::DecisionEvent event = request_to(namespaces::plain(options.id).empty() ? options.id + make_uuid(random) : options.id);
  if (workflow::locks::is_reserved(options.id) && !workflow::locks::is_reserved(workflow_type)) {
    throw engine_error(engine_errc::invalid_argument,
                       "the workflow id \"" + std::string(namespaces::plain(options.id)) + "\" is evermill's own; choose one that does not begin with \"" +
                           std::string(workflow::locks::reserved_prefix) + "\"");
  }
  check_size("input", input);
  auto& started = *event.mutable_event()->mutable_workflow_execution_started();
  started.set_workflow_type(std::string(workflow_type));
  started.set_run_id(make_uuid(random));
  workflow::to_message(std::move(input), *started.mutable_input());
  if (!options.request_id.empty()) {
    check_name("request id", options.request_id);
    event.set_request_id(actors::request_id_of(options.request_id));
  }
  event.set_reuse_policy(static_cast<messages::WorkflowIdReusePolicy>(options.reuse));
  if (options.execution_timeout.count() < 0 || options.run_timeout.count() < 0) {
    throw engine_error(engine_errc::invalid_argument, "a timeout of a start is negative");
  }
  event.set_execution_timeout_us(options.execution_timeout.count());
  started.set_run_timeout_us(options.run_timeout.count());
  started.set_version(options.version);
  if (tracing::parse_traceparent(options.traceparent)) {
    started.set_traceparent(std::move(options.traceparent));
    if (tracing::is_tracestate(options.tracestate)) started.set_tracestate(std::move(options.tracestate));
  }
  if (options.with_signal) {
    check_name("signal name", options.with_signal->name);
    check_size("signal's input", options.with_signal->input);
    event.mutable_with_signal()->set_signal_name(options.with_signal->name);
    workflow::to_message(std::move(options.with_signal->input), *event.mutable_with_signal()->mutable_input());
  }
  return event;
}

messages::DecisionEvent update(std::string_view workflow_id, std::string_view update_name, payload&& input,
                               std::string_view update_id) {
  messages::DecisionEvent event = request_to(workflow_id);
  check_name("update name", update_name);
  check_name("update id", update_id);
  check_size("update's input", input);
  event.set_request_id(actors::update_request_id(std::string(update_id)));
  auto& accepted = *event.mutable_event()->mutable_workflow_execution_update_accepted();
  accepted.set_update_id(std::string(update_id));
  accepted.set_update_name(std::string(update_name));
  workflow::to_message(std::move(input), *accepted.mutable_input());
  return event;
}

actors::query_request query(std::string_view workflow_id, std::string_view query_name, payload&& input) {
  check_workflow_id(workflow_id);
  check_name("query name", query_name);
  check_size("query's input", input);
  actors::query_request query{std::string(workflow_id), {0, std::string(query_name), {}}};
  workflow::to_message(std::move(input), query.what.input);
  return query;
}

messages::DecisionEvent signal(std::string_view workflow_id, std::string_view signal_name, payload&& input,
                               std::string_view request_id) {
  messages::DecisionEvent event = request_to(workflow_id);
  check_name("signal name", signal_name);
  check_size("signal's input", input);
  if (!request_id.empty()) {
    check_name("request id", request_id);
    event.set_request_id(actors::request_id_of(std::string(request_id)));
  }
  auto& signaled = *event.mutable_event()->mutable_workflow_execution_signaled();
  signaled.set_signal_name(std::string(signal_name));
  workflow::to_message(std::move(input), *signaled.mutable_input());
  return event;
}

messages::DecisionEvent cancel(std::string_view workflow_id, std::string_view reason) {
  messages::DecisionEvent event = request_to(workflow_id);
  event.mutable_event()->mutable_workflow_execution_cancel_requested()->set_reason(to_utf8(std::string(reason)));
  return event;
}

messages::DecisionEvent terminate(std::string_view workflow_id, std::string_view reason) {
  messages::DecisionEvent event = request_to(workflow_id);
  event.mutable_terminate()->set_reason(to_utf8(std::string(reason)));
  return event;
}

messages::DecisionEvent taint(std::string_view workflow_id) {
  messages::DecisionEvent event = request_to(workflow_id);
  event.mutable_taint();
  return event;
}

messages::DecisionEvent assign(const human_task_place& task, messages::HumanTaskAssigned::Kind kind, std::string_view by,
                               std::string_view assignee, bool force) {
  if (kind == messages::HumanTaskAssigned::CLAIMED) check_name("name of who claims the task", by);
  if (kind == messages::HumanTaskAssigned::DELEGATED) check_name("name of who gets the task", assignee);
  messages::DecisionEvent event = request_to(task.workflow_id);
  event.set_run_number(task.run.value);
  auto& assigned = *event.mutable_event()->mutable_human_task_assigned();
  assigned.set_created_seq(task.created.value);
  assigned.set_kind(kind);
  assigned.set_by(to_utf8(std::string(by)));
  assigned.set_assignee(to_utf8(std::string(assignee)));
  assigned.set_forced(force);
  return event;
}

messages::DecisionEvent complete(const human_task_place& task, std::string_view by, payload&& answer, bool force) {
  messages::DecisionEvent event = request_to(task.workflow_id);
  check_size("answer", answer);
  event.set_run_number(task.run.value);
  auto& completed = *event.mutable_event()->mutable_human_task_completed();
  completed.set_created_seq(task.created.value);
  completed.set_by(to_utf8(std::string(by)));
  completed.set_forced(force);
  if (answer.type != payload::content_type::json || !answer.data.empty()) {
    workflow::to_message(std::move(answer), *completed.mutable_answer());
  }
  return event;
}

engine_error error_of(const actors::answer& answer) {
  using outcome = actors::answer::outcome;
  const engine_errc code = answer.what == outcome::already_exists ? engine_errc::already_exists
                           : answer.what == outcome::not_found    ? engine_errc::not_found
                           : answer.what == outcome::closed       ? engine_errc::closed
                           : answer.what == outcome::refused      ? engine_errc::refused
                           : answer.what == outcome::blocked      ? engine_errc::blocked
                           : answer.what == outcome::conflict     ? engine_errc::conflict
                           : answer.what == outcome::overloaded   ? engine_errc::overloaded
                                                                  : engine_errc::unavailable;
  if (code == engine_errc::overloaded) return {code, namespaces::shown(answer.message), when_full};
  return {code, namespaces::shown(answer.message)};
}

}  // namespace evermill::requests
