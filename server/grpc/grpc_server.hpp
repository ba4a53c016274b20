// Serves the API over gRPC at one address.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "server/control.hpp"
#include "server/gate.hpp"

namespace grpc {
class ServerCredentials;
}

namespace evermill::server {

struct grpc_server_options {
  std::string address;  ///< as gRPC names it: "unix:/…", "127.0.0.1:7466", "[::1]:0"
  std::shared_ptr<grpc::ServerCredentials> credentials;  ///< null: connections are not encrypted
  gate* admission = nullptr;  ///< null: whoever can connect may do everything; outlives the server
  std::size_t max_request_bytes = max_payload_bytes + (1u << 20);
};

class grpc_server {
 public:
  /// `engine` outlives it. Throws control_error (unreachable) where nothing can listen there.
  grpc_server(engine& engine, grpc_server_options options);
  /// As `stop`.
  ~grpc_server();
  grpc_server(const grpc_server&) = delete;
  grpc_server& operator=(const grpc_server&) = delete;

  /// Ends calls that wait for an execution or follow one with an error, and lets the others have their answers within `grace`.
  void stop(std::chrono::milliseconds grace);

  /// The port it listens on; 0: none.
  int port() const noexcept;
  /// How many callers wait for the end of an execution or an update now.
  std::size_t waiting_calls() const;

 private:
  class impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace evermill::server
