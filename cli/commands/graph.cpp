#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/errors.hpp"
#include "cli/workflow_file.hpp"
#include "dsl/chart.hpp"

namespace evermill::cli {
namespace {

exit_code graph(environment& env, const std::string& path, const std::string& format) {
  const dsl::read_result read = read_workflow_file(path, env.in);
  if (read.definition == nullptr) {
    for (const dsl::problem& what : read.problems) env.err << dsl::describe(what, shown_name(path)) << '\n';
    throw command_error("a file with errors can't be drawn");
  }
  const dsl::chart drawing = dsl::chart_of(*read.definition);
  env.out << (format == "mermaid" ? dsl::to_mermaid(drawing) : dsl::to_svg(drawing));
  return exit_code::completed;
}

}  // namespace

void add_graph(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("graph", "Draw a workflow file");
  const auto file = std::make_shared<std::string>();
  const auto format = std::make_shared<std::string>("mermaid");
  command.add_option("file", *file, "The file; - is standard input")->type_name("FILE")->required();
  command
      .add_option("--format", *format, "mermaid: text for Markdown; svg: a picture that needs nothing else (default: mermaid)")
      ->check(CLI::IsMember({"mermaid", "svg"}))
      ->type_name("mermaid|svg");
  command.footer(
      "The drawing goes to standard output.\n"
      "Exit code: 0 drawn, 2 the file could not be read, or has errors.\n"
      "Examples:\n  " +
      env.program + " graph order.yaml\n  " + env.program + " graph order.yaml --format svg > order.svg");
  command.callback([&, file, format] { chosen = [&env, file, format] { return graph(env, *file, *format); }; });
}

}  // namespace evermill::cli
