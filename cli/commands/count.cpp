#include <CLI/App.hpp>
#include <chrono>
#include <memory>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/execution_filters.hpp"
#include "cli/opened_control.hpp"
#include "cli/output.hpp"

namespace evermill::cli {
namespace {

void print(environment& env, const execution_counts& counts) {
  std::vector<std::vector<std::string>> table{{"STATUS", "EXECUTIONS"}};
  for (const auto& [status, count] : counts.by_status) {
    std::string text = std::to_string(count);
    const bool some_blocked = status == execution_status::running && counts.blocked > 0;
    if (some_blocked) text += ", of which " + std::to_string(counts.blocked) + " blocked";
    table.push_back({std::string(to_string(status)), std::move(text)});
  }
  table.push_back({"all", std::to_string(counts.total)});
  print_table(env.out, std::move(table), env.width);
}

exit_code count(environment& env, const filter_options& filter, bool json) {
  const auto now = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  execution_counts counts;
  ask(env, open_mode::inspect, [&](server::control& control) { counts = control.counts(filter_of(filter, now)); });
  if (json) {
    env.out << to_json(counts) << '\n';
  } else {
    print(env, counts);
  }
  return exit_code::completed;
}

}  // namespace

void add_count(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("count", "Count the executions in a data directory by status");
  const auto filter = add_filter_options(command);
  const auto json = std::make_shared<bool>(false);
  command.add_flag("--json", *json, "One JSON object");
  add_place_options(command, env);
  command.footer("Examples:\n  " + env.program + " count\n  " + env.program + " count --type fulfil_order --since 24h --json");
  command.callback([&, filter, json] { chosen = [&env, filter, json] { return count(env, *filter, *json); }; });
}

}  // namespace evermill::cli
