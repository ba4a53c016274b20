// An HTTP/1.1 server: one thread, everything asynchronous, everything bounded. No Boost type shows here.
//
// It asks nobody who they are: that is for what answers (message.hpp). Connections that wait for an answer or for the
// next part of one are watched, and cost no thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "server/http/message.hpp"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace evermill::server::http {

/// Can't listen; `what()` says where, why, and what to do.
class http_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Where to listen: "HOST:PORT", as "127.0.0.1:9464", "[::1]:9464", "localhost:0" or, on all interfaces, ":9464".
struct endpoint {
  std::string host;        ///< a name or an address, without brackets; "": all interfaces
  std::uint16_t port = 0;  ///< 0: one that is free
};
/// Throws http_error.
endpoint parse_endpoint(std::string_view text);
/// "HOST:PORT", as parse_endpoint takes it.
std::string to_string(const endpoint& where);

/// What is at a path, for servers that know what they answer at once. `handle` is called on the server's thread.
struct route {
  std::string method;  ///< "GET" answers HEAD too
  std::string path;    ///< compared as it is
  std::function<response(const request&)> handle;
};
/// Paths that no route has are answered with 404, methods that a path does not have with 405.
std::shared_ptr<request_handler> make_route_handler(std::vector<route> routes, std::size_t max_body_bytes);

struct server_options {
  endpoint listen;
  std::size_t max_connections = 64;          ///< one more takes the place of the one that has said nothing for longest
  std::size_t max_header_bytes = 16 * 1024;  ///< answered with 431
  std::size_t max_body_bytes = 64 * 1024;    ///< of a route; answered with 413
  std::size_t max_bodies_bytes = 256 * 1024 * 1024;  ///< of all requests at once; one more is answered with 503
  std::chrono::milliseconds idle_limit{75'000};      ///< how long a connection may be open between requests
  std::chrono::milliseconds request_limit{10'000};   ///< from a request's first byte to its last; for TLS's handshake
  std::chrono::milliseconds response_limit{30'000};  ///< to take the whole answer, or a part of one that comes in parts
  std::chrono::milliseconds heartbeat{15'000};       ///< body_source::heartbeat
  /// Null: plain HTTP. Otherwise asked for each connection, which keeps what it began with.
  std::function<std::shared_ptr<ssl_ctx_st>()> tls{};
};

/// Thread-safe.
class http_server {
 public:
  /// Listens when it returns. Throws http_error.
  http_server(server_options options, std::shared_ptr<request_handler> handler, log lines);
  http_server(server_options options, std::vector<route> routes, log lines);
  /// Closes all connections, whatever they do; after return the handler is not called.
  ~http_server();
  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;

  /// Takes no more connections and requests, closes the idle ones, and waits until what is asked already is answered,
  /// for `grace` at most. Whoever waits for something else is to be told so before.
  void stop(std::chrono::milliseconds grace);

  /// Where it listens: the host as it was given, the port as it is.
  endpoint listening() const;
  /// That are open now.
  std::size_t connections() const;

 private:
  class impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace evermill::server::http
