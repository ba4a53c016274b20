#include <CLI/App.hpp>
#include <memory>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/opened_control.hpp"
#include "cli/output.hpp"
#include "cli/standard_phase.hpp"

namespace evermill::cli {
namespace {

struct describe_options {
  std::string id;
  bool json = false;
};

void print_activities(environment& env, const execution_description& about) {
  if (about.activities.empty()) return;
  std::vector<std::vector<std::string>> table{{"ACTIVITY", "EVENT", "ATTEMPT", "NOT BEFORE (UTC)", "LAST FAILURE"}};
  for (const auto& open : about.activities) {
    table.push_back({open.activity_type, std::to_string(open.scheduled_seq), std::to_string(open.attempt),
                     short_time(open.not_before),
                     open.last_failure ? open.last_failure->type + ": " + open.last_failure->message : ""});
  }
  env.out << '\n';
  print_table(env.out, std::move(table), env.width);
}

void print_timers(environment& env, const execution_description& about) {
  if (about.timers.empty()) return;
  std::vector<std::vector<std::string>> table{{"TIMER", "FIRES AT (UTC)"}};
  for (const auto& open : about.timers) {
    table.push_back({"event " + std::to_string(open.started_seq), short_time(open.fire_at)});
  }
  env.out << '\n';
  print_table(env.out, std::move(table), env.width);
}

exit_code describe(environment& env, const describe_options& options) {
  execution_description about;
  std::string phase;
  ask(env, open_mode::inspect, [&](server::control& control) {
    about = control.describe(options.id);
    phase = standard_phase(control, about);
  });
  if (options.json) {
    env.out << to_json(about, phase) << '\n';
    return exit_code::completed;
  }
  std::vector<std::vector<std::string>> facts{{"workflow id", about.workflow_id},
                                              {"type", about.workflow_type},
                                              {"run id", about.run_id},
                                              {"status", state_of(about.status, about.blocked)}};
  if (!phase.empty()) facts.push_back({"phase", phase});
  if (about.blocked_at_event != 0) facts.push_back({"at event", std::to_string(about.blocked_at_event)});
  facts.push_back({"started", short_time(about.started_at) + " UTC"});
  if (about.status != execution_status::running) facts.push_back({"closed", short_time(about.closed_at) + " UTC"});
  facts.push_back({"events", std::to_string(about.events)});
  facts.push_back({"partition", std::to_string(about.partition)});
  print_table(env.out, std::move(facts), env.width);
  if (!about.blocked_message.empty()) env.out << "\nIt takes no turns: " << about.blocked_message << '\n';
  print_activities(env, about);
  print_timers(env, about);
  return exit_code::completed;
}

}  // namespace

void add_describe(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("describe", "Show one execution: its state, what is running, its timers");
  const auto options = std::make_shared<describe_options>();
  command.add_option("ID", options->id, "The workflow id")->required();
  command.add_flag("--json", options->json, "One JSON object");
  add_place_options(command, env);
  command.footer("Examples:\n  " + env.program + " describe order-1\n  " + env.program + " describe order-1 --json");
  command.callback([&, options] { chosen = [&env, options] { return describe(env, *options); }; });
}

}  // namespace evermill::cli
