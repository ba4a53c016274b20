#include "evermill/registry.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <map>
#include <stdexcept>
#include <typeinfo>

#include "base/text.hpp"
#include "workflow/lock_keeper.hpp"
#include "workflow/registry_data.hpp"

namespace evermill {
registry::registry() : data_(std::make_shared<detail::registry_data>()) {}

void registry::add_workflow(workflow_definition definition) {
  require_name("workflow's name", definition.name);
  if (workflow::locks::is_reserved(definition.name)) {
    throw std::invalid_argument("a workflow can't be named \"" + definition.name + "\": names that begin with \"" +
                                std::string(workflow::locks::reserved_prefix) + "\" are evermill's own");
  }
  if (definition.version.empty()) definition.version = data_->default_version;
  if (!definition.version.empty()) require_name("workflow's version", definition.version);
  definition.owner = data_.get();
  const std::string name = definition.name;
  const void* const function = definition.function;
  if (const auto* there = find_workflow(name, definition.version); there != nullptr && there->version == definition.version) {
    const std::string version = definition.version.empty() ? "" : ", version \"" + definition.version + "\",";
    throw std::invalid_argument("a workflow named \"" + name + "\"" + version + " is registered already");
  }
  data_->workflows[name].push_back(std::move(definition));
  data_->names.try_emplace(function, name);
}

void registry::add_activity(std::string_view name,
                            std::function<std::optional<payload>(activity_context&, const payload&)> run) {
  require_name("activity's name", name);
  activity_definition definition{
      std::string(name),
      [run = std::move(run)](activity_context& about,
                             const payload& input) -> std::variant<std::optional<payload>, failure> {
        try {
          return run(about, input);
        } catch (...) {
          return current_failure();
        }
      }};
  if (!data_->activities.try_emplace(definition.name, std::move(definition)).second) {
    throw std::invalid_argument("an activity named \"" + std::string(name) + "\" is registered already");
  }
}

void registry::set_default_version(const std::string& version) {
  if (version.empty()) return;
  require_name("default version", version);
  for (auto& [name, versions] : data_->workflows) {
    for (workflow_definition& each : versions) {
      if (!each.version.empty()) continue;
      if (find_workflow(name, version) != nullptr) {
        throw std::invalid_argument("the workflow \"" + name + "\" has a version \"" + version + "\" already");
      }
      each.version = version;
    }
  }
  data_->default_version = version;
}

const workflow_definition* registry::find_workflow(std::string_view name, std::string_view version) const {
  const auto versions = data_->workflows.find(name);
  if (versions == data_->workflows.end()) {
    return name == workflow::locks::definition().name ? &workflow::locks::definition() : nullptr;
  }
  if (version.empty()) return &versions->second.back();
  for (const workflow_definition& each : versions->second) {
    if (each.version == version) return &each;
  }
  return nullptr;
}

const activity_definition* registry::find_activity(std::string_view name) const {
  const auto it = data_->activities.find(name);
  return it == data_->activities.end() ? nullptr : &it->second;
}

std::vector<std::string> registry::workflow_names() const {
  std::vector<std::string> names;
  for (const auto& [name, versions] : data_->workflows) names.push_back(name);
  return names;
}

std::vector<std::string> registry::activity_names() const {
  std::vector<std::string> names;
  for (const auto& [name, definition] : data_->activities) names.push_back(name);
  return names;
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
