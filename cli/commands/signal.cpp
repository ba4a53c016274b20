#include <CLI/App.hpp>
#include <memory>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/errors.hpp"
#include "cli/input.hpp"
#include "cli/opened_control.hpp"

namespace evermill::cli {
namespace {

struct signal_options {
  std::string id;
  std::string name;
  std::string input;
  std::string request_id;
};

exit_code send(environment& env, const signal_options& options) {
  payload input = read_json(options.input, "JSON", env.in);
  const opened_control opened = open_data_directory(env, open_mode::record);
  try {
    server::signal(*opened.control, options.id, options.name, std::move(input), options.request_id);
  } catch (const server::control_error& error) {
    if (error.code() != server::control_errc::stopped) throw;
    throw command_error(std::string(error.what()) +
                        "\nWhether it took the signal is not known; look before you send it again: " + env.program +
                        " history " + shell_word(options.id) + place_words(env));
  }
  return exit_code::completed;
}

}  // namespace

void add_signal(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("signal", "Send a signal to an execution; durable when the command returns");
  const auto options = std::make_shared<signal_options>();
  command.add_option("ID", options->id, "The workflow id")->required();
  command.add_option("NAME", options->name, "The signal's name")->required();
  command.add_option("JSON", options->input, "Its value: JSON, @FILE or - for standard input")->required();
  command.add_option("--request-id", options->request_id,
                     "Names this signal: sent again within a day, it is not delivered again");
  add_place_options(command, env);
  command.footer("Examples:\n  " + env.program + " signal order-1 approval '{\"by\":\"Ada\"}'\n  " + env.program +
                 " signal order-1 approval @approval.json");
  command.callback([&, options] { chosen = [&env, options] { return send(env, *options); }; });
}

}  // namespace evermill::cli
