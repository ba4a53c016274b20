#include "plugins/task/shell/shell_backend.hpp"

#include <utility>

#include "evermill/codec.hpp"
#include "evermill/shell.hpp"
#include "plugins/task/shell/process_backend.hpp"
#include "workflow/conversions.hpp"

namespace evermill::tasks {
namespace {

shell_command command_of(const messages::ActivityTask& task) {
  auto command = codec<shell_command>::decode(workflow::from_message(task.input()));
  if (command.argv.empty() == command.script.empty()) {
    throw payload_error("a shell command needs either \"argv\" or \"script\"");
  }
  if (!command.argv.empty() && command.argv.front().empty()) throw payload_error("\"argv\" begins with an empty name");
  if (command.max_output_bytes < 0) throw payload_error("\"max_output_bytes\" is negative");
  if (command.memory_bytes < 0) throw payload_error("\"memory_bytes\" is negative");
  return command;
}

process_plan plan_of(const messages::ActivityTask& task) {
  shell_command command = command_of(task);
  process_plan plan;
  plan.check = command.check;
  plan.command.argv = std::move(command.argv);
  if (!command.script.empty()) plan.command.argv = {"/bin/sh", "-c", std::move(command.script)};
  plan.command.env = std::move(command.env);
  plan.command.inherit_env = command.inherit_env;
  plan.command.stdin_text = std::move(command.stdin_text);
  plan.command.working_directory = std::move(command.working_directory);
  plan.command.max_output_bytes = command.max_output_bytes;
  plan.command.memory_bytes = command.memory_bytes;
  return plan;
}

}  // namespace

std::unique_ptr<task_backend> make_shell_backend(const shell_options& options, on_attempt_end report) {
  return make_process_backend({shell.name, plan_of}, options, std::move(report));
}

}  // namespace evermill::tasks
