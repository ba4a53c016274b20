/// @file
/// A complete command line for a program with workflows of its own:
///
///     int main(int argc, char** argv) {
///       evermill::registry registry;
///       registry.add("greet", greet);
///       return evermill::main(argc, argv, registry);
///     }
///
/// gives it all commands of docs/cli.md: `run`, `list`, `describe`, `history`, `signal`, `query`, `update`, `activity`,
/// `cancel`, `terminate`, `tasks`, `locks`, `taint`, `verify`, `export`, `import`, `replay` and `bench`; `--help` explains
/// each.
#pragma once

#include "evermill/registry.hpp"

namespace evermill {

/// Runs the command and returns the process's exit code: 0 completed (or the command did what it says), 1 failed, timed
/// out or terminated, 2 bad usage, input or data directory, 3 canceled, 4 stuck, 5 parked.
///
/// The data directory is `--data`, else the environment's EVERMILL_DATA, else `./evermill-data`. EVERMILL_WORKFLOW_VERSION is
/// the default version of `definitions` (registry::set_default_version); one that can't be ends the program with 2. While `run`
/// runs, SIGINT and SIGTERM are handled: the first parks the execution, a second of the same kind ends the process. Call it
/// once, from the main thread. Does not throw.
int main(int argc, char** argv, registry definitions);

}  // namespace evermill
