// Runs activities of the type "shell": processes of this machine.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>

#include "base/clock.hpp"
#include "plugins/task/output_tails.hpp"
#include "plugins/task/secrets.hpp"
#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

enum class output_stream : unsigned char { out, err };

struct shell_options {
  unsigned max_processes = 2;
  evermill::clock* time = nullptr;              ///< outlives the backend
  std::chrono::milliseconds kill_grace{2'000};  ///< between SIGTERM and SIGKILL to the process group
  /// Each piece of output as it is read, also what is beyond max_output_bytes, and with secrets as they are; on the backend's
  /// threads. May be empty; must not throw.
  std::function<void(const messages::ActivityTask&, output_stream, std::string_view)> on_output;
  output_tails* tails = nullptr;      ///< where the last of the output can be seen; outlives the backend; may be null
  on_attempt_heartbeat on_heartbeat;  ///< may be empty
  on_attempt_start on_start{};        ///< may be empty
  std::shared_ptr<const secret_source> secrets{};  ///< null: there are none
  bool cgroups = true;  ///< false: memory is limited by rlimits even where a control group can be had
};

/// Failures: NonZeroExit, KilledBySignal and OutOfMemory (details: the result), CannotStart (not retried, except when the
/// machine was out of descriptors or processes) and InvalidPayload (not retried). A timed out or canceled attempt is reported
/// when its process is gone, at most `kill_grace` later, so that its next attempt never runs beside it. `stop` kills at
/// the end of its own grace where that is shorter.
std::unique_ptr<task_backend> make_shell_backend(const shell_options& options, on_attempt_end report);

}  // namespace evermill::tasks
