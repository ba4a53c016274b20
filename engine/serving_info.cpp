// What an engine says about itself: definitions and task queues.
#include <algorithm>
#include <map>
#include <utility>

#include "engine/engine_impl.hpp"
#include "evermill/serving_info.hpp"
#include "interpreter/loaded.hpp"
#include "workflow/versions.hpp"

namespace evermill {
namespace {

template <class Versions>
std::vector<known_definition> registered(const std::vector<std::string>& names, Versions&& versions_of) {
  std::vector<known_definition> all;
  for (const std::string& name : names) {
    known_definition& each = all.emplace_back();
    each.name = name;
    each.versions = versions_of(name);
    each.default_version = each.versions.back();
  }
  return all;
}

/// Two texts may have one version: it is named once, at the later one's place.
std::map<std::string, known_definition> files_read() {
  std::map<std::string, known_definition> by_name;
  for (const interpreter::loaded_pointer& file : interpreter::loaded_now()) {
    known_definition& each = by_name[file->qualified_name];
    each.name = file->qualified_name;
    each.from_file = true;
    each.default_version = file->definition->version;
    std::erase(each.versions, each.default_version);
    each.versions.push_back(each.default_version);
  }
  return by_name;
}

}  // namespace

known_definitions engine::list_definitions() const {
  if (impl_->options_.mode == engine_mode::client) {
    throw engine_error(engine_errc::invalid_argument, "this process runs nothing; ask one of those that share the work");
  }
  const registry& all = impl_->definitions_;
  known_definitions found;
  found.workflows = registered(all.workflow_names(), [&](const std::string& name) { return workflow::workflow_versions(all, name); });
  found.activities = registered(all.activity_names(), [&](const std::string& name) { return workflow::activity_versions(all, name); });
  if (!impl_->options_.namespaces.empty()) return found;  // nothing says whose a file is
  for (auto& [name, file] : files_read()) found.workflows.push_back(std::move(file));
  return found;
}

std::vector<task_queue_description> engine::task_queues() const {
  if (impl_->options_.mode == engine_mode::client) {
    throw engine_error(engine_errc::invalid_argument, "this process serves no task queues; ask one of those that share the work");
  }
  std::map<std::string, task_queue_description> by_name;
  by_name["default"];
  for (const task_queue_options& queue : impl_->options_.task_queues) {
    task_queue_description& each = by_name[queue.name];
    each.concurrency = queue.concurrency;
    each.rate_per_second = queue.rate_per_second;
  }
  impl_->counts_.attempts.for_each_queue([&](std::string_view name, std::uint64_t waiting, std::uint64_t running) {
    task_queue_description& each = by_name[std::string(name)];
    each.waiting += waiting;
    each.running += running;
  });
  if (impl_->workers_) {
    for (const tasks::task_queue_load& load : impl_->workers_->load()) {
      task_queue_description& each = by_name[load.name];
      each.waiting += load.waiting;
      each.running += load.running;
      each.workers += load.workers;
    }
  }
  // With limits the queue itself knows best what has not ended, whoever it is for.
  for (const tasks::task_queues::load& load : impl_->current()->limited_queues()) {
    task_queue_description& each = by_name[load.name];
    each.waiting = load.waiting + (load.released > each.running ? load.released - each.running : 0);
  }
  std::vector<task_queue_description> found;
  for (auto& [name, each] : by_name) {
    each.name = name;
    found.push_back(std::move(each));
  }
  return found;
}

}  // namespace evermill
