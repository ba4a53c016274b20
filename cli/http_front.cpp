#include "cli/http_front.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <ostream>
#include <utility>

#include "base/metrics.hpp"
#include "cli/errors.hpp"
#include "server/security/listener_policy.hpp"

namespace evermill::cli {
namespace {

namespace http = server::http;

constexpr std::chrono::seconds answer_grace{5};  // for requests that wait for a commit when the server stops
constexpr std::size_t most_connections = 30'000;

/// Half of the descriptors that the process may have: the others are the engine's.
std::size_t connections_allowed() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return most_connections;
  return std::clamp<std::size_t>(limit.rlim_cur / 2, 16, most_connections);
}

http::endpoint endpoint_of(const http_options& options) {
  try {
    return http::parse_endpoint(options.listen);
  } catch (const http::http_error& error) {
    throw command_error(std::string("--http: ") + error.what());
  }
}

http::response text(unsigned status, std::string line) {
  return {status, "text/plain; charset=utf-8", std::move(line) + "\n", {}};
}

/// What --metrics answers, too.
std::vector<http::route> monitoring_routes(const engine& of) {
  return {{"GET", "/metrics",
           [&of](const http::request&) {
             return http::response{200, std::string(metrics::text_content_type), of.metrics(), {}};
           }},
          {"GET", "/healthz", [](const http::request&) { return text(200, "alive"); }},
          {"GET", "/readyz", [&of](const http::request&) {
             const auto why_not = of.why_not_ready();
             return why_not ? text(503, *why_not) : text(200, "ready");
           }}};
}

http::api::api_options api_options_of(const engine& of, const http_options& options, server::gate* admission) {
  http::api::api_options api;
  api.admission = admission;
  api.cors_origins = options.cors_origins;
  // Web pages of elsewhere could be made to ask. Who is reached by others has names that it does not know.
  api.only_local_hosts = server::security::is_loopback(endpoint_of(options).host);
  api.others = monitoring_routes(of);
  try {
    if (!options.hooks.empty()) api.hooks = http::api::load_webhooks(options.hooks);
  } catch (const http::api::webhook_error& error) {
    throw command_error(std::string("--http-hooks: ") + error.what());
  }
  return api;
}

}  // namespace

void add_http_options(CLI::App& command, http_options& options) {
  command
      .add_option("--http", options.listen,
                  "Serve the API over HTTP and JSON there (docs/http.md), and /metrics, /healthz and /readyz; port 0: "
                  "one that is free, "
                  "and printed")
      ->type_name("HOST:PORT");
  command.add_option("--http-hooks", options.hooks, "With --http: the webhooks that are taken, a YAML or JSON file")
      ->type_name("FILE")
      ->needs("--http");
  command
      .add_option("--http-cors", options.cors_origins,
                  "With --http: origins whose web pages may use it, as https://app.example.org")
      ->delimiter(',')
      ->type_name("ORIGIN,…")
      ->needs("--http");
}

void check_http_options(environment& env, const http_options& options, const server::security::security_options& security, bool insecure) {
  if (options.listen.empty()) return;
  const auto checked = server::security::check_listener(
      {"--http", endpoint_of(options).host, security.has_tls(), security.has_authentication()}, insecure);
  if (!checked) throw command_error(checked.error());
  if (*checked) env.err << env.program << ": warning: " << **checked << std::endl;
}

http_front::http_front(engine& of, const http_options& options, const http_security& security, const log& lines)
    : secure_(security.tls != nullptr),
      api_(std::make_shared<http::api::http_api>(of, api_options_of(of, options, security.admission), lines)) {
  http::server_options server;
  server.listen = endpoint_of(options);
  server.max_connections = connections_allowed();
  if (security.tls) server.tls = [tls = security.tls] { return tls->context(); };
  try {
    server_ = std::make_unique<http::http_server>(std::move(server), api_, lines);
  } catch (const http::http_error& error) {
    throw command_error(std::string("--http: ") + error.what());
  }
}

http_front::~http_front() {
  api_->stop();
  server_->stop(answer_grace);
}

std::string http_front::address() const { return (secure_ ? "https://" : "http://") + http::to_string(server_->listening()); }

}  // namespace evermill::cli
