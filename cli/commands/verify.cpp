#include "evermill/verify.hpp"

#include <CLI/App.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/errors.hpp"
#include "cli/opened_control.hpp"

namespace evermill::cli {
namespace {

using json = nlohmann::ordered_json;

std::string line(const json& object) { return object.dump(-1, ' ', false, json::error_handler_t::replace); }

json to_json(const verify_problem& problem) {
  json object = json::object();
  if (!problem.workflow_id.empty()) object["workflow_id"] = problem.workflow_id;
  if (problem.run != 0) object["run"] = problem.run;
  if (problem.event != 0) object["event"] = problem.event;
  if (!problem.row.empty()) object["row"] = problem.row;
  object["problem"] = problem.what;
  object["advice"] = problem.advice;
  return object;
}

json to_json(const verify_report& report) {
  return {{"instances", report.instances}, {"open", report.open}, {"runs", report.runs},        {"events", report.events},
          {"rows", report.rows},           {"bytes", report.bytes}, {"problems", report.problems}};
}

void print(std::ostream& out, const verify_problem& problem) {
  std::string where;
  const auto add = [&](const std::string& part) { where += (where.empty() ? "" : ", ") + part; };
  if (!problem.workflow_id.empty()) add("\"" + problem.workflow_id + "\"");
  if (problem.run != 0) add("run " + std::to_string(problem.run));
  if (problem.event != 0) add("event " + std::to_string(problem.event));
  if (!problem.row.empty()) add("row " + problem.row);
  out << "PROBLEM " << (where.empty() ? "" : where + ": ") << problem.what << "\n        " << problem.advice << '\n';
}

void print(std::ostream& out, const verify_report& report) {
  out << report.instances << " executions (" << report.open << " open), " << report.runs << " runs, " << report.events
      << " events, " << report.rows << " rows, " << report.bytes << " bytes: ";
  if (report.problems == 0) {
    out << "no problems\n";
  } else {
    out << report.problems << (report.problems == 1 ? " problem\n" : " problems\n");
  }
}

exit_code verify(environment& env, bool as_json) {
  must_exist(env);
  if (connect_to_owner(env)) {
    throw command_error("data directory \"" + env.data_directory.string() +
                        "\" is open in another process; end that one, or verify a copy of the directory");
  }
  try {
    const verify_report report = evermill::verify(env.data_directory, [&](const verify_problem& problem) {
      if (as_json) {
        env.out << line(to_json(problem)) << '\n';
      } else {
        print(env.out, problem);
      }
    });
    if (as_json) {
      env.out << line(to_json(report)) << '\n';
    } else {
      print(env.out, report);
    }
    return report.problems == 0 ? exit_code::completed : exit_code::failed;
  } catch (const engine_error& error) {
    throw command_error(error.what());
  }
}

}  // namespace

void add_verify(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("verify", "Check a whole data directory: files, journals, and all that must agree");
  const auto as_json = std::make_shared<bool>(false);
  command.add_flag("--json", *as_json, "One JSON object a line: each problem, then the counts");
  add_data_option(command, env);
  command.footer("Nothing is written. A directory that a process has open is refused.\n"
                 "Exit code: 0 no problem, 1 problems, 2 it could not be looked at.\n"
                 "Examples:\n  " + env.program + " verify\n  " + env.program +
                 " verify --data backup --json | jq 'select(.problem)'");
  command.callback([&, as_json] { chosen = [&env, as_json] { return verify(env, *as_json); }; });
}

}  // namespace evermill::cli
