// How the end of a process is told.
#pragma once

#include <optional>
#include <string>

#include "evermill/failure.hpp"
#include "plugins/task/attempt_threads.hpp"
#include "plugins/task/secrets.hpp"
#include "plugins/task/shell/process.hpp"
#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

inline constexpr const char* out_of_memory = "OutOfMemory";

failed failure_of(failure_kind kind, std::string type, std::string message, bool non_retryable,
                  std::optional<payload> details = {});

/// The last lines of what a process said, as text that can be stored: what a person would look at first.
std::string last_lines(const std::string& text);

/// A result, or why there is none. `check`: an exit code other than 0 is a failure.
outcome outcome_of(process_end&& end, const process_command& command, bool check, const attempt_secrets& secrets);

}  // namespace evermill::tasks
