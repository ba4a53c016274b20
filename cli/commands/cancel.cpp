#include <CLI/App.hpp>
#include <memory>

#include "cli/commands/commands.hpp"
#include "cli/opened_control.hpp"

namespace evermill::cli {
namespace {

struct cancel_options {
  std::string id;
  std::string reason;
};

exit_code cancel(environment& env, const cancel_options& options) {
  ask(env, open_mode::record, [&](server::control& control) { server::cancel(control, options.id, options.reason); });
  return exit_code::completed;
}

}  // namespace

void add_cancel(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("cancel", "Ask an execution to end itself; its code may clean up first");
  const auto options = std::make_shared<cancel_options>();
  command.add_option("ID", options->id, "The workflow id")->required();
  command.add_option("--reason", options->reason, "Kept in its history")->type_name("TEXT");
  add_place_options(command, env);
  command.footer("Example:\n  " + env.program + " cancel order-1 --reason 'ordered twice'");
  command.callback([&, options] { chosen = [&env, options] { return cancel(env, *options); }; });
}

}  // namespace evermill::cli
