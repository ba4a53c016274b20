// Runs activities of the type "docker": containers of a Docker engine.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "plugins/task/docker/docker_host.hpp"
#include "plugins/task/secrets.hpp"
#include "plugins/task/shell/shell_backend.hpp"
#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

struct docker_options {
  docker_host host;
  std::string engine_id;            ///< who owns its containers: the identity of a store or of a cluster; not empty
  unsigned max_containers = 8;      ///< that run at once
  evermill::clock* time = nullptr;  ///< outlives the backend
  log lines;
  std::shared_ptr<const secret_source> secrets;  ///< null: there are none
  std::chrono::milliseconds kill_grace{5'000};   ///< between SIGTERM and SIGKILL; whole seconds, rounded up
  /// How long an attempt waits for an engine that it has lost sight of, before it fails.
  std::chrono::milliseconds patience{20'000};
  /// Containers that are to be removed stay for so long after their end was told, as a crash may make somebody look for it
  /// again.
  std::chrono::milliseconds keep_ended{5'000};
  /// Those whose end nobody asked for, as the process that waited for them is gone, stay for so long.
  std::chrono::milliseconds keep_unfetched{3'600'000};
  /// Containers that other processes have left, and whose time is over, are looked for from so long after the first attempt on:
  /// until then those that are still wanted have been asked for.
  std::chrono::milliseconds sweep_after{600'000};
  std::chrono::milliseconds sweep_every{60'000};
  /// Each piece of output as it is read, also what is beyond max_output_bytes, and with secrets as they are; on the backend's
  /// threads. May be empty; must not throw.
  std::function<void(const messages::ActivityTask&, output_stream, std::string_view)> on_output;
  output_tails* tails = nullptr;      ///< where the last of the output can be seen; outlives the backend; may be null
  on_attempt_heartbeat on_heartbeat;  ///< may be empty
  on_attempt_start on_start{};        ///< may be empty
};

/// Failures: evermill/docker.hpp. An attempt that is canceled or timed out is reported when its container has ended, or the
/// engine is away for longer than `patience`. `stop` leaves containers running: the next process finds them. The engine need
/// not be there.
std::unique_ptr<task_backend> make_docker_backend(const docker_options& options, on_attempt_end report);

}  // namespace evermill::tasks
