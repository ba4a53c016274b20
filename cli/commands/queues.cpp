#include <CLI/App.hpp>
#include <memory>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/opened_control.hpp"
#include "cli/output.hpp"

namespace evermill::cli {
namespace {

exit_code list_queues(environment& env, bool json) {
  std::vector<task_queue_description> queues;
  ask(env, open_mode::inspect, [&](server::control& control) { queues = control.task_queues(); });
  std::vector<std::vector<std::string>> table = queue_table(queues);
  for (const task_queue_description& each : queues) {
    if (json) env.out << to_json(each) << '\n';
  }
  if (!json) print_table(env.out, std::move(table), env.width);
  return exit_code::completed;
}

}  // namespace

void add_queues(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("queues", "Show the task queues that a process serves, and what waits in them");
  const auto json = std::make_shared<bool>(false);
  command.add_flag("--json", *json, "One JSON object a line");
  add_place_options(command, env);
  command.footer("AT ONCE and PER SECOND are the queue's limits, WORKERS those that are connected and serve it.\n\nExamples:\n  " +
                 env.program + " queues\n  " + env.program + " queues --json | jq 'select(.waiting > 0)'");
  command.callback([&, json] { chosen = [&env, json] { return list_queues(env, *json); }; });
}

}  // namespace evermill::cli
