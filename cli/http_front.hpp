// --http: the engine of this process over HTTP and JSON.
#pragma once

#include <CLI/App.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "cli/environment.hpp"
#include "evermill/engine.hpp"
#include "server/http/api/http_api.hpp"
#include "server/http/http_server.hpp"
#include "server/security/security_options.hpp"
#include "server/security/tls.hpp"

namespace evermill::cli {

struct http_options {
  std::string listen;  ///< HOST:PORT; "": not at all
  std::string hooks;   ///< a file; "": none
  std::vector<std::string> cors_origins;
};
void add_http_options(CLI::App& command, http_options& options);

/// Of whom there is: who asks callers who they are, and what encrypts.
struct http_security {
  server::gate* admission = nullptr;  ///< null: nobody is asked who they are
  std::shared_ptr<server::security::tls_reloader> tls{};  ///< null: plain HTTP
};

/// Serves from construction on. Goes before the engine.
class http_front {
 public:
  /// `security.admission` outlives it. Throws command_error.
  http_front(engine& of, const http_options& options, const http_security& security, const log& lines);
  /// Ends what waits and what follows, and lets what was asked have its answers.
  ~http_front();
  /// "http://HOST:PORT", or "https://…"
  std::string address() const;

 private:
  const bool secure_;
  std::shared_ptr<server::http::api::http_api> api_;
  std::unique_ptr<server::http::http_server> server_;
};

/// Throws command_error for what is wrong with the options, before anything is opened. `insecure`: --insecure-listen.
void check_http_options(environment& env, const http_options& options, const server::security::security_options& security, bool insecure);

}  // namespace evermill::cli
