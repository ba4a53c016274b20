// One function per command. Each returns an exit code; what goes wrong is thrown as engine_error or usage_error.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>

#include "cli/exit_codes.hpp"
#include "evermill/registry.hpp"

namespace evermill::cli {

/// Something the user typed can't be; the message says what to do.
class usage_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct settings {
  registry definitions;
  std::filesystem::path data = "evermill-data";
  std::string id;
  std::string name;   // of a workflow or a signal
  std::string input;  // JSON, @file or -
  bool json = false;
};

int run(const settings& s);
int list(const settings& s);
int describe(const settings& s);
int history(const settings& s);
int signal(const settings& s);
int cancel(const settings& s);
int terminate(const settings& s);
int taint(const settings& s);

}  // namespace evermill::cli
