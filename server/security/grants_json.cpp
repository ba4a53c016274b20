#include "server/security/grants_json.hpp"

#include <optional>
#include <utility>

#include "base/text.hpp"

namespace evermill::server::security {
namespace {

using nlohmann::json;
using grant_list = std::vector<grant>;

/// Throws std::string, as all below: what is wrong.
name_set names_of(const json& value, const std::string& member) {
  if (!value.is_array() || value.size() > max_grant_names) {
    throw "\"" + member + "\" must be a list of at most " + std::to_string(max_grant_names) + " names, or of \"*\"";
  }
  std::vector<std::string> names;
  for (const json& each : value) {
    if (!each.is_string()) throw "\"" + member + "\" must have names only";
    const auto& name = each.get_ref<const std::string&>();
    if (const auto why = why_no_name(name)) throw "a name in \"" + member + "\" " + *why;
    names.push_back(name);
  }
  return name_set(std::move(names));
}

scope scope_of(const json& value) {
  if (value.is_string()) {
    if (const auto known = scope_named(value.get_ref<const std::string&>())) return *known;
  }
  throw std::string("a scope must be read, operate, admin or worker");
}

std::vector<scope> scopes_of(const json& object) {
  const bool one = object.contains("scope"), several = object.contains("scopes");
  if (one == several) throw std::string("a grant has either \"scope\" or \"scopes\"");
  if (one) return {scope_of(object.at("scope"))};
  const json& list = object.at("scopes");
  if (!list.is_array() || list.size() > 4) throw std::string("\"scopes\" must be a list of scopes");
  std::vector<scope> all;
  for (const json& each : list) all.push_back(scope_of(each));
  return all;
}

void add_grants(const json& object, grant_list& to) {
  if (!object.is_object()) throw std::string("a grant must be an object");
  grant common;
  for (const auto& [member, value] : object.items()) {
    if (member == "namespaces") {
      common.namespaces = names_of(value, member);
    } else if (member == "task_queues") {
      common.task_queues = names_of(value, member);
    } else if (member == "workflow_types") {
      common.workflow_types = names_of(value, member);
    } else if (member != "scope" && member != "scopes") {
      throw "a grant has no member \"" + member.substr(0, 60) + "\"";
    }
  }
  const std::vector<scope> scopes = scopes_of(object);
  bool has_worker = false;
  for (const scope each : scopes) {
    grant made{each, common.namespaces, {}, {}};
    if (each == scope::worker) {
      made.task_queues = common.task_queues;
      made.workflow_types = common.workflow_types;
      has_worker = true;
    }
    if (std::string why = why_no_grant(made); !why.empty()) throw why;
    to.push_back(std::move(made));
  }
  if (!has_worker && !(common.task_queues.empty() && common.workflow_types.empty())) {
    throw std::string("task queues and workflow types belong to the scope worker");
  }
}

}  // namespace

json to_json(const grant& of) {
  json made{{"scope", scope_name(of.what)}, {"namespaces", of.namespaces.names()}};
  if (!of.task_queues.empty()) made["task_queues"] = of.task_queues.names();
  if (!of.workflow_types.empty()) made["workflow_types"] = of.workflow_types.names();
  return made;
}

json to_json(const std::vector<grant>& of) {
  json made = json::array();
  for (const grant& each : of) made.push_back(to_json(each));
  return made;
}

result<grant_list, std::string> grants_of(const json& value) {
  grant_list made;
  try {
    if (value.is_array()) {
      if (value.size() > max_grants) throw "more than " + std::to_string(max_grants) + " grants";
      for (const json& each : value) add_grants(each, made);
    } else {
      add_grants(value, made);
    }
  } catch (const std::string& why) {
    return unexpected(why);
  }
  return made;
}

std::string why_no_grant(const grant& of) {
  if (of.namespaces.empty()) return "the scope " + std::string(scope_name(of.what)) + " needs a namespace (\"*\" for all)";
  const bool work = !(of.task_queues.empty() && of.workflow_types.empty());
  if (of.what == scope::worker && !work) return "the scope worker needs a task queue or a workflow type (\"*\" for all)";
  if (of.what != scope::worker && work) return "task queues and workflow types belong to the scope worker";
  return {};
}

}  // namespace evermill::server::security
