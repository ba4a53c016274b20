#include "server/http/monitoring.hpp"

#include <mutex>
#include <utility>

#include "base/metrics.hpp"

namespace evermill::server::http {
namespace {

constexpr unsigned ok = 200;
constexpr unsigned unavailable = 503;

response text(unsigned status, const std::string& line) { return {status, "text/plain; charset=utf-8", line + "\n"}; }

server_options listening_at(endpoint where) {
  server_options options;
  options.listen = std::move(where);
  options.max_body_bytes = 1024;  // nobody has anything to say
  return options;
}

}  // namespace

monitoring::monitoring(endpoint where, std::string starting, log lines)
    : why_not_ready_(std::move(starting)),
      server_(listening_at(std::move(where)),
              {{"GET", "/metrics", [this](const request&) { return metrics(); }},
               {"GET", "/healthz", [](const request&) { return text(ok, "alive"); }},
               {"GET", "/readyz", [this](const request&) { return readiness(); }}},
              std::move(lines)) {}

void monitoring::watch(monitored which) {
  const std::unique_lock lock(guard_);
  watched_ = std::move(which);
}

void monitoring::stopping() {
  const std::unique_lock lock(guard_);
  watched_.reset();
  why_not_ready_ = "the process stops";
}

response monitoring::metrics() const {
  const std::shared_lock lock(guard_);
  if (!watched_) return text(unavailable, why_not_ready_);
  return {ok, std::string(evermill::metrics::text_content_type), watched_->metrics()};
}

response monitoring::readiness() const {
  const std::shared_lock lock(guard_);
  if (!watched_) return text(unavailable, why_not_ready_);
  const auto why = watched_->why_not_ready();
  return why ? text(unavailable, *why) : text(ok, "ready");
}

}  // namespace evermill::server::http
