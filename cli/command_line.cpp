#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/environment.hpp"
#include "cli/errors.hpp"
#include "cli/input.hpp"
#include "server/control.hpp"

namespace evermill::cli {
namespace {

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

/// CLI11 would only say that an argument was not expected.
void check_command(const environment& env, const CLI::App& app, const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments.front().starts_with('-')) return;
  const std::vector<std::string> names = command_names(app);
  if (std::find(names.begin(), names.end(), arguments.front()) != names.end()) return;
  std::string message = "\"" + arguments.front() + "\" is not a command";
  if (const std::string like = nearest(arguments.front(), names); !like.empty()) {
    message += "; did you mean \"" + like + "\"?";
  }
  throw command_error(message + "\nSee \"" + env.program + " --help\" for all of them.");
}

void parse(environment& env, CLI::App& app, std::vector<std::string> arguments) {
  check_command(env, app, arguments);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  app.parse(std::move(arguments));
}

void print_error(environment& env, const std::string& what) { env.err << env.program << ": " << what << '\n'; }

/// What was printed may have been a result: it must not get lost unnoticed.
int perform(environment& env, const action& chosen) {
  try {
    const exit_code code = chosen();
    if (env.out.flush()) return static_cast<int>(code);
    throw command_error("standard output can't be written; \"" + env.program + " history ID\" shows what happened");
  } catch (const command_error& error) {
    print_error(env, error.what());
    return static_cast<int>(error.code());
  } catch (const server::control_error& error) {
    const bool missing = error.code() == server::control_errc::not_found;
    print_error(env, error.what() + (missing ? "\nSee those there are with: " + env.program + " list --data " +
                                                   shell_word(env.data_directory.string())
                                             : std::string()));
    const bool by_code = error.code() == server::control_errc::refused;
    return static_cast<int>(by_code ? exit_code::failed : exit_code::refused);
  } catch (const std::exception& error) {
    print_error(env, error.what());
    return static_cast<int>(exit_code::refused);
  }
}

}  // namespace

void add_data_option(CLI::App& command, environment& env) {
  command
      .add_option_function<std::string>(
          "--data", [&env](const std::string& directory) { env.data_directory = directory; },
          "The data directory (default: $EVERMILL_DATA, else ./evermill-data)")
      ->type_name("DIR");
}

int run_command_line(environment& env, std::vector<std::string> arguments) {
  CLI::App app("Durable workflows: they go on where they were after any crash.", env.program);
  app.set_version_flag("--version", "evermill " + std::string(server::version()));
  app.require_subcommand(1);
  add_data_option(app, env);
  app.footer("\"" + env.program + " COMMAND --help\" explains a command and shows examples.\n" +
             "Environment: EVERMILL_DATA (data directory), EVERMILL_WORKFLOW_VERSION (of workflows that name none), NO_COLOR (no "
             "colors).");
  app.get_formatter()->label("SUBCOMMAND", "COMMAND");
  action chosen;
  add_run(app, env, chosen);
  add_list(app, env, chosen);
  add_describe(app, env, chosen);
  add_history(app, env, chosen);
  add_signal(app, env, chosen);
  add_query(app, env, chosen);
  add_update(app, env, chosen);
  add_activity(app, env, chosen);
  add_cancel(app, env, chosen);
  add_terminate(app, env, chosen);
  add_taint(app, env, chosen);
  add_tasks(app, env, chosen);
  add_locks(app, env, chosen);
  add_export(app, env, chosen);
  add_import(app, env, chosen);
  add_replay(app, env, chosen);
  add_verify(app, env, chosen);
  add_bench(app, env, chosen);
  for (CLI::App* command : app.get_subcommands({})) command->group("Commands");
  if (arguments.empty()) {
    env.err << app.help();
    return static_cast<int>(exit_code::refused);
  }
  try {
    parse(env, app, std::move(arguments));
  } catch (const CLI::Success& wanted) {  // --help, --version
    app.exit(wanted, env.out, env.err);
    return 0;
  } catch (const CLI::ParseError& error) {
    std::string command;
    for (const CLI::App* given : app.get_subcommands()) command = " " + given->get_name();
    print_error(env, std::string(error.what()) + "\nSee \"" + env.program + command + " --help\".");
    return static_cast<int>(exit_code::refused);
  } catch (const command_error& error) {
    print_error(env, error.what());
    return static_cast<int>(exit_code::refused);
  }
  return perform(env, chosen);
}

}  // namespace evermill::cli
