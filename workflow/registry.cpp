#include "evermill/registry.hpp"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <typeinfo>

#include "base/text.hpp"
#include "workflow/built_in.hpp"
#include "workflow/lock_keeper.hpp"
#include "workflow/registry_data.hpp"
#include "workflow/versions.hpp"

namespace evermill {
namespace {

template <class Definition>
const Definition* of_version(const std::deque<Definition>& versions, std::string_view version) {
  const auto it = std::find_if(versions.begin(), versions.end(), [&](const Definition& each) { return each.version == version; });
  return it == versions.end() ? nullptr : &*it;
}

template <class Definition>
const Definition* newest_or(std::string_view version, const std::deque<Definition>& versions) {
  return version.empty() ? &versions.back() : of_version(versions, version);
}

[[noreturn]] void refuse_second(const std::string& kind, const std::string& name, const std::string& version) {
  const std::string which = version.empty() ? "" : ", version \"" + version + "\",";
  const std::string article = kind == "activity" ? "an " : "a ";
  throw std::invalid_argument(article + kind + " named \"" + name + "\"" + which + " is registered already");
}

template <class Definitions>
std::vector<std::string> versions_in(const Definitions& all, std::string_view name) {
  std::vector<std::string> versions;
  const auto found = all.find(name);
  if (found == all.end()) return versions;
  for (const auto& each : found->second) versions.push_back(each.version);
  return versions;
}

/// Gives the version to those that have none.
template <class Definitions>
void name_versions(const std::string& kind, Definitions& all, const std::string& version) {
  for (auto& [name, versions] : all) {
    for (auto& each : versions) {
      if (!each.version.empty()) continue;
      if (of_version(versions, version) != nullptr) {
        throw std::invalid_argument("the " + kind + " \"" + name + "\" has a version \"" + version + "\" already");
      }
      each.version = version;
    }
  }
}

}  // namespace

registry::registry() : data_(std::make_shared<detail::registry_data>()) {}

void registry::add_workflow(workflow_definition definition) {
  require_name("workflow's name", definition.name);
  const bool own = data_->built_in == detail::registry_data::own::being_added;
  if (!own && workflow::locks::is_reserved(definition.name)) {
    throw std::invalid_argument("a workflow can't be named \"" + definition.name + "\": names that begin with \"" +
                                std::string(workflow::locks::reserved_prefix) + "\" are evermill's own");
  }
  if (definition.version.empty() && !own) definition.version = data_->default_version;
  if (!definition.version.empty()) require_name("workflow's version", definition.version);
  definition.owner = data_.get();
  const std::string name = definition.name;
  const void* const function = definition.function;
  auto& versions = data_->workflows[name];
  if (of_version(versions, definition.version) != nullptr) refuse_second("workflow", name, definition.version);
  versions.push_back(std::move(definition));
  data_->names.try_emplace(function, name);
}

void registry::add_activity(std::string_view name, std::string version,
                            std::function<std::optional<payload>(activity_context&, const payload&)> run) {
  require_name("activity's name", name);
  if (version.empty()) version = data_->default_version;
  if (!version.empty()) require_name("activity's version", version);
  auto& versions = data_->activities[std::string(name)];
  if (const auto* there = of_version(versions, version)) refuse_second("activity", there->name, there->version);
  versions.push_back({std::string(name), std::move(version),
                      [run = std::move(run)](activity_context& about,
                                             const payload& input) -> std::variant<std::optional<payload>, failure> {
                        try {
                          return run(about, input);
                        } catch (...) {
                          return current_failure();
                        }
                      }});
}

void registry::set_default_version(const std::string& version) {
  if (version.empty()) return;
  require_name("default version", version);
  name_versions("workflow", data_->workflows, version);
  name_versions("activity", data_->activities, version);
  data_->default_version = version;
}

const workflow_definition* registry::find_workflow(std::string_view name, std::string_view version) const {
  const auto versions = data_->workflows.find(name);
  if (versions != data_->workflows.end()) return newest_or(version, versions->second);
  return name == workflow::locks::definition().name ? &workflow::locks::definition() : nullptr;
}

const activity_definition* registry::find_activity(std::string_view name, std::string_view version) const {
  const auto versions = data_->activities.find(name);
  return versions == data_->activities.end() ? nullptr : newest_or(version, versions->second);
}

std::vector<std::string> registry::workflow_names() const {
  std::vector<std::string> names;
  for (const auto& [name, versions] : data_->workflows) {
    if (!workflow::locks::is_reserved(name)) names.push_back(name);
  }
  return names;
}

std::vector<std::string> registry::activity_names() const {
  std::vector<std::string> names;
  for (const auto& [name, definition] : data_->activities) names.push_back(name);
  return names;
}

struct detail::registry_access {
  /// A copy that shares nothing with the original.
  static registry copy(const registry& of) {
    registry made;
    *made.data_ = *of.data_;
    for (auto& [name, versions] : made.data_->workflows) {
      for (workflow_definition& each : versions) each.owner = made.data_.get();
    }
    return made;
  }
  static registry_data& data(registry& of) { return *of.data_; }
  static const registry_data& data(const registry& of) { return *of.data_; }
};

std::vector<std::string> workflow::workflow_versions(const registry& of, std::string_view name) {
  return versions_in(detail::registry_access::data(of).workflows, name);
}

std::vector<std::string> workflow::activity_versions(const registry& of, std::string_view name) {
  return versions_in(detail::registry_access::data(of).activities, name);
}

registry workflow::with_built_in(const registry& given, void (*add)(registry&)) {
  using own = detail::registry_data::own;
  registry made = detail::registry_access::copy(given);
  detail::registry_data& data = detail::registry_access::data(made);
  if (data.built_in == own::there) return made;
  data.built_in = own::being_added;
  add(made);
  data.built_in = own::there;
  return made;
}

const std::string& registry::name_of_function(const void* function) const { return data_->name_of(function); }

const std::string& detail::registry_data::name_of(const void* function) const {
  const auto it = names.find(function);
  if (it != names.end()) return it->second;
  throw std::invalid_argument("this workflow function is not registered; add it with registry.add(\"name\", function)");
}

failure current_failure() {
  const auto named = [](const std::type_info& type, const char* message) {
    int status = 0;
    char* const demangled = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
    failure why{failure_kind::application, status == 0 ? demangled : type.name(), message, {}, false, nullptr};
    std::free(demangled);
    return why;
  };
  try {
    throw;
  } catch (const activity_error& thrown) {
    failure why{failure_kind::application, "ActivityFailed", thrown.what(), {}, false, nullptr};
    why.cause = std::make_shared<const failure>(thrown.why());
    return why;
  } catch (const child_workflow_error& thrown) {
    failure why{failure_kind::application, "ChildWorkflowFailed", thrown.what(), {}, false, nullptr};
    why.cause = std::make_shared<const failure>(thrown.why());
    return why;
  } catch (const step_error& thrown) {
    failure why{failure_kind::application, "StepFailed", thrown.what(), {}, false, nullptr};
    why.cause = std::make_shared<const failure>(thrown.why());
    return why;
  } catch (const error& thrown) {
    return thrown.why();
  } catch (const std::exception& thrown) {
    return named(typeid(thrown), thrown.what());
  } catch (...) {
    return {failure_kind::application, "unknown", "something that is not a std::exception was thrown", {}, false, nullptr};
  }
}

}  // namespace evermill
