// How the HTTP API is set up.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "server/gate.hpp"
#include "server/http/api/webhook.hpp"
#include "server/http/http_server.hpp"

namespace evermill::server::http::api {

struct api_options {
  gate* admission = nullptr;  ///< null: whoever can connect may do everything; outlives the API
  clock* time = nullptr;      ///< null: the machine's; outlives the API
  std::vector<webhook> hooks{};
  /// Origins whose web pages may use the API: "https://app.example.org"; "*": all. Pages of other origins are refused.
  std::vector<std::string> cors_origins{};
  /// Requests must name a host of this machine (localhost, 127.0.0.0/8, ::1): for a server without authentication that
  /// listens on the loopback interface, so that no web page gets at it by a DNS name of its own that it points there.
  bool only_local_hosts = false;
  std::size_t max_payload_body_bytes = 32u << 20;  ///< of bodies with payloads
  std::size_t max_waits = 20'000;                  ///< requests that wait for an end, at once
  std::size_t max_followers = 20'000;              ///< streams of one execution's events, at once
  std::size_t max_watchers = 64;                   ///< streams of all events, at once
  std::size_t threads = 8;                         ///< for what reads the store or waits for a commit
  std::size_t max_waiting_calls = 1000;            ///< for a thread; further ones are answered with 429
  /// Further paths, answered at once and without asking the gate: /metrics and the like.
  std::vector<route> others{};
};

}  // namespace evermill::server::http::api
