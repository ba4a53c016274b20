// What a command gets from the process it runs in, so that tests can give it something else.
#pragma once

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>

#include "cli/screen.hpp"
#include "evermill/registry.hpp"

namespace evermill::cli {

struct environment {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  const registry& definitions;
  std::string program;                   ///< as it was called; for messages that show commands
  std::filesystem::path data_directory;  ///< what --data is when it is not given
  std::string queue;                     ///< what --queue is when it is not given; "": the data directory counts
  std::string server{};                  ///< what --server is when it is not given; "": no server is asked
  bool server_is_given = false;          ///< by --server
  std::string name_space{};              ///< what --namespace is when it is not given; "": the default one
  std::string token{};                   ///< what the server is shown; "": nothing
  bool tls = false;                      ///< the connection to it is encrypted
  std::string tls_ca{};                  ///< who vouches for it; "": whom the system trusts
  std::string tls_certificate{};         ///< what it is shown of this side, PEM; "": nothing
  std::string tls_key{};                 ///< of the certificate, PEM
  std::filesystem::path config_directory{};  ///< where contexts are kept; "": nowhere
  std::string context{};                 ///< what --context is when it is not given; "": the one that is used
  bool context_is_given = false;         ///< by --context
  bool data_is_set = false;              ///< data_directory is EVERMILL_DATA, and not what is so without it
  std::string secrets{};                 ///< what --secrets is when it is not given; "": there are none
  std::string docker{};                  ///< what --docker is when it is not given; "": as the docker command has it
  std::string traceparent{};             ///< the caller's span: W3C Trace Context; "": none
  std::string tracestate{};
  bool err_is_terminal = false;
  bool color = false;
  std::size_t width = 80;  ///< of the terminal, in columns
  /// Of the terminal behind standard error, now: it may change. Empty: it is `width` wide.
  std::function<screen_size()> size{};
};

/// Runs one command line (without the program's name). Never throws for what a user can cause.
int run_command_line(environment& env, std::vector<std::string> arguments);

}  // namespace evermill::cli
