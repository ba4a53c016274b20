/// @file
/// Running a script as an activity: co_await ctx.call(evermill::script, command).
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "evermill/handles.hpp"
#include "evermill/shell.hpp"

namespace evermill {

/// What a script may use; how long it may run is the activity's start_to_close.
struct script_limits {
  std::int64_t memory_bytes = 0;            ///< as shell_command::memory_bytes; 0: no limit
  std::int64_t max_output_bytes = 1 << 20;  ///< kept of each of stdout and stderr; the rest is read and dropped
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(script_limits, memory_bytes, max_output_bytes)

/// A script, and what it is given. It is run by a program of the machine: "sh" by /bin/sh, "python" by python3, "js" (or
/// "javascript") by node, as a CommonJS script, or as a module where it has `import`, `export` or an `await` of its own (it finds
/// node's own modules then, and no others). Another language, an empty source, arguments that are neither, and negative limits
/// fail the activity with the type "InvalidPayload".
///
/// The process sees what shell_command says, heartbeats included.
struct script_command {
  std::string language;  ///< "sh", "python", "js", "javascript"
  std::string source;    ///< of any size: it travels in no argument of a program
  /// An array: the script's arguments, as it finds them in "$@", sys.argv[1:], process.argv.slice(2); what is no string comes
  /// as JSON. An object: named values; in Python and JavaScript they are global variables, of the fitting types, and in sh
  /// environment variables, what is no string as JSON; names are letters, digits and _, no digit first. Null: none.
  nlohmann::json arguments;
  std::map<std::string, std::string> environment;  ///< added to what it inherits
  bool inherit_env = true;                         ///< start from this process's environment
  std::string stdin_text;                          ///< what it reads; then its standard input ends
  std::string working_directory;                   ///< "": this process's
  script_limits limits;                            ///< what it may use
  bool check = true;                               ///< fail the activity (NonZeroExit) where the exit code is not 0
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(script_command, language, source, arguments, environment, inherit_env,
                                                stdin_text, working_directory, limits, check)

/// Runs a script. Every engine has it, a testing::environment has not: replace it there. How many run at once:
/// engine_options::shell_processes, apart from shell's. Fails with the types that `shell` has. A program that is not there is
/// "CannotStart", and is not tried again. "OutOfMemory" is also what a limited script says itself before it ends (Python's
/// MemoryError, the end of JavaScript's heap).
inline constexpr activity<shell_result(script_command)> script{.name = "script"};

}  // namespace evermill
