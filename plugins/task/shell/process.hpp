// One child process in a group of its own, with its three streams.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/shell.hpp"
#include "plugins/task/shell/shell_backend.hpp"

namespace evermill::tasks {

/// What to run, whoever asked for it.
struct process_command {
  std::vector<std::string> argv;  ///< not empty; the program is looked up in PATH
  std::map<std::string, std::string> env;
  bool inherit_env = true;
  std::string stdin_text;
  std::optional<std::string> document;  ///< what it can read from document_descriptor
  std::string working_directory;        ///< "": this process's
  std::int64_t max_output_bytes = 0;
  std::int64_t memory_bytes = 0;  ///< 0: no limit
};

struct process_end {
  shell_result result;
  int signal = 0;             ///< that ended it; 0: it exited
  std::string start_error;    ///< why it could not be started
  bool no_such_program = false;  ///< that is why
  bool out_of_memory = false;    ///< it, or one that it started, was ended for its memory, and it did not cope with that
  bool out_of_means = false;     ///< the start failed for want of descriptors or processes: another try may do
};

/// How a running process is watched from other threads.
struct process_control {
  int stop = -1;  ///< an eventfd: SIGTERM to the group when it is written, and a look at `kill_grace`
  const std::atomic<std::chrono::milliseconds>* kill_grace = nullptr;  ///< from SIGTERM to SIGKILL
  std::function<void(output_stream, std::string_view)> on_output;      ///< each piece as it is read; may be empty
  /// Each line that the process writes to heartbeat_descriptor, without its end; one that is too long is cut. May be empty.
  std::function<void(std::string&&)> on_heartbeat;
  bool cgroups = true;  ///< false: memory is limited by rlimits even where a control group can be had
};

/// Of the process: where it writes heartbeats.
inline constexpr int heartbeat_descriptor = 3;
/// Of the process: where process_command::document is.
inline constexpr int document_descriptor = 4;
inline constexpr std::size_t max_heartbeat_bytes = 16 * 1024;  ///< as an escaped JSON string it must fit a variable

/// Runs the command to its end on the calling thread, which must have SIGPIPE blocked and must live as long as the
/// process: Linux ties PR_SET_PDEATHSIG to the thread. What the process leaves behind in its group is killed.
process_end run_process(const process_command& command, const process_control& control);

}  // namespace evermill::tasks
