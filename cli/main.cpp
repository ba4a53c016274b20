#include "evermill/main.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>

#include "cli/commands.hpp"
#include "evermill/bench.hpp"
#include "evermill/engine.hpp"

namespace evermill {
namespace {

using command = int (*)(const cli::settings&);

int guarded(const std::function<int()>& call) {
  try {
    return call();
  } catch (const cli::usage_error& error) {
    std::cerr << "evermill: " << error.what() << "\n";
    return cli::bad_usage;
  } catch (const engine_error& error) {
    std::cerr << "evermill: " << error.what() << "\n";
    const bool input = error.code() != engine_errc::storage && error.code() != engine_errc::unavailable;
    return input ? cli::bad_usage : cli::failed;
  } catch (const std::exception& error) {
    std::cerr << "evermill: " << error.what() << "\n";
    return cli::failed;
  }
}

}  // namespace

int main(int argc, char** argv, registry definitions) {
  CLI::App app{"evermill: durable workflows. State is kept in a data directory; every command names it with --data."};
  app.require_subcommand(1);
  app.set_version_flag("--version", "evermill 0.1.0");
  cli::settings s;
  s.definitions = definitions;
  if (const char* data = std::getenv("EVERMILL_DATA")) s.data = data;
  bench_options bench;
  int code = 0;

  const auto add = [&](const char* name, const char* help, const char* example, command what) {
    CLI::App* sub = app.add_subcommand(name, help);
    sub->footer(std::string("Example:\n  ") + example);
    sub->add_option("--data", s.data, "Data directory (default: $EVERMILL_DATA, or ./evermill-data)");
    sub->callback([&, what] { code = guarded([&] { return what(s); }); });
    return sub;
  };
  CLI::App* run = add("run", "Run one workflow to its end, or go on with it where the id exists",
                      "run fulfil_order --id o-1 --input '{\"card\":\"4111\",\"cents\":1299}'", cli::run);
  run->add_option("NAME", s.name, "Registered workflow")->required();
  run->add_option("--input", s.input, "JSON, @FILE or - (standard input)");
  run->add_option("--id", s.id, "Workflow id (default: a new one)");
  run->add_flag("--json", s.json, "No progress display");
  CLI::App* list = add("list", "List executions", "list --data ./evermill-data", cli::list);
  list->add_flag("--json", s.json, "A JSON object per line");
  const auto add_for_id = [&](const char* name, const char* help, const char* example, command what) {
    CLI::App* sub = add(name, help, example, what);
    sub->add_option("ID", s.id, "Workflow id")->required();
    return sub;
  };
  add_for_id("describe", "Show one execution: status, open activities, timers", "describe o-1", cli::describe)
      ->add_flag("--json", s.json, "As a JSON object");
  add_for_id("history", "Show the events of an execution", "history o-1 --json", cli::history)
      ->add_flag("--json", s.json, "A JSON object per line");
  CLI::App* signal = add_for_id("signal", "Send a signal; durable when the command returns",
                                "signal o-1 approval '{\"by\":\"ann\"}'", cli::signal);
  signal->add_option("NAME", s.name, "Signal name")->required();
  signal->add_option("JSON", s.input, "JSON, @FILE or -");
  add_for_id("cancel", "Ask an execution to end itself; it may clean up", "cancel o-1", cli::cancel);
  add_for_id("terminate", "End an execution now; its code is not asked", "terminate o-1", cli::terminate);
  add_for_id("taint", "Look at an execution again; safe to repeat", "taint o-1", cli::taint);

  CLI::App* measure = app.add_subcommand("bench", "Measure this machine");
  measure->footer("Example:\n  bench --workload steps10 --instances 20000 --json");
  measure->add_option("--workload", bench.workload, "steps10, start, fan100 or chain40")->required();
  measure->add_option("--instances", bench.instances, "How many");
  measure->add_option("--data", bench.data_directory, "Data directory (default: a temporary one)");
  measure->add_option("--partitions", bench.partitions, "Partitions of a new directory");
  measure->add_option("--in-flight", bench.in_flight, "Instances at once");
  measure->add_option("--native-threads", bench.native_threads, "Threads for activities");
  measure->add_flag("--json", bench.json, "One JSON line");
  measure->add_flag("!--no-sync", bench.sync, "Do not sync (durability: none)");
  measure->callback([&] { code = guarded([&] { return run_bench(bench, std::cout, std::cerr); }); });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int result = app.exit(error);
    return result == 0 ? 0 : cli::bad_usage;
  }
  return code;
}

}  // namespace evermill
