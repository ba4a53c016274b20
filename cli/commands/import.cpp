#include <CLI/App.hpp>
#include <memory>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/errors.hpp"
#include "cli/opened_control.hpp"
#include "evermill/journals.hpp"

namespace evermill::cli {
namespace {

exit_code import_command(environment& env, const std::vector<std::string>& files) {
  if (connect_to_owner(env)) {
    throw command_error("data directory \"" + env.data_directory.string() +
                        "\" is open in another process; end that one, then import");
  }
  try {
    make_private(env.data_directory);
    const journal_counts counts = import_journals(env.data_directory, {files.begin(), files.end()});
    env.err << "imported " << counts.executions << " executions (" << counts.open << " open), " << counts.events
            << " events\n";
  } catch (const engine_error& error) {
    throw command_error(error.what());
  }
  return exit_code::completed;
}

}  // namespace

void add_import(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("import", "Bring exported executions into a data directory");
  const auto files = std::make_shared<std::vector<std::string>>();
  command.add_option("FILE", *files, "Files that \"export\" wrote")->required();
  add_data_option(command, env);
  command.footer("All files are checked first; where anything is wrong, nothing is imported. Open executions go on with the next\n"
                 "\"run\": import them only when they do not go on where they are from.\n"
                 "Examples:\n  " + env.program + " import journals.jsonl --data new-data\n  " + env.program +
                 " import order-1.jsonl order-2.jsonl");
  command.callback([&, files] { chosen = [&env, files] { return import_command(env, *files); }; });
}

}  // namespace evermill::cli
