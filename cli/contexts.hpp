// Servers by name, kept in a file of the user's: what a command line that names no place talks to.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "cli/environment.hpp"

namespace CLI {
class App;
}

namespace evermill::cli {

/// Where a server is, and what it is shown. Files are named by absolute paths.
struct server_context {
  std::string server;        ///< HOST:PORT
  bool tls = false;
  std::string tls_ca;
  std::string tls_certificate;
  std::string tls_key;
  std::string token_file;    ///< whose first line is the token: the file of contexts holds no secret
  std::string name_space;    ///< "": the default one

  friend bool operator==(const server_context&, const server_context&) = default;
};

struct context_list {
  std::string current;  ///< "": none
  std::map<std::string, server_context> contexts;
};

/// env.config_directory/contexts.json. Nothing where there is no such file. Throws command_error where it can't be read.
context_list read_contexts(const environment& env);
/// Replaces the file in one step: mode 0600, in a directory of mode 0700. Throws command_error.
void write_contexts(const environment& env, const context_list& list);

/// The one of that name. Throws command_error, which says what there is.
const server_context& find_context(const environment& env, const context_list& list, const std::string& name);

/// What the command line and the environment leave open is taken from a context: the one of --context, of EVERMILL_CONTEXT, or the
/// current one. The latter two only where nothing else says what the command is about. `before` is the environment as it was before the
/// command line was parsed. Throws command_error.
void apply_context(environment& env, const environment& before);

/// The first line of a file. Throws command_error.
std::string read_token(const std::string& file);

}  // namespace evermill::cli
