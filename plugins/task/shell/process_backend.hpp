// Runs attempts as processes of this machine, whatever kind of activity they are of.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "plugins/task/shell/process.hpp"
#include "plugins/task/shell/shell_backend.hpp"

namespace evermill::tasks {

/// What one attempt needs.
struct process_plan {
  process_command command;
  bool check = true;                            ///< an exit code other than 0 is a failure
  std::function<void(process_end&)> examine{};  ///< what its end says to those who know the program; may be empty
};

struct process_kind {
  std::string_view activity_type;  ///< static; the backend's name, too
  /// Throws payload_error where the attempt's input can't be run. On the backend's threads.
  std::function<process_plan(const messages::ActivityTask&)> plan;
};

/// As make_shell_backend has it. Processes see EVERMILL_WORKFLOW_ID and so on (evermill/shell.hpp).
std::unique_ptr<task_backend> make_process_backend(process_kind kind, const shell_options& options, on_attempt_end report);

}  // namespace evermill::tasks
