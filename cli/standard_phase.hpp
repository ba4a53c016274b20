// The status phases of the Serverless Workflow standard, for executions of files.
#pragma once

#include <string>

#include "evermill/engine.hpp"
#include "server/control.hpp"

namespace evermill::cli {

/// "pending", "running", "waiting", "suspended", "cancelled", "faulted" or "completed"; "" for what is no execution of a file.
/// One that takes no turns until somebody does something about it is suspended. Asks its code where it is running.
std::string standard_phase(server::control& control, const execution_description& about);

}  // namespace evermill::cli
