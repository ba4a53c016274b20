#include <CLI/App.hpp>
#include <memory>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/input.hpp"
#include "cli/opened_control.hpp"
#include "cli/output.hpp"

namespace evermill::cli {
namespace {

struct query_options {
  std::string id;
  std::string name;
  std::string input;
};

exit_code query(environment& env, const query_options& options) {
  const payload input = options.input.empty() ? payload{} : read_json(options.input, "JSON", env.in);
  payload answer;
  ask(env, open_mode::inspect,
      [&](server::control& control) { answer = control.query(options.id, options.name, payload(input)); });
  env.out << to_json(answer) << '\n';
  return exit_code::completed;
}

}  // namespace

void add_query(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("query", "Ask an execution's code; nothing of it is changed");
  const auto options = std::make_shared<query_options>();
  command.add_option("ID", options->id, "The workflow id")->required();
  command.add_option("NAME", options->name, "The query's name")->required();
  command.add_option("JSON", options->input, "Its argument: JSON, @FILE or - for standard input");
  add_place_options(command, env);
  command.footer("Prints the answer as JSON. Ends with 1 where the code answers with an error.\nExamples:\n  " + env.program +
                 " query cart-7 total\n  " + env.program + " query cart-7 price '{\"item\":\"book\"}'");
  command.callback([&, options] { chosen = [&env, options] { return query(env, *options); }; });
}

}  // namespace evermill::cli
