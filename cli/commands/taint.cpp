#include <CLI/App.hpp>
#include <memory>

#include "cli/commands/commands.hpp"
#include "cli/opened_control.hpp"

namespace evermill::cli {
namespace {

exit_code taint(environment& env, const std::string& id) {
  ask(env, open_mode::record, [&](server::control& control) { control.taint(id); });
  return exit_code::completed;
}

}  // namespace

void add_taint(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("taint", "Make an execution look again, as when it is stuck; safe to repeat");
  const auto id = std::make_shared<std::string>();
  command.add_option("ID", *id, "The workflow id")->required();
  add_place_options(command, env);
  command.footer("Example:\n  " + env.program + " taint order-1");
  command.callback([&, id] { chosen = [&env, id] { return taint(env, *id); }; });
}

}  // namespace evermill::cli
