// What can be asked of a server, whatever it is asked through: permissions, limits and the audit log are about these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace evermill::server {

enum class operation : std::uint8_t {
  start_workflow,
  signal_workflow,
  query_workflow,
  update_workflow,
  cancel_workflow,
  terminate_workflow,
  taint_workflow,
  get_result,
  describe_workflow,
  get_history,
  follow_history,
  watch_events,
  list_workflows,
  count_workflows,
  list_human_tasks,
  describe_human_task,
  assign_human_task,
  complete_human_task,
  report_activity,
  get_status,
  list_definitions,
  list_task_queues,
  list_locks,
  get_cluster,
  set_log_level,
  run_activities,  ///< of the task queue that is the resource
  decide_workflows,  ///< of the workflow type that is the resource
};

/// What a call is about; views of the request.
struct call_subject {
  operation what{};
  std::string_view name_space;  ///< "": the default one, or of none
  std::string_view resource;    ///< the workflow id, the task, the token, the task queue, the type; "": none in particular
  std::size_t bytes = 0;        ///< of the request
};

/// "start_workflow", …
std::string_view to_string(operation what) noexcept;

}  // namespace evermill::server
