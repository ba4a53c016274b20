#include <CLI/App.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/errors.hpp"
#include "cli/opened_control.hpp"
#include "evermill/engine.hpp"
#include "evermill/journals.hpp"

namespace evermill::cli {
namespace {

namespace fs = std::filesystem;

struct export_options {
  std::vector<std::string> ids;
  bool all = false;
  std::string output;
};

/// The file appears when it is complete: one that was begun is never taken for a whole one.
journal_counts export_to_file(const environment& env, const export_options& options) {
  const fs::path unfinished = options.output + ".unfinished";
  std::ofstream out(unfinished, std::ios::binary | std::ios::trunc);
  const auto refuse = [&] {
    const std::string why = std::strerror(errno);
    std::error_code ignored;
    fs::remove(unfinished, ignored);
    throw command_error("file \"" + options.output + "\" can't be written: " + why);
  };
  if (!out.is_open()) refuse();
  try {
    const journal_counts counts = export_journals(env.data_directory, options.ids, out);
    out.close();
    if (!out || std::rename(unfinished.c_str(), options.output.c_str()) != 0) refuse();
    return counts;
  } catch (const engine_error&) {
    std::error_code ignored;
    fs::remove(unfinished, ignored);
    throw;
  }
}

exit_code export_command(environment& env, export_options options) {
  if (options.ids.empty() != options.all) throw command_error("name the executions to export, or all of them with --all");
  must_exist(env);
  for (std::string& id : options.ids) id = in_namespace(env.name_space, id);
  try {
    const journal_counts counts = options.output.empty() ? export_journals(env.data_directory, options.ids, env.out)
                                                         : export_to_file(env, options);
    env.err << "exported " << counts.executions << " executions (" << counts.open << " open), " << counts.events
            << " events\n";
  } catch (const engine_error& error) {
    throw command_error(error.what());
  }
  return exit_code::completed;
}

}  // namespace

void add_export(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("export", "Write journals as JSON lines that lose nothing");
  const auto options = std::make_shared<export_options>();
  command.add_option("ID", options->ids, "The workflow ids");
  command.add_flag("--all", options->all, "All executions of the data directory, of all namespaces");
  command.add_option("--output,-o", options->output, "Write to this file (default: standard output)")->type_name("FILE");
  add_data_option(command, env);
  add_namespace_option(command, env);
  command.footer("Nothing is changed. \"import\" brings the lines into another directory, \"replay\" replays them.\n"
                 "Examples:\n  " + env.program + " export order-1 > order-1.jsonl\n  " + env.program +
                 " export --all --output journals.jsonl");
  command.callback([&, options] { chosen = [&env, options] { return export_command(env, *options); }; });
}

}  // namespace evermill::cli
