#include <CLI/App.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/execution_filters.hpp"
#include "cli/opened_control.hpp"
#include "cli/output.hpp"

namespace evermill::cli {
namespace {

constexpr std::size_t rows_per_page = 500;

struct list_options {
  bool json = false;
  std::size_t limit = 0;
  std::shared_ptr<filter_options> filter;
};

void print(environment& env, const list_options& options, const std::vector<listed_execution>& rows, bool first) {
  std::vector<std::vector<std::string>> table;
  if (first) table.push_back({"WORKFLOW ID", "TYPE", "STATUS", "STARTED (UTC)", "CLOSED (UTC)"});
  for (const listed_execution& row : rows) {
    if (options.json) {
      env.out << to_json(row) << '\n';
    } else {
      table.push_back({row.workflow_id, row.workflow_type, state_of(row.status, row.blocked),
                       short_time(row.execution_started_at), short_time(row.closed_at)});
    }
  }
  if (!options.json) print_table(env.out, std::move(table), env.width);
}

/// A page at a time, newest first: the tables of long lists are aligned page by page, and nothing is held.
exit_code list(environment& env, const list_options& options) {
  const auto now = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  const execution_filter filter = filter_of(*options.filter, now);
  std::size_t left = options.limit == 0 ? static_cast<std::size_t>(-1) : options.limit;
  bool none = true;
  ask(env, open_mode::inspect, [&](server::control& control) {
    std::string token;
    do {
      const execution_page page = control.list(filter, token, std::min(left, rows_per_page));
      left -= std::min(left, page.executions.size());
      if (!page.executions.empty()) print(env, options, page.executions, std::exchange(none, false));
      token = page.next_page_token;
    } while (left > 0 && !token.empty());
  });
  if (none && !options.json) {
    env.err << (is_filtered(*options.filter) ? "No such executions.\n"
                                             : "No executions. Start one with \"" + env.program + " run NAME\".\n");
  }
  return exit_code::completed;
}

}  // namespace

void add_list(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("list", "Show the executions in a data directory, newest first");
  const auto options = std::make_shared<list_options>();
  options->filter = add_filter_options(command);
  command.add_flag("--json", options->json, "One JSON object a line");
  command.add_option("--limit", options->limit, "Show at most this many")->type_name("N");
  add_place_options(command, env);
  command.footer("Examples:\n  " + env.program + " list --limit 20\n  " + env.program +
                 " list --status failed,timed_out --since 1h\n  " + env.program + " list --json | jq .workflow_id");
  command.callback([&, options] { chosen = [&env, options] { return list(env, *options); }; });
}

}  // namespace evermill::cli
