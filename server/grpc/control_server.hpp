// Serves an engine to other processes of the same user, over gRPC on the unix socket in its data directory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

#include "server/control.hpp"

namespace evermill::server {

class control_server {
 public:
  /// Listens at DATA/evermill.sock, mode 0600. `engine` must have that directory open (so that nobody else listens there,
  /// and a socket that is found is stale) and must outlive this object. Throws control_error.
  control_server(engine& engine, const std::filesystem::path& data_directory);
  /// Removes the socket, ends calls that wait for an execution or follow one with an error, and lets the others have
  /// their answers.
  ~control_server();
  control_server(const control_server&) = delete;
  control_server& operator=(const control_server&) = delete;

  /// How many callers wait for the end of an execution now.
  std::size_t waiting_calls() const;

 private:
  class impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace evermill::server
