#include "server/security/permission.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/namespaces.hpp"

namespace evermill::server::security {
namespace {

/// Which right an action takes.
enum class right : std::uint8_t {
  read,
  operate,
  admin,
  activities,           ///< worker of the task queue
  activity_or_operate,  ///< either
  workflows,            ///< worker of the workflow type
  read_all,
  admin_all,  ///< on every namespace
  everybody,
};

struct rule_of_action {
  std::string_view name;
  right needed;
  bool changes;
};

constexpr std::array<rule_of_action, action_count> rules{{
    {"describe_workflow", right::read, false},
    {"list_workflows", right::read, false},
    {"count_workflows", right::read, false},
    {"read_history", right::read, false},
    {"follow_workflow", right::read, false},
    {"get_result", right::read, false},
    {"query_workflow", right::read, false},
    {"list_human_tasks", right::read, false},
    {"describe_human_task", right::read, false},
    {"list_task_queues", right::read, false},
    {"list_locks", right::read, false},
    {"list_definitions", right::read, false},
    {"describe_definition", right::read, false},
    {"describe_namespace", right::read, false},
    {"start_workflow", right::operate, true},
    {"signal_workflow", right::operate, true},
    {"signal_with_start", right::operate, true},
    {"update_workflow", right::operate, true},
    {"cancel_workflow", right::operate, true},
    {"terminate_workflow", right::operate, true},
    {"taint_workflow", right::operate, true},
    {"claim_human_task", right::operate, true},
    {"complete_human_task", right::operate, true},
    {"delegate_human_task", right::operate, true},
    {"complete_activity_by_token", right::activity_or_operate, true},
    {"put_definition", right::operate, true},
    {"delete_definition", right::admin, true},
    {"purge_workflow", right::admin, true},
    {"import_journal", right::admin, true},
    {"export_journal", right::read, false},
    {"poll_activity_tasks", right::activities, false},
    {"report_activity", right::activities, false},
    {"poll_workflow_tasks", right::workflows, false},
    {"decide_workflow", right::workflows, false},
    {"cluster_status", right::read_all, false},
    {"change_log_level", right::admin_all, true},
    {"manage_namespaces", right::admin_all, true},
    {"manage_nodes", right::admin_all, true},
    {"list_namespaces", right::everybody, false},
}};

const rule_of_action& rule_of(action which) { return rules[static_cast<std::size_t>(which)]; }

/// read ⊂ operate ⊂ admin; worker is apart.
bool covers(scope granted, scope needed) { return granted != scope::worker && granted >= needed; }

bool covers(const grant& given, right needed, const resource& of) {
  const bool worker = given.what == scope::worker;
  switch (needed) {
    case right::read:
    case right::read_all:
      return covers(given.what, scope::read);
    case right::operate:
      return covers(given.what, scope::operate);
    case right::admin:
    case right::admin_all:
      return covers(given.what, scope::admin);
    case right::activities:
      return worker && given.task_queues.has(of.task_queue);
    case right::activity_or_operate:
      return covers(given.what, scope::operate) || (worker && given.task_queues.has(of.task_queue));
    case right::workflows:
      return worker && given.workflow_types.has(of.workflow_type);
    case right::everybody:
      return true;
  }
  return false;
}

bool is_of_all(right needed) { return needed == right::read_all || needed == right::admin_all; }

std::string joined(const name_set& of) {
  std::string text;
  for (const std::string& name : of.names()) text.append(text.empty() ? "" : ",").append(name);
  return text;
}

std::string needed_text(right needed, const resource& of) {
  switch (needed) {
    case right::read:
      return "the scope read";
    case right::operate:
      return "the scope operate";
    case right::admin:
      return "the scope admin";
    case right::activities:
      return "the scope worker of the task queue \"" + std::string(of.task_queue) + "\"";
    case right::activity_or_operate:
      return "the scope operate, or worker of the task queue";
    case right::workflows:
      return "the scope worker of the workflow type \"" + std::string(of.workflow_type) + "\"";
    case right::read_all:
      return "the scope read on all namespaces (\"*\")";
    case right::admin_all:
      return "the scope admin on all namespaces (\"*\")";
    case right::everybody:
      return "a grant on some namespace";
  }
  return {};
}

}  // namespace

std::string_view scope_name(scope which) noexcept {
  constexpr std::array<std::string_view, 4> names{"read", "operate", "admin", "worker"};
  return names[static_cast<std::size_t>(which)];
}

std::optional<scope> scope_named(std::string_view name) noexcept {
  for (const scope each : {scope::read, scope::operate, scope::admin, scope::worker}) {
    if (scope_name(each) == name) return each;
  }
  return std::nullopt;
}

name_set::name_set(std::vector<std::string> names) {
  for (std::string& name : names) {
    if (name == "*") all_ = true;
    names_.insert(std::move(name));
  }
  if (all_) names_.clear();
}

std::vector<std::string> name_set::names() const {
  if (all_) return {"*"};
  return {names_.begin(), names_.end()};
}

std::string to_string(const grant& of) {
  std::string text = std::string(scope_name(of.what)) + ":" + joined(of.namespaces);
  if (!of.task_queues.empty()) text += ":" + joined(of.task_queues);
  if (!of.workflow_types.empty()) text += " (workflow types " + joined(of.workflow_types) + ")";
  return text;
}

std::string_view action_name(action which) noexcept { return rule_of(which).name; }
bool changes(action which) noexcept { return rule_of(which).changes; }

std::string_view authentication_name(authentication which) noexcept {
  constexpr std::array<std::string_view, 4> names{"none", "token", "jwt", "certificate"};
  return names[static_cast<std::size_t>(which)];
}

bool principal::sees(std::string_view name_space) const {
  return std::any_of(grants.begin(), grants.end(), [&](const grant& each) { return each.namespaces.has(name_space); });
}

principal make_anonymous() {
  principal anybody;
  anybody.name = anybody.id = "anonymous";
  const grant everything{scope::admin, name_set::every(), {}, {}};
  const grant all_work{scope::worker, name_set::every(), name_set::every(), name_set::every()};
  anybody.grants = {everything, all_work};
  return anybody;
}

decision allows(const principal& who, action what, std::string_view name_space, const resource& of) {
  const right needed = rule_of(what).needed;
  const bool of_all = is_of_all(needed);
  for (const grant& each : who.grants) {
    const bool here = of_all ? each.namespaces.all() : needed == right::everybody || each.namespaces.has(name_space);
    if (here && covers(each, needed, of)) return decision::allowed;
  }
  // Who has no grant at all is told nothing of namespaces; what concerns all of them is no secret, and forbidden.
  if (of_all || needed == right::everybody) return decision::forbidden;
  return who.sees(name_space) ? decision::forbidden : decision::hidden;
}

std::string refusal_text(decision why, const principal& who, action what, std::string_view name_space, const resource& of) {
  if (why == decision::allowed) return {};
  if (why == decision::hidden) return unknown_namespace_text(name_space);
  const right needed = rule_of(what).needed;
  std::string text =
      "\"" + who.name + "\" may not do this (" + std::string(action_name(what)) + "): it takes " + needed_text(needed, of);
  if (!is_of_all(needed) && needed != right::everybody) text += " on the namespace \"" + std::string(name_space) + "\"";
  return text;
}

std::string unknown_namespace_text(std::string_view name_space) { return namespaces::unknown_text(name_space); }

}  // namespace evermill::server::security
