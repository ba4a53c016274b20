#include <CLI/App.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <vector>

#include "cli/commands/commands.hpp"
#include "cli/dsl_file.hpp"
#include "cli/workflow_file.hpp"

namespace evermill::cli {
namespace {

struct validation_counts {
  std::size_t files = 0;
  std::size_t errors = 0;
  std::size_t warnings = 0;
};

std::string json_line(const nlohmann::ordered_json& object) {
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void print_problem(environment& env, const std::string& file, const dsl::problem& what, bool as_json) {
  if (!as_json) {
    env.out << dsl::describe(what, file) << '\n';
    return;
  }
  env.out << json_line({{"file", file},
                        {"line", what.at.line},
                        {"column", what.at.column},
                        {"severity", what.severity == dsl::severity::error ? "error" : "warning"},
                        {"rule", dsl::rule_name(what.rule)},
                        {"pointer", what.pointer},
                        {"message", what.message},
                        {"hint", what.hint}});
}

/// Our own reader of jq has taken the expressions. Where libjq does not, that is told now and not in the middle of a run.
void ask_libjq(dsl::read_result& read) {
  if (read.definition == nullptr) return;
  std::string why = read.definition->expressions.prepare();
  if (why.empty()) return;
  dsl::problem refused;
  refused.at = {1, 1};
  refused.rule = dsl::rule::expression;
  refused.message = "libjq does not take one of the expressions: " + why;
  read.problems.push_back(std::move(refused));
}

std::string counted(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

exit_code validate(environment& env, const std::vector<std::string>& files, bool as_json) {
  validation_counts counts;
  for (const std::string& path : files) {
    dsl::read_result read = read_workflow_text(path, env.in, with_functions(env)).result;
    ask_libjq(read);
    ++counts.files;
    for (const dsl::problem& what : read.problems) {
      ++(what.severity == dsl::severity::error ? counts.errors : counts.warnings);
      print_problem(env, shown_name(path), what, as_json);
    }
  }
  if (as_json) {
    env.out << json_line({{"files", counts.files}, {"errors", counts.errors}, {"warnings", counts.warnings}});
  } else {
    env.out << counted(counts.files, "file") << ": " << (counts.errors == 0 ? "valid" : counted(counts.errors, "error"));
    if (counts.warnings > 0) env.out << ", " << counted(counts.warnings, "warning");
    env.out << '\n';
  }
  return counts.errors == 0 ? exit_code::completed : exit_code::failed;
}

}  // namespace

void add_validate(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("validate", "Check workflow files (Serverless Workflow DSL 1.0.3, YAML or JSON)");
  const auto files = std::make_shared<std::vector<std::string>>();
  const auto as_json = std::make_shared<bool>(false);
  command.add_option("files", *files, "The files; - is standard input")->type_name("FILE")->required();
  command.add_flag("--json", *as_json, "One JSON object a line: each problem, then the counts");
  command.footer(
      "Nothing is run or fetched. All problems are told, each as FILE:LINE:COLUMN.\n"
      "Exit code: 0 no errors (warnings are none), 1 errors, 2 a file could not be read.\n"
      "Examples:\n  " +
      env.program + " validate order.yaml\n  " + env.program + " validate --json *.yaml | jq 'select(.severity == \"error\")'");
  command.callback([&, files, as_json] { chosen = [&env, files, as_json] { return validate(env, *files, *as_json); }; });
}

}  // namespace evermill::cli
