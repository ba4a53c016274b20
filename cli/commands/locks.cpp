#include <CLI/App.hpp>
#include <memory>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/opened_control.hpp"
#include "cli/output.hpp"

namespace evermill::cli {
namespace {

constexpr std::size_t locks_per_page = 500;

void add_rows(std::vector<std::vector<std::string>>& table, const lock_description& lock) {
  const std::string kind = lock.semaphore ? "semaphore of " + std::to_string(lock.permits) : "lock";
  for (const auto& user : lock.holders) table.push_back({lock.name, kind, "holds", user.workflow_id});
  std::size_t place = 0;
  for (const auto& user : lock.waiters) {
    table.push_back({lock.name, kind, "waits (" + std::to_string(++place) + ")", user.workflow_id});
  }
}

exit_code list_locks(environment& env, bool json) {
  std::string after;
  ask(env, open_mode::inspect, [&](server::control& control) {
    for (auto locks = control.locks(after, locks_per_page); !locks.empty(); locks = control.locks(after, locks_per_page)) {
      std::vector<std::vector<std::string>> table;
      if (after.empty()) table.push_back({"NAME", "KIND", "", "WORKFLOW ID"});
      after = locks.back().id;
      for (const lock_description& lock : locks) {
        if (json) {
          env.out << to_json(lock) << '\n';
        } else {
          add_rows(table, lock);
        }
      }
      if (!json) print_table(env.out, std::move(table), env.width);
    }
  });
  if (after.empty() && !json) env.err << "No lock is held or waited for.\n";
  return exit_code::completed;
}

}  // namespace

void add_locks(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("locks", "Show the locks and semaphores that executions hold or wait for");
  const auto json = std::make_shared<bool>(false);
  command.add_flag("--json", *json, "One JSON object a line");
  add_place_options(command, env);
  command.footer("Examples:\n  " + env.program + " locks\n  " + env.program + " locks --json | jq .holders");
  command.callback([&, json] { chosen = [&env, json] { return list_locks(env, *json); }; });
}

}  // namespace evermill::cli
