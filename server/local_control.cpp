#include "server/local_control.hpp"

#include <unistd.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/namespaces.hpp"

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
  std::string token;

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

local_control control_of(engine& engine, std::string_view name_space) {
  if (engine.has_namespace(name_space)) return local_control(engine, name_space);
  throw control_error(control_errc::not_found, namespaces::unknown_text(name_space));
}

control_error to_control_error(const engine_error& error) {
  const control_errc code = to_control_errc(error.code());
  return error.retry_after() ? control_error(code, error.what(), *error.retry_after()) : control_error(code, error.what());
}

local_control::local_control(engine& engine, std::string_view name_space)
    : engine_(engine),
      name_space_(name_space.empty() ? namespaces::default_name : name_space),
      prefix_(translated([&] { return in_namespace(name_space_, {}); })) {}

std::string local_control::kept(std::string_view id) const { return id.empty() ? std::string() : in_namespace(name_space_, id); }

std::string local_control::in_engine(std::string_view id) const {
  return translated([&] { return kept(id); });
}

/// Ids of one namespace are told without it.
void local_control::show(human_task_summary& of) const {
  of.task_id.erase(0, prefix_.size());
  of.workflow_id.erase(0, prefix_.size());
}

control_status local_control::status() {
  return translated([&] {
    return control_status{std::string(version()), ::getpid(), engine_.definitions().workflow_names(),
                          engine_.why_not_ready().value_or(""), engine_.log_level(), engine_.statistics()};
  });
}

void local_control::set_log_level(std::string_view level) {
  translated([&] { engine_.set_log_level(level); });
}

void local_control::start(std::string_view workflow_type, payload input, start_options options, start_callback answer) {
  const auto told = [answer](std::optional<engine_error> error, started_execution started) {
    started.workflow_id = split_id(started.workflow_id).id;
    answer(error ? std::optional(to_control_error(*error)) : std::nullopt, std::move(started));
  };
  try {
    options.id = in_namespace(name_space_, options.id);
    engine_.start(workflow_type, std::move(input), std::move(options), told);
  } catch (const engine_error& error) {
    answer(to_control_error(error), {});
  }
}

namespace {

/// `ask(callback)` asks the engine, and throws what is wrong with the arguments.
template <class Ask>
void ask_engine(const control::done_callback& done, Ask&& ask) {
  try {
    ask([done](std::optional<engine_error> error) {
      done(error ? std::optional(to_control_error(*error)) : std::nullopt);
    });
  } catch (const engine_error& error) {
    done(to_control_error(error));
  }
}

}  // namespace

void local_control::signal(std::string_view workflow_id, std::string_view signal_name, payload input,
                           std::string_view request_id, done_callback done) {
  ask_engine(done, [&](engine::done_callback told) {
    engine_.signal(kept(workflow_id), signal_name, std::move(input), request_id, std::move(told));
  });
}

payload local_control::query(std::string_view workflow_id, std::string_view query_name, payload input) {
  return translated([&] { return engine_.query(kept(workflow_id), query_name, std::move(input)); });
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
    engine_.update(kept(workflow_id), update_name, std::move(input), update_id, ended);
  } catch (const engine_error& error) {
    answer(to_control_error(error), {});
  }
}

void local_control::cancel(std::string_view workflow_id, std::string_view reason, done_callback done) {
  ask_engine(done, [&](engine::done_callback told) { engine_.cancel(kept(workflow_id), reason, std::move(told)); });
}

void local_control::terminate(std::string_view workflow_id, std::string_view reason, done_callback done) {
  ask_engine(done, [&](engine::done_callback told) { engine_.terminate(kept(workflow_id), reason, std::move(told)); });
}

void local_control::taint(std::string_view workflow_id) {
  translated([&] { engine_.taint(kept(workflow_id)); });
}

bool local_control::report_activity(std::string_view token, activity_report what) {
  return translated([&] { return std::visit(reporter{engine_, namespaces::marked(name_space_, token)}, what); });
}

namespace {

auto telling_end(control::end_callback answer) {
  return [answer = std::move(answer)](std::optional<engine_error> error, execution_end end) {
    if (error) return answer(to_control_error(*error), {});
    answer(std::nullopt, std::move(end));
  };
}

}  // namespace

void local_control::wait(std::string_view workflow_id, end_callback answer) {
  std::string id;
  try {
    id = kept(workflow_id);
  } catch (const engine_error& error) {
    return answer(to_control_error(error), {});
  }
  engine_.wait(id, telling_end(std::move(answer)));
}

std::shared_ptr<void> local_control::on_end(std::string_view workflow_id, end_callback answer) {
  std::string id;
  try {
    id = kept(workflow_id);
  } catch (const engine_error& error) {
    answer(to_control_error(error), {});
    return nullptr;
  }
  return engine_.on_end(id, telling_end(std::move(answer)));
}

