// The task backends that there are: what a process runs activities with.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "evermill/registry.hpp"
#include "plugins/task/native/native_backend.hpp"
#include "plugins/task/output_tails.hpp"
#include "plugins/task/secrets.hpp"
#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

/// What backends are made of.
struct backend_parts {
  const registry* definitions = nullptr;  ///< copied by who needs them
  evermill::clock* time = nullptr;        ///< outlives the backends
  log lines;
  std::shared_ptr<const secret_source> secrets;  ///< null: there are none
  unsigned native_threads = 8;
  unsigned processes = 2;                 ///< of the machine that run at once, for each backend that starts some
  unsigned containers = 8;                ///< that run at once
  std::string docker;                     ///< the Docker engine's address; "": as docker_host_of says
  std::string engine_id;                  ///< the identity of the store or cluster that the attempts are of
  unsigned calls = 0;                     ///< of other services that wait at once, for each backend; 0: as many as descriptors allow
  output_tails* tails = nullptr;          ///< outlives the backends; may be null
  on_attempt_heartbeat on_heartbeat;      ///< may be empty
  on_attempt_start on_start;              ///< may be empty
  on_attempt_end report;
};

class backends {
 public:
  /// All that there are, in the order in which they are asked whether they serve an activity.
  static std::vector<std::string> names();
  /// Why these are no names of backends, for people; "": they are.
  static std::string why_not(const std::vector<std::string>& names);

  /// Makes those of these names, which are some of `names()`. Throws std::invalid_argument where a part can't be.
  backends(const std::vector<std::string>& names, const backend_parts& parts);
  ~backends();
  backends(const backends&) = delete;
  backends& operator=(const backends&) = delete;

  const std::vector<task_backend*>& all() const noexcept { return all_; }
  /// Null: it is not among them.
  native_backend* native() const noexcept { return native_; }
  /// Stops all of them at the same time, as task_backend::stop.
  void stop(std::chrono::milliseconds grace);

 private:
  std::vector<std::unique_ptr<task_backend>> made_;
  std::vector<task_backend*> all_;
  native_backend* native_ = nullptr;
};

}  // namespace evermill::tasks
