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
void add_list(CLI::App& app, environment& env, action& chosen);
void add_describe(CLI::App& app, environment& env, action& chosen);
void add_history(CLI::App& app, environment& env, action& chosen);
void add_activity(CLI::App& app, environment& env, action& chosen);
void add_signal(CLI::App& app, environment& env, action& chosen);
void add_query(CLI::App& app, environment& env, action& chosen);
void add_update(CLI::App& app, environment& env, action& chosen);
void add_cancel(CLI::App& app, environment& env, action& chosen);
void add_terminate(CLI::App& app, environment& env, action& chosen);
void add_taint(CLI::App& app, environment& env, action& chosen);
void add_tasks(CLI::App& app, environment& env, action& chosen);
void add_locks(CLI::App& app, environment& env, action& chosen);
void add_export(CLI::App& app, environment& env, action& chosen);
void add_import(CLI::App& app, environment& env, action& chosen);
void add_replay(CLI::App& app, environment& env, action& chosen);
void add_verify(CLI::App& app, environment& env, action& chosen);

/// --data, the same for all of them.
void add_data_option(CLI::App& command, environment& env);

}  // namespace evermill::cli