execution_description local_control::describe(std::string_view workflow_id) {
  return translated([&] {
    execution_description about = engine_.describe(kept(workflow_id));
    about.workflow_id.erase(0, prefix_.size());
    return about;
  });
}

execution_page local_control::list(const execution_filter& filter, std::string_view page_token, std::size_t limit) {
  execution_filter wanted = filter;
  wanted.name_space = name_space_;
  return translated([&] {
    execution_page page = engine_.list(wanted, page_token, limit);
    for (listed_execution& each : page.executions) each.workflow_id.erase(0, prefix_.size());
    return page;
  });
}

execution_counts local_control::counts(const execution_filter& filter) {
  execution_filter wanted = filter;
  wanted.name_space = name_space_;
  return translated([&] { return engine_.counts(wanted); });
}

std::vector<history_event> local_control::history(std::string_view workflow_id, std::uint64_t from_seq,
                                                  std::size_t limit) {
  return translated([&] { return engine_.history(kept(workflow_id), from_seq, limit); });
}

history_page local_control::read_history(std::string_view workflow_id, std::uint64_t run_number, std::uint64_t from_seq,
                                         std::size_t limit) {
  return translated([&] { return engine_.read_history(kept(workflow_id), run_number, from_seq, limit); });
}

std::vector<human_task_summary> local_control::human_tasks(const human_task_filter& filter, std::string_view after,
                                                           std::size_t limit) {
  human_task_filter wanted = filter;
  wanted.name_space = name_space_;
  return translated([&] {
    auto tasks = engine_.human_tasks(wanted, kept(after), limit);
    for (human_task_summary& each : tasks) show(each);
    return tasks;
  });
}

human_task_description local_control::describe_human_task(std::string_view task_id) {
  return translated([&] {
    human_task_description about = engine_.describe_human_task(kept(task_id));
    show(about);
    return about;
  });
}

void local_control::claim_human_task(std::string_view task_id, std::string_view by, bool force) {
  translated([&] { engine_.claim_human_task(kept(task_id), by, force); });
}

void local_control::release_human_task(std::string_view task_id, std::string_view by, bool force) {
  translated([&] { engine_.release_human_task(kept(task_id), by, force); });
}

void local_control::delegate_human_task(std::string_view task_id, std::string_view by, std::string_view assignee,
                                        bool force) {
  translated([&] { engine_.delegate_human_task(kept(task_id), by, assignee, force); });
}

void local_control::complete_human_task(std::string_view task_id, std::string_view by, payload answer, bool force) {
  translated([&] { engine_.complete_human_task(kept(task_id), by, std::move(answer), force); });
}

std::vector<lock_description> local_control::locks(std::string_view after, std::size_t limit) {
  return translated([&] {
    auto locks = engine_.locks(after.empty() ? prefix_ : kept(after), limit);
    for (lock_description& lock : locks) {
      lock.id.erase(0, prefix_.size());
      for (auto* const users : {&lock.holders, &lock.waiters}) {
        for (lock_description::user& each : *users) each.workflow_id.erase(0, prefix_.size());
      }
    }
    return locks;
  });
}

known_definitions local_control::definitions() {
  return translated([&] { return engine_.list_definitions(); });
}

std::vector<task_queue_description> local_control::task_queues() {
  return translated([&] {
    std::map<std::string, task_queue_description> by_name;
    for (task_queue_description& each : engine_.task_queues()) {
      const bool is_of_all = namespaces::prefix_in(each.name).empty();  // the process's own
      if (!is_of_all && namespaces::prefix_in(each.name) != prefix_) continue;
      each.name = std::string(namespaces::plain(each.name));
      const auto [known, is_new] = by_name.try_emplace(each.name, each);
      if (is_new) continue;
      known->second.waiting += each.waiting;
      known->second.running += each.running;
      known->second.workers += each.workers;
    }
    std::vector<task_queue_description> found;
    for (auto& [name, each] : by_name) found.push_back(std::move(each));
    return found;
  });
}

std::shared_ptr<void> local_control::follow(std::string_view workflow_id,
                                            std::function<void(const execution_progress&)> on_progress) {
  const std::string id = in_engine(workflow_id);
  const auto of_namespace = [prefix = prefix_, on_progress = std::move(on_progress)](const execution_progress& progress) {
    if (namespaces::prefix_in(progress.workflow_id) != prefix) return;
    execution_progress shown = progress;
    shown.workflow_id.erase(0, prefix.size());
    on_progress(shown);
  };
  return translated([&] { return engine_.follow(id, of_namespace); });
}

}  // namespace evermill::server
