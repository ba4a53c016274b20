// What a definition refers to outside of itself.
#pragma once

#include <string>
#include <vector>

#include "dsl/definition.hpp"

namespace evermill::interpreter {

/// A workflow that is run by `run: workflow`.
struct workflow_reference {
  std::string workflow_namespace;
  std::string name;
  std::string version;  ///< or "latest"
  dsl::position at;     ///< of the task
  std::string pointer;
};

/// In the order of the file.
std::vector<workflow_reference> workflows_run_by(const dsl::definition& of);

/// Is it one that the reference may mean?
bool is_meant(const workflow_reference& by, const dsl::definition& what);

}  // namespace evermill::interpreter
