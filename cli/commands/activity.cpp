#include <CLI/App.hpp>
#include <memory>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/errors.hpp"
#include "cli/input.hpp"
#include "cli/opened_control.hpp"

namespace evermill::cli {
namespace {

struct activity_options {
  std::string token;
  std::string json;
  std::string type = "Failed";
  std::string message;
  bool non_retryable = false;
};

/// Heartbeats and failures may be sent again; a result that got through has made its token one that is not current.
bool report(environment& env, const activity_options& options, server::activity_report what) {
  const opened_control opened = open_data_directory(env, open_mode::record);
  try {
    return opened.control->report_activity(options.token, std::move(what));
  } catch (const server::control_error& error) {
    if (error.code() != server::control_errc::stopped) throw;
    throw command_error(std::string(error.what()) +
                        "\nWhether it took the report is not known; send it again: where it did, you are told that the "
                        "token is not current any more");
  }
}

payload json_of(environment& env, const activity_options& options) {
  return options.json.empty() ? payload{} : read_json(options.json, "JSON", env.in);
}

exit_code complete(environment& env, const activity_options& options) {
  report(env, options, server::activity_completed{json_of(env, options)});
  return exit_code::completed;
}

exit_code fail(environment& env, const activity_options& options) {
  failure why{failure_kind::application, options.type, options.message, {}, options.non_retryable, nullptr};
  if (!options.json.empty()) why.details = read_json(options.json, "JSON", env.in);
  report(env, options, std::move(why));
  return exit_code::completed;
}

exit_code beat(environment& env, const activity_options& options) {
  server::activity_heartbeat heartbeat;
  if (!options.json.empty()) heartbeat.details = read_json(options.json, "JSON", env.in);
  const bool cancel_requested = report(env, options, std::move(heartbeat));
  env.out << (cancel_requested ? "{\"cancel_requested\":true}\n" : "{\"cancel_requested\":false}\n");
  return exit_code::completed;
}

exit_code cancel(environment& env, const activity_options& options) {
  report(env, options, server::activity_canceled{});
  return exit_code::completed;
}

using step = exit_code (*)(environment&, const activity_options&);

CLI::App& add(CLI::App& group, environment& env, action& chosen, const char* name, const char* about,
              const std::shared_ptr<activity_options>& options, step what) {
  CLI::App& command = *group.add_subcommand(name, about);
  command.add_option("TOKEN", options->token, "What complete_later gave; \"describe\" shows it")->required();
  add_place_options(command, env);
  command.callback([&env, &chosen, options, what] { chosen = [&env, options, what] { return what(env, *options); }; });
  return command;
}

}  // namespace

void add_activity(CLI::App& app, environment& env, action& chosen) {
  CLI::App& group = *app.add_subcommand("activity", "Report on an activity that is completed from elsewhere");
  group.require_subcommand(1);
  const auto options = std::make_shared<activity_options>();
  CLI::App& completed = add(group, env, chosen, "complete", "It is done; durable when the command returns", options, complete);
  completed.add_option("JSON", options->json, "Its result: JSON, @FILE or - for standard input");
  CLI::App& failed = add(group, env, chosen, "fail", "The attempt has failed; its retry policy decides what follows",
                         options, fail);
  failed.add_option("JSON", options->json, "Details: JSON, @FILE or - for standard input");
  failed.add_option("--type", options->type, "The failure's type")->capture_default_str();
  failed.add_option("--message", options->message, "What happened, for people");
  failed.add_flag("--non-retryable", options->non_retryable, "No other attempt follows");
  CLI::App& beats = add(group, env, chosen, "heartbeat", "The attempt is alive; says whether it is to stop", options, beat);
  beats.add_option("JSON", options->json, "How far it has come: JSON, @FILE or - for standard input");
  add(group, env, chosen, "cancel", "The attempt was canceled; no other follows", options, cancel);
  group.footer("Examples:\n  " + env.program + " activity complete 2.17.4.1.9 '{\"ok\":true}'\n  " + env.program +
               " activity fail 2.17.4.1.9 --type Refused --message \"no stock\" --non-retryable\n  " + env.program +
               " activity heartbeat 2.17.4.1.9 '{\"done\":40}'");
}

}  // namespace evermill::cli
