// The kinds of `run`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "dsl/duration.hpp"
#include "dsl/resources.hpp"
#include "dsl/value_template.hpp"

namespace evermill::dsl {

/// What containers, scripts and shell commands are given.
struct process_input {
  std::optional<value_template> stdin_text;
  std::vector<value_template> arguments;
  std::optional<value_template> named_arguments;  ///< of a script, in place of `arguments`: an object
  std::optional<value_template> environment;
};

struct container_process {
  enum class cleanup : std::uint8_t { never, always, eventually };
  enum class pull_policy : std::uint8_t { if_not_present, always, never };
  value_template image;
  std::optional<value_template> name;
  std::optional<value_template> command;
  std::optional<value_template> ports;
  std::optional<value_template> volumes;
  process_input input;
  cleanup lifetime = cleanup::never;
  std::optional<duration_value> cleanup_after;  ///< of cleanup::eventually
  pull_policy pull = pull_policy::if_not_present;
};

struct script_process {
  std::string language;
  std::variant<value_template, external_resource> code;
  process_input input;
};

struct shell_process {
  value_template command;
  process_input input;
};

struct workflow_process {
  std::string workflow_namespace;
  std::string name;
  std::string version;  ///< "latest", or a semantic version
  std::optional<value_template> input;
};

struct run_task {
  enum class output : std::uint8_t { stdout_text, stderr_text, code, all, none };
  std::variant<container_process, script_process, shell_process, workflow_process> what;
  bool awaited = true;
  output returned = output::stdout_text;
};

}  // namespace evermill::dsl
