#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <ostream>

#include "base/namespaces.hpp"
#include "cli/commands/commands.hpp"
#include "cli/contexts.hpp"
#include "cli/environment.hpp"
#include "cli/errors.hpp"
#include "cli/input.hpp"
#include "cli/opened_control.hpp"
#include "evermill/plugin.hpp"
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

/// Of the command that was given, below groups of such.
const CLI::App& given_command(const CLI::App& app) {
  const auto below = app.get_subcommands();
  return below.empty() ? app : given_command(*below.front());
}

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
    print_error(env, error.what() + (missing ? "\nSee those there are with: " + env.program + " list" + place_words(env)
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
          "--data",
          [&env](const std::string& directory) {
            env.data_directory = directory;
            if (!env.server_is_given) env.server.clear();  // what is said here counts more than the environment
          },
          "The data directory (default: $EVERMILL_DATA, else ./evermill-data)")
      ->type_name("DIR");
}

void add_secrets_option(CLI::App& command, environment& env) {
  command
      .add_option_function<std::string>(
          "--secrets", [&env](const std::string& place) { env.secrets = place; },
          "Where the secrets are that activities name: a directory with a file for each, a JSON or YAML file, or env:PREFIX for "
          "environment variables (default: $EVERMILL_SECRETS, else none)")
      ->type_name("DIR|FILE|env:PREFIX");
}

void add_docker_option(CLI::App& command, environment& env) {
  command
      .add_option_function<std::string>(
          "--docker", [&env](const std::string& address) { env.docker = address; },
          "The Docker engine that runs containers: unix://PATH or tcp://HOST:PORT (default: $DOCKER_HOST, else /var/run/docker.sock)")
      ->type_name("HOST");
}

void add_server_option(CLI::App& command, environment& env) {
  command
      .add_option_function<std::string>(
          "--server",
          [&env](const std::string& address) {
            env.server = address;
            env.server_is_given = true;
          },
          "Ask the server that listens there instead of a data directory (default: $EVERMILL_SERVER)")
      ->type_name("HOST:PORT");
  command
      .add_option_function<std::string>(
          "--token-file", [&env](const std::string& file) { env.token = read_token(file); },
          "The token that the server is shown: the first line of this file (default: $EVERMILL_TOKEN)")
      ->type_name("FILE");
  command.add_flag("--tls", env.tls, "The connection to the server is encrypted");
  command
      .add_option_function<std::string>(
          "--tls-ca",
          [&env](const std::string& file) {
            env.tls = true;
            env.tls_ca = file;
          },
          "With --tls, which it stands for: who vouches for the server (PEM), in place of whom the system trusts")
      ->type_name("FILE");
  command.add_option("--tls-cert", env.tls_certificate, "With --tls: what the server is shown of this side (PEM)")->type_name("FILE");
  command.add_option("--tls-key", env.tls_key, "The key of --tls-cert (PEM)")->type_name("FILE");
  command
      .add_option_function<std::string>(
          "--context",
          [&env](const std::string& name) {
            env.context = name;
            env.context_is_given = true;
          },
          "Ask the server that is kept under this name (\"" + env.program + " context\"; default: $EVERMILL_CONTEXT)")
      ->type_name("NAME");
}

void add_namespace_option(CLI::App& command, environment& env) {
  command
      .add_option_function<std::string>(
          "--namespace",
          [&env](const std::string& name) {
            if (const auto why = namespaces::why_no_namespace(name)) throw CLI::ValidationError("the name of a namespace " + *why);
            env.name_space = name;
          },
          "Whose executions are meant (default: $EVERMILL_NAMESPACE, else \"default\")")
      ->type_name("NAME");
}

void add_place_options(CLI::App& command, environment& env) {
  add_data_option(command, env);
  add_namespace_option(command, env);
  add_server_option(command, env);
  add_queue_options(command, env);
}

void add_queue_options(CLI::App& command, environment& env) {
  command
      .add_option_function<std::string>(
          "--queue", [&env](const std::string& address) { env.queue = address; },
          "Ask the processes that share their work on this broker, kafka://HOST:PORT or redis://HOST:PORT, instead of a data "
          "directory (default: $EVERMILL_QUEUE)")
      ->type_name("ADDRESS");
  command
      .add_option_function<std::vector<std::string>>(
          "--plugin",
          [](const std::vector<std::string>& files) {
            try {
              for (const std::string& file : files) load_plugin(file);
            } catch (const plugin_error& error) {
              throw CLI::ValidationError(error.what());
            }
          },
          "A shared library that adds activities or a kind of queue; once for each (and: $EVERMILL_PLUGINS)")
      ->type_name("FILE")
      ->allow_extra_args(false);
}

int run_command_line(environment& env, std::vector<std::string> arguments) {
  CLI::App app("Durable workflows: they go on where they were after any crash.", env.program);
  app.set_version_flag("--version", "evermill " + std::string(server::version()));
  app.require_subcommand(1);
  add_place_options(app, env);
  app.footer("\"" + env.program + " COMMAND --help\" explains a command and shows examples.\n" +
             "Environment: EVERMILL_DATA (data directory), EVERMILL_QUEUE (broker), EVERMILL_SERVER (server), EVERMILL_TOKEN (shown to it), EVERMILL_CONTEXT (server by name), EVERMILL_NAMESPACE (of executions), EVERMILL_PLUGINS (FILE:FILE…), EVERMILL_SECRETS (secrets of activities), EVERMILL_WORKFLOW_VERSION (of workflows that "
             "name none), NO_COLOR (no colors).");
  app.get_formatter()->label("SUBCOMMAND", "COMMAND");
  action chosen;
  add_run(app, env, chosen);
  add_start(app, env, chosen);
  add_server(app, env, chosen);
  add_worker(app, env, chosen);
  add_cluster(app, env, chosen);
  add_token(app, env, chosen);
  add_list(app, env, chosen);
  add_count(app, env, chosen);
  add_describe(app, env, chosen);
  add_history(app, env, chosen);
  add_watch(app, env, chosen);
  add_top(app, env, chosen);
  add_signal(app, env, chosen);
  add_emit(app, env, chosen);
  add_query(app, env, chosen);
  add_update(app, env, chosen);
  add_activity(app, env, chosen);
  add_cancel(app, env, chosen);
  add_terminate(app, env, chosen);
  add_taint(app, env, chosen);
  add_tasks(app, env, chosen);
  add_locks(app, env, chosen);
  add_log_level(app, env, chosen);
  add_definitions(app, env, chosen);
  add_queues(app, env, chosen);
  add_export(app, env, chosen);
  add_import(app, env, chosen);
  add_replay(app, env, chosen);
  add_verify(app, env, chosen);
  add_validate(app, env, chosen);
  add_graph(app, env, chosen);
  add_context(app, env, chosen);
  add_bench(app, env, chosen);
  add_completion(app, env, chosen);
  add_manual(app, env, chosen);
  for (CLI::App* command : app.get_subcommands({})) command->group("Commands");
  if (arguments.empty()) {
    env.err << app.help();
    return static_cast<int>(exit_code::refused);
  }
  const environment before = env;
  try {
    parse(env, app, std::move(arguments));
    if (given_command(app).get_option_no_throw("--context") != nullptr) apply_context(env, before);
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
