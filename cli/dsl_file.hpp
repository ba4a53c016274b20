// Workflow files as what `run` and `start` start.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/environment.hpp"
#include "dsl/definition.hpp"
#include "evermill/dsl.hpp"

namespace evermill::cli {

/// Is it a file, and not the name of a workflow? It ends with .yaml, .yml or .json, or holds a slash.
bool is_workflow_file(const std::string& argument);

/// With what a `call` may name here, though the file does not define it: the program's activities, and the task backends.
dsl::reading_options with_functions(const environment& env);

struct dsl_file_options {
  std::vector<std::string> with;  ///< files of workflows that it runs; those in its folder are found
  std::string events = "none";    ///< dsl_input::events
  bool once = false;              ///< dsl_input::once
};

/// The input of the execution, or nothing where the file has problems: all of them are told on standard error. Throws
/// command_error where it can't be read.
std::optional<dsl_input> read_dsl_file(environment& env, const std::string& path, const dsl_file_options& options);

}  // namespace evermill::cli
