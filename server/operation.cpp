#include "server/operation.hpp"

namespace evermill::server {

std::string_view to_string(operation what) noexcept {
  switch (what) {
    case operation::start_workflow: return "start_workflow";
    case operation::signal_workflow: return "signal_workflow";
    case operation::query_workflow: return "query_workflow";
    case operation::update_workflow: return "update_workflow";
    case operation::cancel_workflow: return "cancel_workflow";
    case operation::terminate_workflow: return "terminate_workflow";
    case operation::taint_workflow: return "taint_workflow";
    case operation::get_result: return "get_result";
    case operation::describe_workflow: return "describe_workflow";
    case operation::get_history: return "get_history";
    case operation::follow_history: return "follow_history";
    case operation::watch_events: return "watch_events";
    case operation::list_workflows: return "list_workflows";
    case operation::count_workflows: return "count_workflows";
    case operation::list_human_tasks: return "list_human_tasks";
    case operation::describe_human_task: return "describe_human_task";
    case operation::assign_human_task: return "assign_human_task";
    case operation::complete_human_task: return "complete_human_task";
    case operation::report_activity: return "report_activity";
    case operation::get_status: return "get_status";
    case operation::list_definitions: return "list_definitions";
    case operation::list_task_queues: return "list_task_queues";
    case operation::list_locks: return "list_locks";
    case operation::get_cluster: return "get_cluster";
    case operation::set_log_level: return "set_log_level";
    case operation::run_activities: return "run_activities";
    case operation::decide_workflows: return "decide_workflows";
  }
  return "unknown";
}

}  // namespace evermill::server
