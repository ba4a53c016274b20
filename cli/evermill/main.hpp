// The command line, for evermill's own binary and for every program that has workflows.
#pragma once

#include "evermill/registry.hpp"

namespace evermill {

/// `int main(int argc, char** argv) { return evermill::main(argc, argv, registry); }` gives a program the commands run,
/// list, describe, history, signal, cancel, terminate, taint and bench. Returns the process's exit code: 0 completed,
/// 1 failed, timed out or terminated, 2 bad usage or input, 3 canceled, 4 stuck, 5 parked.
/// While `run` runs, SIGINT and SIGTERM park the execution; otherwise no signal handler is installed.
int main(int argc, char** argv, registry definitions);

}  // namespace evermill
