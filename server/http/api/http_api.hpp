// The API over HTTP and JSON, over an engine in this process: docs/http.md.
#pragma once

#include <memory>

#include "base/log.hpp"
#include "evermill/engine.hpp"
#include "server/http/api/api_options.hpp"
#include "server/http/message.hpp"

namespace evermill::server::http::api {

/// What an http_server asks. Thread-safe where it says so; otherwise on the server's thread.
class http_api final : public request_handler {
 public:
  /// `engine` outlives it. The server goes first.
  http_api(engine& engine, api_options options, log lines);
  ~http_api() override;

  admission admit(const request& head) override;
  void handle(request what, std::shared_ptr<exchange> to) override;
  response refusal(unsigned status, const std::string& why) override;

  /// Requests that wait, and streams, are told to end. Before the server's `stop`, and before the engine goes.
  /// Thread-safe.
  void stop();

  /// That are open now: requests that wait for an end, streams of one execution's events, and of all. Thread-safe.
  std::size_t waiting() const;
  std::size_t following() const;
  std::size_t watching() const;

 private:
  class impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace evermill::server::http::api
