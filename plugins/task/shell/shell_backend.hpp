// Runs activities of the type "shell": processes of this machine.
#pragma once

#include <chrono>
#include <memory>

#include "base/clock.hpp"
#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

struct shell_options {
  unsigned max_processes = 2;
  evermill::clock* time = nullptr;                ///< outlives the backend
  std::chrono::milliseconds kill_grace{2'000};    ///< between SIGTERM and SIGKILL to the process group
};

/// Failures: NonZeroExit and KilledBySignal (details: the result), CannotStart and InvalidPayload (not retried).
std::unique_ptr<task_backend> make_shell_backend(const shell_options& options, on_attempt_end report);

}  // namespace evermill::tasks
