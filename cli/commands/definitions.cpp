#include <CLI/App.hpp>
#include <memory>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/opened_control.hpp"
#include "cli/output.hpp"

namespace evermill::cli {
namespace {

using definition_table = std::vector<std::vector<std::string>>;

void add_rows(definition_table& table, const std::vector<known_definition>& all, const std::string& kind) {
  for (const known_definition& each : all) {
    std::string others;
    for (const std::string& version : each.versions) {
      if (version == each.default_version) continue;
      others += others.empty() ? "" : ", ";
      others += version.empty() ? "(none)" : version;
    }
    table.push_back({each.from_file ? "file" : kind, each.name, each.default_version, others});
  }
}

void print_lines(environment& env, const std::vector<known_definition>& all, std::string_view kind) {
  for (const known_definition& each : all) env.out << to_json(each, kind) << '\n';
}

exit_code list_definitions(environment& env, bool json) {
  known_definitions all;
  ask(env, open_mode::inspect, [&](server::control& control) { all = control.definitions(); });
  if (json) {
    print_lines(env, all.workflows, "workflow");
    print_lines(env, all.activities, "activity");
    return exit_code::completed;
  }
  definition_table table{{"KIND", "NAME", "VERSION", "OTHER VERSIONS"}};
  add_rows(table, all.workflows, "workflow");
  add_rows(table, all.activities, "activity");
  if (table.size() == 1) {
    env.err << "Nothing is registered there.\n";
  } else {
    print_table(env.out, std::move(table), env.width);
  }
  return exit_code::completed;
}

}  // namespace

void add_definitions(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("definitions", "Show the workflows and activities that a process can run, with their versions");
  const auto json = std::make_shared<bool>(false);
  command.add_flag("--json", *json, "One JSON object a line");
  add_place_options(command, env);
  command.footer("VERSION is what new executions, and calls that name none, get. Files are those that the process has read lately.\n"
                 "Where no process has the data directory open, what this program could run is shown.\n\nExamples:\n  " +
                 env.program + " definitions\n  " + env.program + " definitions --json | jq -r .name");
  command.callback([&, json] { chosen = [&env, json] { return list_definitions(env, *json); }; });
}

}  // namespace evermill::cli
