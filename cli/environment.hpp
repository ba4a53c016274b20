// What a command gets from the process it runs in, so that tests can give it something else.
#pragma once

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>

#include "evermill/registry.hpp"

namespace evermill::cli {

struct environment {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  const registry& definitions;
  std::string program;                   ///< as it was called; for messages that show commands
  std::filesystem::path data_directory;  ///< what --data is when it is not given
  bool err_is_terminal = false;
  bool color = false;
  std::size_t width = 80;  ///< of the terminal, in columns
};

/// Runs one command line (without the program's name). Never throws for what a user can cause.
int run_command_line(environment& env, std::vector<std::string> arguments);

}  // namespace evermill::cli
