#include <CLI/App.hpp>
#include <memory>
#include <ostream>
#include <string>

#include "cli/commands/commands.hpp"
#include "cli/errors.hpp"
#include "cli/opened_control.hpp"
#include "server/grpc/control_client.hpp"

namespace evermill::cli {
namespace {

/// Of the process that runs the work: this one's own level would be gone with it.
std::unique_ptr<server::control> running_process(environment& env) {
  if (!env.server.empty()) return std::move(open_data_directory(env, open_mode::inspect).control);
  if (!env.queue.empty()) {
    throw command_error("each process of a cluster has a log level of its own; name one by its data directory, --data DIR, or where "
                        "it listens, --server HOST:PORT");
  }
  auto control = connect_to_owner(env);
  if (!control) {
    throw command_error("no process that can be asked has the data directory \"" + env.data_directory.string() +
                        "\" open; --log-level of the server says how it begins");
  }
  return control;
}

exit_code show_or_set_level(environment& env, const std::string& level) {
  const auto control = running_process(env);
  if (!level.empty()) {
    control->set_log_level(level);
  } else {
    env.out << control->status().log_level << '\n';
  }
  return exit_code::completed;
}

}  // namespace

void add_log_level(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("log-level", "Change how much a running process logs, or show it");
  const auto level = std::make_shared<std::string>();
  command
      .add_option("LEVEL", *level,
                  "trace, debug, info, warning, error, critical or off; without it the present one is printed")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "critical", "off"}));
  add_place_options(command, env);
  command.footer("It counts until that process ends.\n\nExamples:\n  " + env.program + " log-level debug --data /var/lib/evermill\n  " +
                 env.program + " log-level --server localhost:7466");
  command.callback([&, level] { chosen = [&env, level] { return show_or_set_level(env, *level); }; });
}

}  // namespace evermill::cli
