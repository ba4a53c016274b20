#include "evermill/main.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

#include "cli/environment.hpp"
#include "evermill/plugin.hpp"

namespace evermill {
namespace {

constexpr std::size_t default_width = 80;

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::size_t terminal_width(int descriptor) {
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return default_width;
}

cli::screen_size size_of_errors() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

/// As the XDG Base Directory Specification has it: relative paths do not count.
std::filesystem::path config_directory() {
  const std::filesystem::path config = variable("XDG_CONFIG_HOME");
  if (config.is_absolute()) return config / "evermill";
  const std::filesystem::path home = variable("HOME");
  return home.is_absolute() ? home / ".config" / "evermill" : std::filesystem::path();
}

/// Names of files, as in PATH.
void load_plugins(const std::string& files) {
  std::istringstream list(files);
  for (std::string file; std::getline(list, file, ':');) {
    if (!file.empty()) load_plugin(file);
  }
}

}  // namespace

int main(int argc, char** argv, registry definitions) {
  const bool err_is_terminal = ::isatty(STDERR_FILENO) == 1 && variable("TERM") != "dumb";
  const std::string data = variable("EVERMILL_DATA");
  if (const std::string version = variable("EVERMILL_WORKFLOW_VERSION"); !version.empty()) try {
      definitions.set_default_version(version);
    } catch (const std::invalid_argument& error) {
      std::cerr << "EVERMILL_WORKFLOW_VERSION: " << error.what() << '\n';
      return 2;
    }
  try {
    load_plugins(variable("EVERMILL_PLUGINS"));
  } catch (const plugin_error& error) {
    std::cerr << "EVERMILL_PLUGINS: " << error.what() << '\n';
    return 2;
  }
  // Tables that go to a file or another program are not cut.
  const bool out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  cli::environment env{.in = std::cin,
                       .out = std::cout,
                       .err = std::cerr,
                       .definitions = definitions,
                       .program = argc > 0 ? argv[0] : "evermill",
                       .data_directory = data.empty() ? "evermill-data" : data,
                       .queue = variable("EVERMILL_QUEUE"),
                       .server = variable("EVERMILL_SERVER"),
                       .name_space = variable("EVERMILL_NAMESPACE"),
                       .token = variable("EVERMILL_TOKEN"),
                       .config_directory = config_directory(),
                       .context = variable("EVERMILL_CONTEXT"),
                       .data_is_set = !data.empty(),
                       .secrets = variable("EVERMILL_SECRETS"),
                       .traceparent = variable("TRACEPARENT"),
                       .tracestate = variable("TRACESTATE"),
                       .err_is_terminal = err_is_terminal,
                       .color = err_is_terminal && variable("NO_COLOR").empty(),
                       .width = out_is_terminal   ? terminal_width(STDOUT_FILENO)
                                : err_is_terminal ? terminal_width(STDERR_FILENO)
                                                  : static_cast<std::size_t>(-1),
                       .size = size_of_errors};
  return cli::run_command_line(env, {argv + std::min(argc, 1), argv + argc});
}

}  // namespace evermill
