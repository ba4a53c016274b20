#include <CLI/App.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/errors.hpp"
#include "evermill/engine.hpp"
#include "evermill/journals.hpp"

namespace evermill::cli {
namespace {

using json = nlohmann::ordered_json;

struct replay_options {
  std::string path;
  bool json = false;
};

std::string line(const json& object) { return object.dump(-1, ' ', false, json::error_handler_t::replace); }

void print(environment& env, const replay_options& options, const replay_difference& difference) {
  if (options.json) {
    json object = json::object();
    if (!difference.file.empty()) object["file"] = difference.file;
    object["workflow_id"] = difference.workflow_id;
    object["run"] = difference.run;
    object["event"] = difference.event;
    object["difference"] = difference.what;
    env.out << line(object) << '\n';
    return;
  }
  env.out << "DIFFERS " << (difference.file.empty() ? "" : difference.file + ": ") << '"' << difference.workflow_id
          << "\", run " << difference.run << ", event " << difference.event << ": " << difference.what << '\n';
}

void print(environment& env, const replay_options& options, const replay_report& report) {
  if (options.json) {
    env.out << line({{"runs", report.runs},
                     {"events", report.events},
                     {"differences", report.differences},
                     {"argument_mismatches", report.argument_mismatches}})
            << '\n';
    return;
  }
  env.out << report.runs << " runs, " << report.events << " events: ";
  if (report.differences == 0) {
    env.out << "all replay\n";
  } else {
    env.out << report.differences << (report.differences == 1 ? " run differs\n" : " runs differ\n");
  }
  if (report.argument_mismatches > 0) {
    env.out << "Warning: " << report.argument_mismatches << " commands have other arguments than in the journal.\n";
  }
}

exit_code replay(environment& env, const replay_options& options) {
  try {
    const replay_report report = evermill::replay(
        env.definitions, options.path, [&](const replay_difference& difference) { print(env, options, difference); });
    print(env, options, report);
    return report.differences == 0 ? exit_code::completed : exit_code::failed;
  } catch (const engine_error& error) {
    throw command_error(error.what());
  }
}

}  // namespace

void add_replay(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("replay", "Replay journals against the workflows of this program");
  const auto options = std::make_shared<replay_options>();
  command.add_option("PATH", options->path, "A file that \"export\" wrote, a directory of such files (*.jsonl), or a data directory")
      ->required();
  command.add_flag("--json", options->json, "One JSON object a line: each difference, then the counts");
  command.footer("No activity is run, nothing is written. Names the first difference of each run.\n"
                 "Exit code: 0 all replay, 1 some differ, 2 the path could not be read.\n"
                 "Examples:\n  " + env.program + " replay journals.jsonl\n  " + env.program +
                 " replay tests/journals/\n  " + env.program + " replay evermill-data --json");
  command.callback([&, options] { chosen = [&env, options] { return replay(env, *options); }; });
}

}  // namespace evermill::cli
