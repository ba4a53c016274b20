// The evermill binary: the command line with the workflows that come with it.
#include "evermill/context.hpp"
#include "evermill/main.hpp"
#include "evermill/shell.hpp"

namespace {

/// Runs one shell command durably.
evermill::task<evermill::shell_result> shell_workflow(evermill::context ctx, evermill::shell_command command) {
  co_return co_await ctx.call(evermill::shell, command);
}

}  // namespace

int main(int argc, char** argv) {
  evermill::registry registry;
  registry.add("shell", shell_workflow);
  return evermill::main(argc, argv, registry);
}
