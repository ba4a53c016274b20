// A connection as a transfer would make it (TCP, TLS, a unix socket), for what is not HTTP, or is no longer.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "plugins/task/transfer/transfer.hpp"

namespace evermill::tasks {

/// Does not block, once it is open. The calling thread must have SIGPIPE blocked.
class raw_connection {
 public:
  struct progress {
    std::size_t bytes = 0;  ///< of receive: 0 is the end, unless `again`
    bool again = false;     ///< nothing now: poll the socket
    bool failed = false;
    std::string message{};
  };

  /// Of the request: url, unix_socket, TLS, connect_timeout. `error` says why it is not open.
  explicit raw_connection(const transfer_request& where);
  ~raw_connection();
  raw_connection(const raw_connection&) = delete;
  raw_connection& operator=(const raw_connection&) = delete;

  const std::string& error() const noexcept { return error_; }
  int socket() const noexcept { return socket_; }
  progress send(std::string_view bytes);
  progress receive(char* to, std::size_t room);
  /// The other side reads the end, and may go on writing. False: not with this kind of connection (TLS).
  bool end_writing();

 private:
  struct handle;
  const std::unique_ptr<handle> handle_;
  const bool tls_;
  std::string error_;
  int socket_ = -1;
};

}  // namespace evermill::tasks
