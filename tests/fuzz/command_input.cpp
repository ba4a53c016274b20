// What somebody types: JSON for an option, and a command line, an argument a line. Only commands that change nothing.
#include <array>
#include <sstream>
#include <vector>

#include "cli/environment.hpp"
#include "cli/errors.hpp"
#include "cli/input.hpp"
#include "evermill/registry.hpp"
#include "fuzz_input.hpp"

using namespace evermill;

namespace {

void check_json(std::string_view text) {
  std::istringstream in{std::string(text)};
  try {
    const payload once = cli::read_json("-", "--input", in);
    std::istringstream again(once.data);
    fuzz::expect(cli::read_json("-", "--input", again) == once, "JSON is written the same way again");
  } catch (const cli::command_error& error) {
    fuzz::expect(error.code() == cli::exit_code::refused, "bad input is told as such");
  }
}

void check_command(std::uint8_t which, std::string_view text) {
  constexpr std::array commands{"list", "describe", "history", "signal", "cancel", "terminate", "taint", "verify"};
  std::vector<std::string> arguments{commands[which % commands.size()]};
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("--data") || line.starts_with("@")) return;  // what lies on this machine is not the input
    arguments.push_back(line);
  }
  static const registry definitions;
  std::istringstream in;
  std::ostringstream out, err;
  cli::environment env{.in = in, .out = out, .err = err, .definitions = definitions, .program = "evermill",
                       .data_directory = "/nonexistent/evermill"};
  const int code = cli::run_command_line(env, std::move(arguments));
  fuzz::expect(code == 0 || code == 2, "a command line that does nothing is refused, or explained");
  fuzz::expect(!out.str().empty() || !err.str().empty(), "a command line is answered");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::input in(data, size);
  const std::uint8_t which = in.byte();
  const std::string_view text = in.rest();
  check_json(text);
  check_command(which, text);
  return 0;
}
