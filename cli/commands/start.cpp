#include <CLI/App.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>

#include "base/random.hpp"
#include "cli/commands/commands.hpp"
#include "cli/dsl_file.hpp"
#include "cli/errors.hpp"
#include "cli/input.hpp"
#include "cli/opened_control.hpp"
#include "engine/names.hpp"

namespace evermill::cli {
namespace {

struct start_arguments {
  std::string workflow_type;
  std::string id;
  std::optional<std::string> input;
  std::string request_id;
  std::string reuse = "use_existing";
  bool json = false;
  dsl_file_options of_file;
};

exit_code start_one(environment& env, const start_arguments& arguments) {
  payload input;
  if (arguments.input) input = read_json(*arguments.input, "--input", env.in);
  std::string workflow_type = arguments.workflow_type;
  if (is_workflow_file(workflow_type)) {
    auto file = read_dsl_file(env, workflow_type, arguments.of_file);
    if (!file) return exit_code::failed;
    if (arguments.input) file->input = nlohmann::json::parse(input.data);
    input = codec<dsl_input>::encode(*file);
    workflow_type = dsl_workflow.name;
  } else if (arguments.of_file.once) {
    throw command_error("--once is for workflow files");
  }
  // Chosen here, so that what may or may not have been started can be looked for.
  const std::string id = arguments.id.empty() ? make_uuid(*make_system_random()) : arguments.id;
  start_options options{.id = id, .reuse = reuse_policies().at(arguments.reuse), .request_id = arguments.request_id};
  options.traceparent = env.traceparent;
  options.tracestate = env.tracestate;
  const opened_control opened = open_data_directory(env, open_mode::record);
  started_execution started;
  try {
    started = server::start(*opened.control, workflow_type, std::move(input), std::move(options));
  } catch (const server::control_error& error) {
    if (error.code() != server::control_errc::stopped) throw;
    throw command_error(std::string(error.what()) + "\nWhether it was started is not known; the same command with --id " +
                        shell_word(id) + " starts it, or finds it");
  }
  if (arguments.json) {
    env.out << nlohmann::json{{"workflow_id", started.workflow_id}, {"run_id", started.run_id}, {"existed", started.existed}} << '\n';
  } else {
    env.out << started.workflow_id << '\n';
  }
  return exit_code::completed;
}

}  // namespace

void add_start(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("start", "Start an execution and wait for nothing; durable when the command returns");
  const auto arguments = std::make_shared<start_arguments>();
  command.add_option("NAME", arguments->workflow_type, "The workflow's name, or a file: what ends with .yaml, .yml or .json, or has a slash")->required();
  command.add_option("--input", arguments->input, "Its input: JSON, @FILE or - for standard input")->type_name("JSON|@FILE|-");
  command.add_option("--id", arguments->id, "Names the execution; a random one when left out. It is printed")->type_name("ID");
  command
      .add_option("--reuse", arguments->reuse,
                  "Where the id is taken: use_existing finds the same start, reject_duplicate refuses, allow_after_failure and "
                  "allow start a new one once the last has ended, terminate_existing ends what runs")
      ->check(CLI::IsMember(reuse_policies()))
      ->type_name("POLICY");
  command.add_option("--request-id", arguments->request_id, "Names this start: asked for again within a day, it starts nothing more");
  command.add_option("--with", arguments->of_file.with, "Of a file: another one that it runs; those in its folder are found")->type_name("FILE");
  command.add_option("--events", arguments->of_file.events, "Of a file: the lifecycle events that are sent")
      ->check(CLI::IsMember({"none", "workflow", "all"}));
  command.add_flag("--once", arguments->of_file.once, "Of a file: its schedule is left alone; it is run now, and once");
  command.add_flag("--json", arguments->json, "One JSON object");
  add_place_options(command, env);
  command.footer("It is run by the processes of the cluster, or by the one that has the data directory open; where none has, by the "
                 "next one.\n\nExamples:\n  " +
                 env.program + " start greet --id hello --input '{\"name\":\"Ada\"}'\n  " + env.program +
                 " run greet --id hello     # waits for its end");
  command.callback([&, arguments] { chosen = [&env, arguments] { return start_one(env, *arguments); }; });
}

}  // namespace evermill::cli
