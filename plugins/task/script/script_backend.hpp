// Runs activities of the type "script": scripts, by interpreters of this machine.
#pragma once

#include <memory>

#include "plugins/task/shell/shell_backend.hpp"

namespace evermill::tasks {

/// As make_shell_backend; evermill/script.hpp has the failures.
std::unique_ptr<task_backend> make_script_backend(const shell_options& options, on_attempt_end report);

}  // namespace evermill::tasks
