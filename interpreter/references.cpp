#include "interpreter/references.hpp"

namespace evermill::interpreter {
namespace {

class reference_collector {
 public:
  void walk(const dsl::task_list& tasks) {
    for (const dsl::task& each : tasks) visit(each);
  }
  void visit(const dsl::task& each) {
    if (const auto* run = std::get_if<dsl::run_task>(&each.what)) {
      if (const auto* workflow = std::get_if<dsl::workflow_process>(&run->what)) {
        found.push_back({workflow->workflow_namespace, workflow->name, workflow->version, each.at, each.pointer});
      }
    }
    if (const auto* composite = std::get_if<dsl::do_task>(&each.what)) walk(composite->tasks);
    if (const auto* loop = std::get_if<dsl::for_task>(&each.what)) walk(loop->tasks);
    if (const auto* fork = std::get_if<dsl::fork_task>(&each.what)) walk(fork->branches);
    if (const auto* attempt = std::get_if<dsl::try_task>(&each.what)) {
      walk(attempt->tasks);
      if (attempt->catch_tasks) walk(*attempt->catch_tasks);
    }
    if (const auto* call = std::get_if<dsl::call_task>(&each.what)) visit(*call);
    if (const auto* listen = std::get_if<dsl::listen_task>(&each.what)) {
      if (listen->iterator && listen->iterator->tasks) walk(*listen->iterator->tasks);
    }
  }
  void visit(const dsl::call_task& call) {
    if (const auto* ask = std::get_if<dsl::ask_call>(&call.what)) {
      if (ask->announce) walk(*ask->announce);
      if (ask->remind) walk(*ask->remind);
    } else if (const auto* described = std::get_if<dsl::asyncapi_call>(&call.what)) {
      const auto* subscribed = std::get_if<dsl::asyncapi_subscription>(&described->action);
      if (subscribed != nullptr && subscribed->iterator && subscribed->iterator->tasks) walk(*subscribed->iterator->tasks);
    }
  }
  std::vector<workflow_reference> found;
};

}  // namespace

std::vector<workflow_reference> workflows_run_by(const dsl::definition& of) {
  reference_collector all;
  all.walk(of.tasks);
  for (const auto& [name, function] : of.functions) all.visit(*function);
  for (const dsl::extension& each : of.extensions) {
    all.walk(each.before);
    all.walk(each.after);
  }
  return std::move(all.found);
}

bool is_meant(const workflow_reference& by, const dsl::definition& what) {
  return by.workflow_namespace == what.workflow_namespace && by.name == what.name &&
         (by.version == "latest" || by.version == what.version);
}

}  // namespace evermill::interpreter
