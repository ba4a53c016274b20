#include <CLI/App.hpp>
#include <memory>
#include <ostream>

#include "base/random.hpp"
#include "cli/commands/commands.hpp"
#include "cli/errors.hpp"
#include "cli/input.hpp"
#include "cli/opened_control.hpp"
#include "cli/output.hpp"

namespace evermill::cli {
namespace {

struct update_options {
  std::string id;
  std::string name;
  std::string input;
  std::string update_id;
};

exit_code update(environment& env, update_options options) {
  payload input = options.input.empty() ? payload{} : read_json(options.input, "JSON", env.in);
  if (options.update_id.empty()) options.update_id = make_uuid(*make_system_random());
  must_exist(env);
  const opened_control opened = open_data_directory(env, open_mode::run);
  server::update_end end;
  try {
    end = server::update(*opened.control, options.id, options.name, std::move(input), options.update_id);
  } catch (const server::control_error& error) {
    if (error.code() != server::control_errc::stopped) throw;
    throw command_error(std::string(error.what()) + "\nAsk again with the same id, and it is not done twice: --update-id " +
                        options.update_id);
  }
  if (!end.why) {
    env.out << to_json(end.result) << '\n';
    return exit_code::completed;
  }
  env.err << to_json(*end.why, end.accepted ? "failed" : "refused") << '\n';
  return exit_code::failed;
}

}  // namespace

void add_update(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("update", "Have an execution's code do something, and wait for its result");
  const auto options = std::make_shared<update_options>();
  command.add_option("ID", options->id, "The workflow id")->required();
  command.add_option("NAME", options->name, "The update's name")->required();
  command.add_option("JSON", options->input, "Its argument: JSON, @FILE or - for standard input");
  command.add_option("--update-id", options->update_id,
                     "Names this update: asked for again within a day, it is not done again, and the answer is the same");
  add_place_options(command, env);
  command.footer("Prints the result as JSON. Where the code refuses, or fails, its error goes to standard error as JSON, and the "
                 "command ends with 1.\nExamples:\n  " + env.program + " update cart-7 add_item '{\"item\":\"book\"}'");
  command.callback([&, options] { chosen = [&env, options] { return update(env, *options); }; });
}

}  // namespace evermill::cli
