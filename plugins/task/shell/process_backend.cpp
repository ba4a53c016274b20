#include "plugins/task/shell/process_backend.hpp"

#include <exception>
#include <map>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "evermill/codec.hpp"
#include "evermill/exceptions.hpp"
#include "plugins/task/attempt_threads.hpp"
#include "plugins/task/shell/process_outcome.hpp"
#include "workflow/conversions.hpp"

namespace evermill::tasks {
namespace {

using task_ptr = std::shared_ptr<const messages::ActivityTask>;

std::map<std::string, std::string> environment_of(const messages::ActivityTask& task) {
  const dispatch_id id = dispatch_id_of(task);
  std::map<std::string, std::string> env{
      {"EVERMILL_WORKFLOW_ID", task.workflow_id()},     {"EVERMILL_RUN_ID", task.run_id()},
      {"EVERMILL_DISPATCH_ID", to_string(id)},          {"EVERMILL_IDEMPOTENCY_KEY", idempotency_key(id)},
      {"EVERMILL_ATTEMPT", std::to_string(id.attempt)}, {"EVERMILL_HEARTBEAT_FD", std::to_string(heartbeat_descriptor)}};
  if (task.has_heartbeat_details()) env["EVERMILL_HEARTBEAT_DETAILS"] = task.heartbeat_details().data();
  for_each_trace_header(task, [&](const char* name, const std::string& value) {
    env[name == std::string_view("traceparent") ? "TRACEPARENT" : "TRACESTATE"] = value;
  });
  return env;
}

/// What a line of heartbeats says: JSON, or text.
messages::Payload details_of(std::string&& line) {
  messages::Payload details;
  const bool json = !nests_too_deeply(line) && nlohmann::json::accept(line);
  workflow::to_message(json ? json_payload(std::move(line)) : codec<std::string>::encode(to_utf8(std::move(line))), details);
  return details;
}

/// What each attempt does: on a thread of its own, which waits in poll(2) for its process.
class process_work {
 public:
  process_work(process_kind kind, const shell_options& options) : kind_(std::move(kind)), options_(options) {}

  outcome operator()(const task_ptr& task, attempt_signal& signal, attempt_watch& watch) const {
    attempt_secrets secrets(options_.secrets);
    outcome how = run(task, signal, watch, secrets);
    secrets.hide(how);
    return how;
  }

 private:
  outcome run(const task_ptr& task, attempt_signal& signal, attempt_watch& watch, attempt_secrets& secrets) const {
    try {
      process_plan plan = kind_.plan(*secrets.reveal(task));
      plan.command.env.merge(environment_of(*task));  // what the command says goes before
      process_control control{signal.descriptor(), &signal.grace(), {}, {}, options_.cgroups};
      control.on_heartbeat = [&](std::string&& line) {
        messages::Payload details = details_of(std::move(line));
        secrets.hide(details);
        watch.heartbeat(std::move(details));
      };
      std::unique_ptr<output_tails::writer> tail;
      if (options_.tails != nullptr) {
        tail = options_.tails->open(*task, [&secrets](std::string& text) { secrets.hide_cut(text); });
      }
      control.on_output = [&](output_stream which, std::string_view text) {
        if (tail) tail->add(text);
        if (options_.on_output) options_.on_output(*task, which, text);
      };
      process_end end = run_process(plan.command, control);
      if (plan.examine) plan.examine(end);
      return outcome_of(std::move(end), plan.command, plan.check, secrets);
    } catch (const payload_error& error) {
      return failure_of(failure_kind::invalid_payload, "InvalidPayload", to_utf8(error.what()), true);
    } catch (const secret_error& error) {
      return failure_of(error);
    } catch (const std::exception& error) {
      return failure_of(failure_kind::application, "CannotStart", to_utf8(error.what()), false);
    }
  }

  process_kind kind_;
  shell_options options_;
};

}  // namespace

std::unique_ptr<task_backend> make_process_backend(process_kind kind, const shell_options& options, on_attempt_end report) {
  attempt_threads_options threads;
  threads.activity_type = kind.activity_type;
  threads.threads = options.max_processes;
  threads.time = options.time;
  threads.kill_grace = options.kill_grace;
  threads.on_heartbeat = options.on_heartbeat;
  threads.on_start = options.on_start;
  return make_attempt_threads(threads, process_work(std::move(kind), options), std::move(report));
}

}  // namespace evermill::tasks
