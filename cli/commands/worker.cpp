#include "evermill/worker.hpp"

#include <unistd.h>

#include <CLI/App.hpp>
#include <chrono>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/namespaces.hpp"
#include "cli/commands/commands.hpp"
#include "cli/errors.hpp"
#include "cli/interrupt.hpp"
#include "cli/long_running.hpp"
#include "cli/opened_control.hpp"
#include "evermill/server_worker.hpp"

namespace evermill::cli {
namespace {

struct worker_command_options {
  std::vector<std::string> task_queues{"default"};
  unsigned concurrency = 0;
  std::uint32_t stop_grace_ms = 30'000;
  std::uint32_t session_timeout_ms = 10'000;
  log_options log;
  std::vector<std::string> backends;
  std::string metrics;
};

worker_options worker_options_of(const environment& env, const worker_command_options& options, const log& lines) {
  worker_options worker;
  worker.queue = env.queue;
  worker.secrets = env.secrets;
  worker.docker = env.docker;
  worker.task_queues = options.task_queues;
  worker.backends = options.backends;
  worker.concurrency = options.concurrency;
  worker.stop_grace = std::chrono::milliseconds(options.stop_grace_ms);
  worker.session_timeout = std::chrono::milliseconds(options.session_timeout_ms);
  worker.logger = lines.sink();
  return worker;
}

server_worker_options server_worker_options_of(const environment& env, const worker_command_options& options,
                                              const log& lines) {
  server_worker_options worker;
  worker.server = address_of_server(env);
  worker.secrets = env.secrets;
  worker.docker = env.docker;
  worker.task_queues = options.task_queues;
  worker.backends = options.backends;
  worker.concurrency = options.concurrency;
  worker.stop_grace = std::chrono::milliseconds(options.stop_grace_ms);
  worker.logger = lines.sink();
  return worker;
}

template <class Worker, class Options>
exit_code work(environment& env, const worker_command_options& options, const log& lines, const Options& made_with) {
  const interrupt_guard interrupts;
  const auto monitoring = start_monitoring(env, options.metrics, lines, "worker");
  std::unique_ptr<Worker> running;
  const auto start = [&] { running = std::make_unique<Worker>(env.definitions, made_with); };
  if (!make_when_there(env, interrupts, {engine_errc::unavailable, engine_errc::not_found}, start)) return exit_code::completed;
  const auto monitored = monitor(monitoring.get(), *running);
  env.out << "worker is running: process " << ::getpid() << std::endl;
  wait_until_interrupted(interrupts);
  env.err << "Stopping: what runs is finished first, for " << options.stop_grace_ms << " ms at most (again to end at once) …" << std::endl;
  return exit_code::completed;
}

exit_code work(environment& env, const worker_command_options& options) {
  if (env.queue.empty() == env.server.empty()) {
    throw command_error("a worker works for a server, --server HOST:PORT, or for a cluster, named by its broker, --queue "
                        "kafka://HOST:PORT or redis://HOST:PORT: give one of these");
  }
  const log lines = make_log(options.log);
  if (!env.server.empty()) return work<server_worker>(env, options, lines, server_worker_options_of(env, options, lines));
  if (!namespaces::is_default(env.name_space)) {
    throw command_error("a cluster's workers run the activities of all namespaces: --namespace is for a worker of a server, --server HOST:PORT");
  }
  return work<worker>(env, options, lines, worker_options_of(env, options, lines));
}

}  // namespace

void add_worker(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("worker", "Run activities for a server or a cluster, until told to stop");
  const auto options = std::make_shared<worker_command_options>();
  command.add_option("--task-queues", options->task_queues, "Whose activities it runs (default: \"default\")")
      ->delimiter(',')
      ->type_name("NAME,…");
  command.add_option("--backends", options->backends, "What runs them: native (what this program registers), shell, … (docs/backends.md); all by default")
      ->delimiter(',')
      ->type_name("NAME,…");
  command.add_option("--concurrency", options->concurrency, "How many at once (default: four per core, at least 8)")->type_name("N");
  command.add_option("--stop-grace", options->stop_grace_ms, "How long running activities may take when it stops")->type_name("MS");
  command.add_option("--session-timeout", options->session_timeout_ms, "Who is not heard of for so many milliseconds is gone")
      ->type_name("MS");
  add_log_options(command, options->log);
  add_metrics_option(command, options->metrics);
  add_secrets_option(command, env);
  add_docker_option(command, env);
  add_server_option(command, env);
  add_namespace_option(command, env);
  add_queue_options(command, env);
  command.footer("It runs what this program registers, shell commands, and calls of other services (docs/backends.md). What a worker ran that has died is made again elsewhere.\n\n"
                 "Examples:\n  " +
                 env.program + " worker --server localhost:7466 --task-queues build\n  " +
                 env.program + " worker --queue kafka://localhost:9092 --task-queues build,gpu --backends shell --concurrency 8");
  command.callback([&, options] { chosen = [&env, options] { return work(env, *options); }; });
}

}  // namespace evermill::cli
