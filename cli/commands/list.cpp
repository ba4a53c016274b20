#include <CLI/App.hpp>
#include <algorithm>
#include <memory>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/opened_control.hpp"
#include "cli/output.hpp"

namespace evermill::cli {
namespace {

constexpr std::size_t rows_per_page = 500;

struct list_options {
  bool json = false;
  std::size_t limit = 0;
};

void print(environment& env, const list_options& options, std::vector<listed_execution> rows, bool first) {
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.started_at < b.started_at; });
  std::vector<std::vector<std::string>> table;
  if (first) table.push_back({"WORKFLOW ID", "TYPE", "STATUS", "STARTED (UTC)", "CLOSED (UTC)"});
  for (const listed_execution& row : rows) {
    if (options.json) {
      env.out << to_json(row) << '\n';
    } else {
      table.push_back({row.workflow_id, row.workflow_type, state_of(row.status, row.blocked),
                       short_time(row.started_at), short_time(row.closed_at)});
    }
  }
  if (!options.json) print_table(env.out, std::move(table), env.width);
}

/// A page at a time, oldest first in it: the tables of long lists are aligned page by page, and nothing is held.
exit_code list(environment& env, const list_options& options) {
  std::string after;
  std::size_t left = options.limit == 0 ? static_cast<std::size_t>(-1) : options.limit;
  ask(env, open_mode::inspect, [&](server::control& control) {
    while (left > 0) {
      auto rows = control.list(after, std::min(left, rows_per_page));
      if (rows.empty()) return;
      const bool first = after.empty();
      after = rows.back().workflow_id;
      left -= std::min(left, rows.size());
      print(env, options, std::move(rows), first);
    }
  });
  if (after.empty() && !options.json) env.err << "No executions. Start one with \"" << env.program << " run NAME\".\n";
  return exit_code::completed;
}

}  // namespace

void add_list(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("list", "Show the executions in a data directory");
  const auto options = std::make_shared<list_options>();
  command.add_flag("--json", options->json, "One JSON object a line");
  command.add_option("--limit", options->limit, "Show at most this many")->type_name("N");
  add_data_option(command, env);
  command.footer("Examples:\n  " + env.program + " list\n  " + env.program + " list --json | jq .workflow_id");
  command.callback([&, options] { chosen = [&env, options] { return list(env, *options); }; });
}

}  // namespace evermill::cli
