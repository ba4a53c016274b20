#include "server/local_control.hpp"

#include <unistd.h>

namespace evermill::server {
namespace {

template <class F>
auto translated(F&& call) {
  try {
    return call();
  } catch (const engine_error& error) {
    throw to_control_error(error);
  }
}

struct reporter {
  engine& to;
  std::string_view token;

  bool operator()(activity_completed& what) { return to.complete_activity(token, std::move(what.result)), false; }
  bool operator()(failure& why) { return to.fail_activity(token, why), false; }
  bool operator()(activity_heartbeat& what) { return to.heartbeat_activity(token, std::move(what.details)); }
  bool operator()(activity_canceled&) { return to.cancel_activity(token), false; }
};

control_errc to_control_errc(engine_errc code) {
  switch (code) {
    case engine_errc::invalid_argument: return control_errc::invalid_argument;
    case engine_errc::unknown_workflow: return control_errc::unknown_workflow;
    case engine_errc::not_found: return control_errc::not_found;
    case engine_errc::already_exists: return control_errc::already_exists;
    case engine_errc::closed: return control_errc::closed;
    case engine_errc::refused: return control_errc::refused;
    case engine_errc::blocked: return control_errc::blocked;
    case engine_errc::conflict: return control_errc::conflict;
    case engine_errc::locked:
    case engine_errc::storage: return control_errc::storage;
    case engine_errc::overloaded: return control_errc::overloaded;
    case engine_errc::unavailable: return control_errc::stopped;
  }
  return control_errc::internal;
}

}  // namespace

control_error to_control_error(const engine_error& error) { return {to_control_errc(error.code()), error.what()}; }

control_status local_control::status() {
  return translated([&] {
    const engine_statistics now = engine_.statistics();
    return control_status{std::string(version()), ::getpid(), engine_.definitions().workflow_names(), now.durability,
                          now.live_instances};
  });
}

started_execution local_control::start(std::string_view workflow_type, payload input, start_options options) {
  return translated([&] { return engine_.start(workflow_type, std::move(input), std::move(options)); });
}

void local_control::signal(std::string_view workflow_id, std::string_view signal_name, payload input,
                           std::string_view request_id) {
  translated([&] { engine_.signal(workflow_id, signal_name, std::move(input), request_id); });
}

payload local_control::query(std::string_view workflow_id, std::string_view query_name, payload input) {
  return translated([&] { return engine_.query(workflow_id, query_name, std::move(input)); });
}

void local_control::update(std::string_view workflow_id, std::string_view update_name, payload input,
                           std::string_view update_id, update_callback answer) {
  const auto ended = [answer](std::exception_ptr error, std::optional<payload> result) {
    if (!error) return answer(std::nullopt, {true, std::move(result), {}});
    try {
      std::rethrow_exception(error);
    } catch (const update_failed& failed) {
      answer(std::nullopt, {failed.accepted(), {}, failed.why()});
    } catch (const engine_error& failed) {
      answer(to_control_error(failed), {});
    } catch (const std::exception& failed) {
      answer(control_error(control_errc::internal, failed.what()), {});
    }
  };
  try {
    engine_.update(workflow_id, update_name, std::move(input), update_id, ended);
  } catch (const engine_error& error) {
    answer(to_control_error(error), {});
  }
}

void local_control::cancel(std::string_view workflow_id, std::string_view reason) {
  translated([&] { engine_.cancel(workflow_id, reason); });
}

void local_control::terminate(std::string_view workflow_id, std::string_view reason) {
  translated([&] { engine_.terminate(workflow_id, reason); });
}

void local_control::taint(std::string_view workflow_id) {
  translated([&] { engine_.taint(workflow_id); });
}

bool local_control::report_activity(std::string_view token, activity_report what) {
  return translated([&] { return std::visit(reporter{engine_, token}, what); });
}

void local_control::wait(std::string_view workflow_id, end_callback answer) {
  engine_.wait(workflow_id, [answer = std::move(answer)](std::optional<engine_error> error, execution_end end) {
    if (error) return answer(to_control_error(*error), {});
    answer(std::nullopt, std::move(end));
  });
}

execution_description local_control::describe(std::string_view workflow_id) {
  return translated([&] { return engine_.describe(workflow_id); });
}

std::vector<listed_execution> local_control::list(std::string_view after, std::size_t limit) {
  return translated([&] { return engine_.list(after, limit); });
}

std::vector<history_event> local_control::history(std::string_view workflow_id, std::uint64_t from_seq,
                                                  std::size_t limit) {
  return translated([&] { return engine_.history(workflow_id, from_seq, limit); });
}

std::vector<human_task_summary> local_control::human_tasks(const human_task_filter& filter, std::string_view after,
                                                           std::size_t limit) {
  return translated([&] { return engine_.human_tasks(filter, after, limit); });
}

human_task_description local_control::describe_human_task(std::string_view task_id) {
  return translated([&] { return engine_.describe_human_task(task_id); });
}

void local_control::claim_human_task(std::string_view task_id, std::string_view by, bool force) {
  translated([&] { engine_.claim_human_task(task_id, by, force); });
}

void local_control::release_human_task(std::string_view task_id, std::string_view by, bool force) {
  translated([&] { engine_.release_human_task(task_id, by, force); });
}

void local_control::delegate_human_task(std::string_view task_id, std::string_view by, std::string_view assignee,
                                        bool force) {
  translated([&] { engine_.delegate_human_task(task_id, by, assignee, force); });
}

void local_control::complete_human_task(std::string_view task_id, std::string_view by, payload answer, bool force) {
  translated([&] { engine_.complete_human_task(task_id, by, std::move(answer), force); });
}

std::vector<lock_description> local_control::locks(std::string_view after, std::size_t limit) {
  return translated([&] { return engine_.locks(after, limit); });
}

std::shared_ptr<void> local_control::follow(std::string_view workflow_id,
                                            std::function<void(const execution_progress&)> on_progress) {
  return translated([&] { return engine_.follow(workflow_id, std::move(on_progress)); });
}

}  // namespace evermill::server
