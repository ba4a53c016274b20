/// @file
/// Running a process as an activity: co_await ctx.call(evermill::shell, command).
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "evermill/handles.hpp"

namespace evermill {

/// What to run: `argv` or `script`. Neither or both, and a negative max_output_bytes or memory_bytes, fail the activity with
/// the type "InvalidPayload". The process sees EVERMILL_WORKFLOW_ID, EVERMILL_RUN_ID, EVERMILL_DISPATCH_ID, EVERMILL_IDEMPOTENCY_KEY and
/// EVERMILL_ATTEMPT in its environment.
///
/// Heartbeats: EVERMILL_HEARTBEAT_FD is the number of a file descriptor; each line written there is a heartbeat, whose text
/// (JSON if it is that, a string otherwise; at most 16 KiB, what is longer is cut) is how far the process has come. The next
/// attempt finds the newest as JSON in EVERMILL_HEARTBEAT_DETAILS. An attempt that is to stop gets SIGTERM, and SIGKILL when
/// it is still there two seconds later.
struct shell_command {
  std::vector<std::string> argv;           ///< program, looked up in PATH, and its arguments
  std::string script;                      ///< run by /bin/sh -c
  std::map<std::string, std::string> env;  ///< added to what it inherits
  bool inherit_env = true;                 ///< start from this process's environment
  std::string stdin_text;                  ///< what it reads; then its standard input ends
  std::string working_directory;            ///< "": this process's
  std::int64_t max_output_bytes = 1 << 20;  ///< kept of each of stdout and stderr; the rest is read and dropped
  /// The most that it, and what it starts, may have in memory; 0: no limit. Where evermill may make control groups that is
  /// all of them together, and running out is "OutOfMemory"; elsewhere each process for itself (RLIMIT_DATA), which
  /// then fails in a way of its own.
  std::int64_t memory_bytes = 0;
  bool check = true;                        ///< fail the activity (NonZeroExit) where the exit code is not 0
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(shell_command, argv, script, env, inherit_env, stdin_text,
                                                working_directory, max_output_bytes, memory_bytes, check)

/// How a process ended that exited. Output that is not UTF-8 comes with U+FFFD in place of what is wrong.
struct shell_result {
  int exit_code = 0;              ///< 0 unless shell_command::check is off
  std::string stdout_text;        ///< the first max_output_bytes of its standard output
  std::string stderr_text;        ///< the first max_output_bytes of its standard error
  bool stdout_truncated = false;  ///< there was more
  bool stderr_truncated = false;  ///< there was more
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(shell_result, exit_code, stdout_text, stderr_text, stdout_truncated,
                                                stderr_truncated)

/// Runs a process. Every engine has it, a testing::environment has not: replace it there. How many run at once:
/// engine_options::shell_processes. Fails with the types "NonZeroExit" (exit code not 0), "KilledBySignal" and "OutOfMemory", all with
/// the shell_result as details, and "CannotStart", which is tried again only where the system ran short. As it is it has no limits,
/// and is tried again without end: give it others by `with`.
inline constexpr activity<shell_result(shell_command)> shell{.name = "shell"};

}  // namespace evermill
