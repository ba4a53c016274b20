#include <CLI/App.hpp>
#include <memory>

#include "evermill/bench.hpp"
#include "cli/commands/commands.hpp"

namespace evermill::cli {

void add_bench(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("bench", "Measure how much the engine does on this machine");
  const auto options = std::make_shared<bench_options>();
  command.add_option("--workload", options->workload, bench_workloads)
      ->required()
      ->type_name("NAME");
  command.add_option("--instances", options->instances, "How many instances to run (history: steps of the one)")->type_name("N");
  command.add_option("--in-flight", options->in_flight, "How many of them at once")->type_name("N");
  command.add_option("--queue", options->queue, "Measure a node that shares its work on this broker, kafka://… or redis://…")
      ->type_name("ADDRESS");
  command.add_option("--nodes", options->nodes, "With --queue: how many nodes this process has")->type_name("N");
  command.add_option("--publish", options->publish, "Publish all events, as of server --publish, and tell how many a second")
      ->type_name("TO");
  command.add_option("--data", options->data_directory, "The data directory (default: a new one, removed afterwards)")
      ->type_name("DIR");
  command.add_option("--partitions", options->partitions, "Partitions of a new data directory")->type_name("N");
  command.add_option("--native-threads", options->native_threads, "Threads that run activities")->type_name("N");
  command.add_flag("!--no-sync", options->sync, "Do not sync: what is measured is not durable");
  command.add_flag("--json", options->json, "One JSON line instead of a table");
  command.footer("Example:\n  " + env.program + " bench --workload steps10 --instances 20000 --json");
  command.callback([&, options] {
    chosen = [&env, options] { return static_cast<exit_code>(run_bench(*options, env.out, env.err)); };
  });
}

}  // namespace evermill::cli
