#include <unistd.h>

#include <CLI/App.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "cli/commands/commands.hpp"
#include "cli/errors.hpp"
#include "cli/http_front.hpp"
#include "cli/input.hpp"
#include "cli/interrupt.hpp"
#include "cli/long_running.hpp"
#include "cli/opened_control.hpp"
#include "cli/trace_arguments.hpp"
#include "engine/engine_access.hpp"
#include "server/grpc/control_server.hpp"
#include "server/grpc/grpc_server.hpp"
#include "server/admission.hpp"
#include "server/namespaces_config.hpp"
#include "server/security/grpc_credentials.hpp"
#include "server/security/listener_policy.hpp"

namespace evermill::cli {
namespace {

struct server_options {
  std::uint16_t partitions = 0;
  std::vector<std::string> task_queues;
  std::uint32_t session_timeout_ms = 10'000;
  std::size_t standbys = 1;
  std::uint32_t stop_grace_ms = 5'000;
  std::uint32_t turn_timeout_ms = 10'000;
  std::uint64_t snapshot_log_bytes = 64u << 20;
  bool run_activities = true;
  log_options log;
  trace_arguments traces;
  publish_options publish;
  std::string publish_format_name = "json";
  std::string metrics;
  http_options http;
  bool commands = false;
  std::string commands_token_file;
  std::string listen;
  bool insecure_listen = false;
  std::string config;
};

std::string token_of(const server_options& options) {
  if (options.commands_token_file.empty()) return "";
  std::ifstream file(options.commands_token_file);
  std::string token;
  if (!file || !std::getline(file, token) || token.empty()) {
    throw command_error("--commands-token-file: no token can be read from \"" + options.commands_token_file + "\"");
  }
  return token;
}

engine_options engine_options_of(const environment& env, const server_options& options, const log& lines) {
  engine_options engine;
  engine.data_directory = env.data_directory;
  engine.queue = env.queue;
  engine.secrets = env.secrets;
  engine.docker = env.docker;
  engine.partitions = options.partitions;
  engine.session_timeout = std::chrono::milliseconds(options.session_timeout_ms);
  engine.standbys = options.standbys;
  engine.snapshot_log_bytes = options.snapshot_log_bytes;
  engine.stop_grace = std::chrono::milliseconds(options.stop_grace_ms);
  engine.turn_timeout = std::chrono::milliseconds(options.turn_timeout_ms);
  engine.publish = options.publish;
  engine.publish.format = options.publish_format_name == "json" ? publish_format::json : publish_format::protobuf;
  for (const std::string& name : options.task_queues) engine.task_queues.push_back({.name = name});
  engine.run_activities = options.run_activities;
  engine.accept_workers = !options.listen.empty();
  engine.commands = {options.commands, token_of(options)};
  engine.logger = lines.sink();
  engine.traces = trace_options_of(options.traces);
  return engine;
}

/// Where port 0 was asked for, the one that it is.
std::string with_port(const std::string& address, int port) {
  return address.substr(0, address.rfind(':') + 1) + std::to_string(port);
}

/// Without the port and brackets.
std::string host_of(const std::string& address) {
  std::string host = address.substr(0, address.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host;
}

struct server_config {
  server::security::security_options security;
  std::vector<namespace_options> namespaces;
};

/// Everything that is wrong is told at once, with its lines.
server_config read_config(environment& env, const std::string& file) {
  if (file.empty()) return {};
  std::ifstream from(file, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(from)), std::istreambuf_iterator<char>());
  if (!from) throw command_error("--config: \"" + file + "\" can't be read");
  dsl::problems found;
  const auto root = dsl::read_document(text, dsl::text_format::detect, found);
  server_config options;
  if (!root) found.push_back(root.error());
  const dsl::node* security = root ? root->find("security") : nullptr;
  const dsl::node* namespaces = root ? root->find("namespaces") : nullptr;
  for (const auto& member : root ? root->members : std::vector<dsl::node::member>()) {
    if (member.key == "security" || member.key == "namespaces") continue;
    found.push_back({member.key_at, dsl::rule::unknown_property, dsl::severity::error, "/" + member.key,
                     "\"" + member.key + "\" is no part of a server's configuration; \"security\" and \"namespaces\" are"});
  }
  if (security != nullptr) {
    options.security = server::security::read_security_options(*security, std::filesystem::path(file).parent_path().string(), found);
  }
  if (namespaces != nullptr) options.namespaces = server::read_namespaces(*namespaces, found);
  for (const dsl::problem& each : found) env.err << dsl::describe(each, file) << '\n';
  if (dsl::has_errors(found)) throw command_error("--config: \"" + file + "\" can't be used");
  if (security == nullptr && namespaces == nullptr) {
    throw command_error("--config: \"" + file + "\" has neither of the objects \"security\" and \"namespaces\"");
  }
  return options;
}

/// Before anything is opened.
void check_listen(environment& env, const server_options& options, const server::security::security_options& security) {
  if (options.listen.empty()) return;
  const auto colon = options.listen.rfind(':');
  const bool has_port = colon != std::string::npos && colon + 1 < options.listen.size() &&
                        options.listen.find_first_not_of("0123456789", colon + 1) == std::string::npos;
  if (!has_port) throw command_error("--listen: \"" + options.listen + "\" is not HOST:PORT, as in 127.0.0.1:7466");
  const auto checked =
      server::security::check_listener({"--listen", host_of(options.listen), security.has_tls(), security.has_authentication()},
                                       options.insecure_listen);
  if (!checked) throw command_error(checked.error());
  if (*checked) env.err << env.program << ": warning: " << **checked << std::endl;
}

/// What serves programs, where that is asked for.
class listening {
 public:
  listening(engine& of, const server_options& options, const server::security::security_options& security, const log& lines) try
      : time_(make_system_clock()) {
    if (security.has_tls()) tls_ = std::make_shared<server::security::tls_reloader>(security.tls, *time_, lines);
    if (security.has_authentication()) {
      admission_.emplace(security, *time_, lines);
      shown_ = engine_access::shown(of).collect([this](metrics::scrape& into) { admission_->collect(into); });
    }
    if (options.listen.empty()) return;
    server::grpc_server_options grpc;
    grpc.address = options.listen;
    grpc.admission = admission();
    if (tls_) grpc.credentials = server::security::make_grpc_credentials(tls_);
    server_.emplace(of, std::move(grpc));
  } catch (const std::exception& error) {
    throw command_error(error.what());
  }

