// A connection to a server of this process.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "server/http/http_server.hpp"

namespace evermill::server::http {

inline constexpr std::chrono::seconds hangs_after{30};

/// A connection that says exactly what a test wants said.
class client {
 public:
  explicit client(const http_server& to) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{hangs_after.count(), 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(to.listening().port);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0;
  }
  ~client() { ::close(socket_); }
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  bool connected() const { return connected_; }
  int descriptor() const { return socket_; }

  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void finish_sending() { ::shutdown(socket_, SHUT_WR); }

  /// Until the server closes; "HANGS" where it does not.
  std::string read_all() {
    while (read_some()) {
    }
    return hung_ ? "HANGS" : std::exchange(seen_, {});
  }

  /// One answer with its body, however much follows.
  std::string read_answer(bool with_body = true) {
    std::size_t end = 0;
    while ((end = seen_.find("\r\n\r\n")) == std::string::npos) {
      if (!read_some()) return "CLOSED after: " + seen_;
    }
    end += 4;
    const std::size_t length = seen_.find("Content-Length: ");
    if (with_body && length < end) end += std::stoul(seen_.substr(length + 16));
    while (seen_.size() < end) {
      if (!read_some()) return "CLOSED after: " + seen_;
    }
    std::string answer = seen_.substr(0, end);
    seen_.erase(0, end);
    return answer;
  }

  /// So many bytes, however much follows.
  std::string read_bytes(std::size_t count) {
    while (seen_.size() < count && read_some()) {
    }
    std::string bytes = seen_.substr(0, count);
    seen_.erase(0, bytes.size());
    return bytes;
  }

  std::string get(const std::string& path) {
    send("GET " + path + " HTTP/1.1\r\nHost: here\r\n\r\n");
    return read_answer();
  }

 private:
  bool read_some() {
    char buffer[4096];
    const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
    hung_ = count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    if (count <= 0) return false;
    seen_.append(buffer, static_cast<std::size_t>(count));
    return true;
  }

  const int socket_;
  bool connected_ = false;
  bool hung_ = false;
  std::string seen_;
};

}  // namespace evermill::server::http
