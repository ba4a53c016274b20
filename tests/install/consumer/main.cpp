// Runs a process, a script and an activity of a plugin, and asks a server that is not there: consumer PLUGIN
#include <evermill/client.hpp>
#include <evermill/docker.hpp>
#include <evermill/engine.hpp>
#include <evermill/notify.hpp>
#include <evermill/plugin.hpp>
#include <evermill/script.hpp>
#include <evermill/shell.hpp>
#include <iostream>

namespace {

inline constexpr evermill::activity<std::string(std::string)> greet{.name = "greet"};

evermill::task<std::string> use_all(evermill::context ctx) {
  evermill::script_command command;
  command.language = "sh";
  command.source = "echo script";
  evermill::shell_result said = co_await ctx.call(evermill::script, command);
  std::string greeting = co_await ctx.call(greet, std::string("you"));
  co_return said.stdout_text + greeting;
}

}  // namespace

int main(int, char** argv) {
  evermill::load_plugin(argv[1]);
  evermill::registry definitions;
  definitions.add("use_all", use_all);
  evermill::engine engine(definitions, {});
  std::cout << engine.start(use_all).result() << '\n';
  try {
    const evermill::client nobody({.server = {.address = "127.0.0.1:1"}, .connect = std::chrono::milliseconds(10)});
  } catch (const evermill::client_error& error) {
    std::cout << (error.code() == evermill::client_errc::unavailable ? "nobody there" : error.what()) << '\n';
  }
}
