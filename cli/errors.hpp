// A command that can't be carried out.
#pragma once

#include <stdexcept>
#include <string>

#include "cli/exit_codes.hpp"

namespace evermill::cli {

/// Printed as "PROGRAM: MESSAGE" on standard error; ends the command with `code()`.
class command_error : public std::runtime_error {
 public:
  explicit command_error(const std::string& message, exit_code code = exit_code::refused)
      : std::runtime_error(message), code_(code) {}
  exit_code code() const noexcept { return code_; }

 private:
  exit_code code_;
};

}  // namespace evermill::cli
