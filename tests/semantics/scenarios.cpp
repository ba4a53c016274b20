#include <algorithm>

#include "scenario.hpp"

namespace evermill::semantics {

const std::vector<scenario>& scenarios() {
  static const std::vector<scenario> all = [] {
    std::vector<scenario> found;
    for (const auto topic : {activity_scenarios, limit_scenarios, waiting_scenarios, ending_scenarios, handler_scenarios, start_scenarios,
                             scope_scenarios, version_scenarios, human_task_scenarios, lock_scenarios}) {
      for (scenario& each : topic()) found.push_back(std::move(each));
    }
    return found;
  }();
  return all;
}

void client::signal_once(const std::string& id, const evermill::signal<std::string>& which, const std::string& value) {
  try {
    signal(id, which.name, codec<std::string>::encode(value), value);
  } catch (const engine_error& error) {
    if (error.code() != engine_errc::closed) throw;
  }
}

bool client::exists(const std::string& id) {
  try {
    return describe(id), true;
  } catch (const engine_error& error) {
    if (error.code() != engine_errc::not_found) throw;
    return false;
  }
}

void client::cancel_once(const std::string& id) {
  if (!ended(id) && !has_event(id, "WorkflowExecutionCancelRequested")) cancel(id);
}

void client::terminate_once(const std::string& id) {
  if (!ended(id)) terminate(id);
}

std::optional<human_task_summary> client::task_of(const std::string& id) {
  std::optional<human_task_summary> found;
  until([&] {
    for (human_task_summary& task : human_tasks()) {
      if (task.workflow_id == id) found = std::move(task);
    }
    return found || ended(id);
  });
  return found;
}

bool client::is_known_to_lock(const std::string& lock, const std::string& id) {
  for (const lock_description& each : locks()) {
    const auto is_it = [&](const lock_description::user& user) { return user.workflow_id == id; };
    if (each.name != lock) continue;
    return std::ranges::any_of(each.holders, is_it) || std::ranges::any_of(each.waiters, is_it);
  }
  return false;
}

bool client::has_event(const std::string& id, std::string_view type, std::size_t count) {
  const std::vector<history_event> events = history(id);
  return static_cast<std::size_t>(std::ranges::count(events, type, &history_event::type)) >= count;
}

}  // namespace evermill::semantics
