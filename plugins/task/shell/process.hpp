// One child process in a group of its own, with its three streams.
#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <string>

#include "evermill/shell.hpp"

namespace evermill::tasks {

struct process_end {
  shell_result result;
  int signal = 0;            ///< that ended it; 0: it exited
  std::string start_error;   ///< why it could not be started
  bool stopped = false;      ///< `stop` was asked before it ended
};

/// Runs the command to its end on the calling thread. When `stop` (an eventfd) becomes readable the process group gets
/// SIGTERM, and SIGKILL after `kill_grace`.
process_end run_process(const shell_command& command, const std::map<std::string, std::string>& extra_env, int stop,
                        std::chrono::milliseconds kill_grace);

}  // namespace evermill::tasks
