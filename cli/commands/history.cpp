#include <CLI/App.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/opened_control.hpp"
#include "cli/output.hpp"

namespace evermill::cli {
namespace {

constexpr std::size_t events_per_page = 10'000;

struct history_options {
  std::string id;
  bool json = false;
};

/// The event's own fields, without those that have columns of their own.
std::string fields_of(const history_event& event) {
  nlohmann::ordered_json fields = nlohmann::ordered_json::parse(event.json, nullptr, false);
  if (!fields.is_object()) return event.json;
  for (const char* column : {"seq", "type", "time"}) fields.erase(column);
  return fields.empty() ? "" : fields.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void print(environment& env, const history_options& options, const std::vector<history_event>& events) {
  std::vector<std::vector<std::string>> table;
  if (events.front().seq == 1) table.push_back({"SEQ", "TIME (UTC)", "TYPE", "FIELDS"});
  for (const history_event& event : events) {
    if (options.json) {
      env.out << event.json << '\n';
    } else {
      table.push_back({std::to_string(event.seq), short_time(event.time), event.type, fields_of(event)});
    }
  }
  if (!options.json) print_table(env.out, std::move(table), env.width);
}

/// A page at a time: the tables of long histories are aligned page by page, and nothing is held.
exit_code history(environment& env, const history_options& options) {
  std::uint64_t from = 1;
  ask(env, open_mode::inspect, [&](server::control& control) {
    for (;;) {
      const auto events = control.history(options.id, from, events_per_page);
      if (events.empty()) return;
      print(env, options, events);
      from = events.back().seq + 1;
    }
  });
  return exit_code::completed;
}

}  // namespace

void add_history(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("history", "Show the journal of one execution");
  const auto options = std::make_shared<history_options>();
  command.add_option("ID", options->id, "The workflow id")->required();
  command.add_flag("--json", options->json, "One JSON object a line: seq, type, time and the event's own fields");
  add_place_options(command, env);
  command.footer("Examples:\n  " + env.program + " history order-1\n  " + env.program +
                 " history order-1 --json | jq 'select(.type == \"ActivityTaskFailed\")'");
  command.callback([&, options] { chosen = [&env, options] { return history(env, *options); }; });
}

}  // namespace evermill::cli