  /// Who asks each caller who it is; null: nobody.
  server::gate* admission() { return admission_ ? &*admission_ : nullptr; }
  http_security for_http() { return {admission(), tls_}; }
  /// Certificates, tokens and keys are read anew; the audit log is opened again.
  void reload() {
    if (tls_) tls_->reload();
    if (admission_) admission_->reload();
  }
  /// 0: nowhere.
  int port() const { return server_ ? server_->port() : 0; }

 private:
  const std::unique_ptr<clock> time_;
  std::shared_ptr<server::security::tls_reloader> tls_;  ///< null: connections are not encrypted
  std::optional<server::admission> admission_;
  std::optional<server::grpc_server> server_;
  metrics::registry::registration shown_;  // ended first
};

exit_code run_server(environment& env, const server_options& options) {
  const server_config config = read_config(env, options.config);
  const server::security::security_options& security = config.security;
  check_listen(env, options, security);
  const interrupt_guard interrupts;
  const log lines = make_log(options.log);  // one for all, so that its level can be changed
  check_http_options(env, options.http, security, options.insecure_listen);
  hangup_guard hangups;
  const auto monitoring = start_monitoring(env, options.metrics, lines, "engine");  // there before it, and after it
  make_private(env.data_directory);
  std::unique_ptr<engine> running;
  engine_options made_with = engine_options_of(env, options, lines);
  made_with.namespaces = config.namespaces;
  const auto start = [&] { running = std::make_unique<engine>(env.definitions, made_with); };
  if (!make_when_there(env, interrupts, {engine_errc::unavailable}, start)) return exit_code::completed;
  const auto monitored = monitor(monitoring.get(), *running);
  std::unique_ptr<server::control_server> socket;
  try {
    socket = std::make_unique<server::control_server>(*running, env.data_directory);
  } catch (const server::control_error& error) {
    env.err << env.program << ": warning: other processes can't reach this one by its data directory: " << error.what() << '\n';
  }
  listening programs(*running, options, security, lines);
  std::unique_ptr<http_front> http;
  if (!options.http.listen.empty()) http = std::make_unique<http_front>(*running, options.http, programs.for_http(), lines);
  // Where standard output is for events, it is for nothing else.
  std::ostream& words = options.publish.to == "stdout:" ? env.err : env.out;
  words << "evermill is running: process " << ::getpid() << ", " << running->statistics().durability << '\n'
        << "Ask it with: " << env.program << " list" << place_words(env) << '\n';
  if (programs.port() != 0) words << "Programs reach it at " << with_port(options.listen, programs.port()) << " (gRPC)\n";
  if (http) words << "API: " << http->address() << "/api/v1/status\n";
  words << std::flush;
  wait_until_interrupted(interrupts, [&] {
    if (!hangups.take()) return;
    lines.info({}, "SIGHUP: certificates, tokens and keys are looked at, and the audit log is opened again");
    programs.reload();
  });
  env.err << "Stopping: what runs is finished, parked or given to others (again to end at once; nothing is lost) …" << std::endl;
  return exit_code::completed;
}

void add_publish_options(CLI::App& command, server_options& options) {
  command
      .add_option("--publish", options.publish.to,
                  "Publish all journaled events as CloudEvents: stdout:, file:PATH, kafka://…, redis://…, or queue: for the "
                  "broker of --queue, with ?stream=NAME (events) where it is a broker; none ends it. Without it they are kept "
                  "where they were published before")
      ->type_name("TO");
  command.add_option("--publish-format", options.publish_format_name, "With --publish: their data, json or protobuf")
      ->check(CLI::IsMember({"json", "protobuf"}))
      ->needs("--publish");
  command
      .add_option("--publish-types", options.publish.types,
                  "With --publish: types of events, as in histories; all others are left out")
      ->delimiter(',')
      ->type_name("TYPE,…")
      ->needs("--publish");
  command
      .add_option("--publish-workflows", options.publish.workflows,
                  "With --publish: workflow types whose events are published; all others are left out")
      ->delimiter(',')
      ->type_name("NAME,…")
      ->needs("--publish");
  command
      .add_option("--publish-limit", options.publish.limit,
                  "With --publish: events that each partition keeps while they can't be published; then the oldest are "
                  "given up")
      ->type_name("N")
      ->needs("--publish");
}

}  // namespace

void add_server(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("server", "Run the workflows of a data directory, or a share of a cluster's, until told to stop");
  const auto options = std::make_shared<server_options>();
  command.add_option("--partitions", options->partitions, "Slices that work is divided into; fixed at the first start")->type_name("N");
  command.add_option("--task-queues", options->task_queues, "Task queues that are served here, besides \"default\"")
      ->delimiter(',')
      ->type_name("NAME,…");
  command
      .add_option("--snapshot-log-bytes", options->snapshot_log_bytes,
                  "With --queue: how much a partition's log may grow before a snapshot is made and the log trimmed")
      ->type_name("N");
  command.add_flag("!--no-activities", options->run_activities, "With --queue: leave all activities to workers");
  command.add_option("--standbys", options->standbys, "With --queue: other nodes that follow each partition")->type_name("N");
  command
      .add_option("--session-timeout", options->session_timeout_ms,
                  "With --queue: who is not heard of for so many milliseconds has lost its partitions")
      ->type_name("MS");
  command.add_option("--stop-grace", options->stop_grace_ms, "How long running activities may take when it stops")->type_name("MS");
  command
      .add_option("--turn-timeout", options->turn_timeout_ms,
                  "How long a workflow's code, here or in a worker that decides, may take for a turn before its execution is set aside; 0: no limit")
      ->type_name("MS");
  add_log_options(command, options->log);
  add_trace_options(command, options->traces);
  add_publish_options(command, *options);
  add_metrics_option(command, options->metrics);
  command
      .add_option("--listen", options->listen,
                  "Serve programs, workers and other commands (--server) over gRPC there; port 0: one that is free, and printed")
      ->type_name("HOST:PORT");
  command.add_option("--config", options->config, "Its namespaces (docs/namespaces.md) and, with --listen or --http, who may call, TLS and limits (docs/security.md), YAML or JSON")
      ->type_name("FILE");
  command.add_flag(std::string(server::security::insecure_listen_option), options->insecure_listen,
                   "With --listen or --http: also where other machines can reach it, although whoever can connect may do everything");
  add_http_options(command, options->http);
  command.add_flag("--commands", options->commands,
                   "With --queue: do what any client of the broker writes into the stream \"commands\": start, signal, cancel, "
                   "terminate (docs/commands.md)");
  command
      .add_option("--commands-token-file", options->commands_token_file,
                  "With --commands: the token that each of them has to show, the first line of this file")
      ->type_name("FILE")
      ->needs("--commands");
  add_secrets_option(command, env);
  add_docker_option(command, env);
  add_data_option(command, env);
  add_queue_options(command, env);
  command.footer("Without --queue it has the data directory alone; other commands reach it by --data.\n"
                 "With --queue it shares all work with the other nodes on that broker: each has some partitions, others follow them "
                 "and take over when it ends. --data is its own copy, and may be lost.\n\nExamples:\n  " +
                 env.program + " server --data /var/lib/evermill\n  " + env.program +
                 " server --data /var/lib/evermill --listen 127.0.0.1:7466\n  " +
                 env.program + " server --queue kafka://localhost:9092 --data node-1\n  " +
                 env.program + " server --publish file:events.jsonl");
  command.callback([&, options] { chosen = [&env, options] { return run_server(env, *options); }; });
}

}  // namespace evermill::cli
