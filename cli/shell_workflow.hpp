// The workflow that the `evermill` program has built in.
#pragma once

#include "evermill/registry.hpp"

namespace evermill::cli {

/// "shell" runs one command durably: {"script":"echo hi"} or {"argv":["ls","-l"]}; the other fields are those of
/// shell_command in <evermill/shell.hpp>. The result has exit_code, stdout_text and stderr_text; an exit code other than
/// 0 fails the execution (NonZeroExit), unless "check" is false.
void add_shell_workflow(registry& to);

}  // namespace evermill::cli
