#include <CLI/App.hpp>
#include <memory>

#include "cli/commands/commands.hpp"
#include "cli/opened_control.hpp"

namespace evermill::cli {
namespace {

struct terminate_options {
  std::string id;
  std::string reason;
};

exit_code terminate(environment& env, const terminate_options& options) {
  ask(env, open_mode::record, [&](server::control& control) { server::terminate(control, options.id, options.reason); });
  return exit_code::completed;
}

}  // namespace

void add_terminate(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("terminate", "End an execution now; its code is not asked");
  const auto options = std::make_shared<terminate_options>();
  command.add_option("ID", options->id, "The workflow id")->required();
  command.add_option("--reason", options->reason, "Kept in its history")->type_name("TEXT");
  add_place_options(command, env);
  command.footer("Example:\n  " + env.program + " terminate order-1 --reason 'ordered twice'");
  command.callback([&, options] { chosen = [&env, options] { return terminate(env, *options); }; });
}

}  // namespace evermill::cli
