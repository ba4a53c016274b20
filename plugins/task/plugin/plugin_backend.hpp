// Runs activities that plugins have added (evermill/activity_plugin.hpp).
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "evermill/activity_plugin.hpp"
#include "plugins/task/secrets.hpp"
#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

struct plugin_backend_options {
  std::map<std::string, run_activity, std::less<>> activities;  ///< by type
  unsigned threads = 8;                                         ///< attempts that run at once
  evermill::clock* time = nullptr;                              ///< outlives the backend
  log lines;
  std::shared_ptr<const secret_source> secrets;  ///< null: there are none
  on_attempt_heartbeat on_heartbeat;             ///< may be empty
  on_attempt_start on_start;                     ///< may be empty
};

/// An attempt can only be asked to end, and is waited for: code of a plugin can't be left behind in a process that takes itself
/// apart.
std::unique_ptr<task_backend> make_plugin_backend(plugin_backend_options options, on_attempt_end report);

}  // namespace evermill::tasks
