// Every command: adds itself to the command line and says what to do when it was chosen.
#pragma once

#include <functional>

#include "cli/environment.hpp"
#include "cli/exit_codes.hpp"

namespace CLI {
class App;
}

namespace evermill::cli {

/// Set by the parser to what the chosen command does; called after everything was parsed.
using action = std::function<exit_code()>;

void add_bench(CLI::App& app, environment& env, action& chosen);
void add_run(CLI::App& app, environment& env, action& chosen);
void add_start(CLI::App& app, environment& env, action& chosen);
void add_list(CLI::App& app, environment& env, action& chosen);
void add_count(CLI::App& app, environment& env, action& chosen);
void add_describe(CLI::App& app, environment& env, action& chosen);
void add_history(CLI::App& app, environment& env, action& chosen);
void add_activity(CLI::App& app, environment& env, action& chosen);
void add_signal(CLI::App& app, environment& env, action& chosen);
void add_emit(CLI::App& app, environment& env, action& chosen);
void add_query(CLI::App& app, environment& env, action& chosen);
void add_update(CLI::App& app, environment& env, action& chosen);
void add_cancel(CLI::App& app, environment& env, action& chosen);
void add_terminate(CLI::App& app, environment& env, action& chosen);
void add_taint(CLI::App& app, environment& env, action& chosen);
void add_tasks(CLI::App& app, environment& env, action& chosen);
void add_locks(CLI::App& app, environment& env, action& chosen);
void add_log_level(CLI::App& app, environment& env, action& chosen);
void add_definitions(CLI::App& app, environment& env, action& chosen);
void add_queues(CLI::App& app, environment& env, action& chosen);
void add_export(CLI::App& app, environment& env, action& chosen);
void add_import(CLI::App& app, environment& env, action& chosen);
void add_replay(CLI::App& app, environment& env, action& chosen);
void add_validate(CLI::App& app, environment& env, action& chosen);
void add_graph(CLI::App& app, environment& env, action& chosen);
void add_verify(CLI::App& app, environment& env, action& chosen);

void add_server(CLI::App& app, environment& env, action& chosen);
void add_worker(CLI::App& app, environment& env, action& chosen);
void add_token(CLI::App& app, environment& env, action& chosen);
void add_cluster(CLI::App& app, environment& env, action& chosen);
void add_top(CLI::App& app, environment& env, action& chosen);
void add_watch(CLI::App& app, environment& env, action& chosen);
void add_context(CLI::App& app, environment& env, action& chosen);
void add_completion(CLI::App& app, environment& env, action& chosen);
void add_manual(CLI::App& app, environment& env, action& chosen);

/// --data
void add_data_option(CLI::App& command, environment& env);
/// --secrets, for commands that run activities.
void add_secrets_option(CLI::App& command, environment& env);
/// --docker, for the same.
void add_docker_option(CLI::App& command, environment& env);
/// --namespace
void add_namespace_option(CLI::App& command, environment& env);
/// Where executions are, and of which namespace, for commands that ask for some.
void add_place_options(CLI::App& command, environment& env);
/// --server, --context, --token-file, --tls and its files.
void add_server_option(CLI::App& command, environment& env);
/// --queue, --plugin
void add_queue_options(CLI::App& command, environment& env);

}  // namespace evermill::cli
