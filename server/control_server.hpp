// Serves an engine to other processes of the same user, over gRPC on the unix socket in its data directory.
#pragma once

#include <filesystem>
#include <memory>

#include "server/control.hpp"

namespace evermill::server {

class control_server {
 public:
  /// Listens at DATA/evermill.sock, mode 0600. `engine` must have that directory open (so that nobody else listens there,
  /// and a socket that is found is stale) and must outlive this object. Throws control_error.
  control_server(engine& engine, const std::filesystem::path& data_directory);
  /// Ends all calls, waiting ones with an error, and removes the socket.
  ~control_server();
  control_server(const control_server&) = delete;
  control_server& operator=(const control_server&) = delete;

 private:
  class impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace evermill::server
