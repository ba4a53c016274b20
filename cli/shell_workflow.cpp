#include "cli/shell_workflow.hpp"

#include "evermill/context.hpp"
#include "plugins/task/shell/evermill/shell.hpp"

namespace evermill::cli {
namespace {

/// Only attempts that were lost with their process are made again: the command's own exit code is its answer.
constexpr activity_options attempts{.retry = {.max_attempts = 10}};

task<shell_result> run_shell(context ctx, shell_command command) {
  const bool check = command.check;
  command.check = false;
  future<shell_result> running = ctx.call(shell.with(attempts), command);
  shell_result result = co_await std::move(running);
  if (check && result.exit_code != 0) {
    throw application_error("NonZeroExit", "the command ended with exit code " + std::to_string(result.exit_code),
                            codec<shell_result>::encode(result), true);
  }
  co_return result;
}

}  // namespace

void add_shell_workflow(registry& to) { to.add("shell", run_shell); }

}  // namespace evermill::cli
