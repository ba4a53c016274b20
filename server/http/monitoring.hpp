// What a monitoring system asks a process, over HTTP:
//
//   GET /metrics   what it counts and measures, as Prometheus reads it (docs/metrics.md)
//   GET /healthz   200 while the process lives: it is to be restarted where there is no answer
//   GET /readyz    200 while it does all that it is there for; 503 otherwise, the reason in the body
#pragma once

#include <functional>
#include <optional>
#include <shared_mutex>
#include <string>

#include "server/http/http_server.hpp"

namespace evermill::server::http {

/// An engine or a worker, as far as it is monitored. Both are thread-safe and wait for nothing.
struct monitored {
  std::function<std::string()> metrics;                       ///< as engine::metrics
  std::function<std::optional<std::string>()> why_not_ready;  ///< as engine::why_not_ready
};

/// Answers before there is something to monitor, and while it stops. Thread-safe.
class monitoring {
 public:
  /// Listens when it returns. `starting`: what /readyz says until there is something. Throws http_error.
  monitoring(endpoint where, std::string starting, log lines);

  /// It is what is asked from now on.
  void watch(monitored which);
  /// It is asked no more after return, and may be destroyed.
  void stopping();
  /// Where it listens, with the port that was chosen.
  endpoint listening() const { return server_.listening(); }

 private:
  response metrics() const;
  response readiness() const;

  mutable std::shared_mutex guard_;
  std::optional<monitored> watched_;  ///< nothing: not yet, or not any more
  std::string why_not_ready_;         ///< while there is none
  http_server server_;
};

}  // namespace evermill::server::http
