// A network between a client and a server of this machine that fails in just the way that a test wants.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/redis_server.hpp"

namespace evermill::tests {

class tcp_proxy {
 public:
  enum class failure {
    none,
    request_lost,   ///< the connection is cut before the request reaches the server
    answer_lost,    ///< it is cut after the server has answered, before the client hears that
    request_late,   ///< it is cut for the client; the server gets the request when `deliver_late` is called
  };

  explicit tcp_proxy(std::uint16_t server) : server_(server) {
    std::tie(listener_, port_) = listen_on_loopback();
    thread_ = std::thread([this] { run(); });
  }
  ~tcp_proxy() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake();
    thread_.join();
    for (const auto& each : connections_) close(*each);
    ::close(listener_);
    ::close(wake_);
  }
  tcp_proxy(const tcp_proxy&) = delete;
  tcp_proxy& operator=(const tcp_proxy&) = delete;

  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }

  /// The next `count` requests with this word in them fail so.
  void fail(failure how, std::string word, unsigned count = 1) {
    std::lock_guard lock(mutex_);
    how_ = how;
    word_ = std::move(word);
    left_ = count;
  }
  void wait_until_failed() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return left_ == 0; });
  }
  /// Ends all connections and takes no more.
  void cut_off() {
    {
      std::lock_guard lock(mutex_);
      cut_off_ = true;
    }
    wake();
  }
  /// Gives the server what was kept from it, and waits for its answers.
  void deliver_late() {
    std::unique_lock lock(mutex_);
    deliver_ = true;
    wake();
    changed_.wait(lock, [&] { return !deliver_; });
  }

 private:
  struct connection {
    int client = -1;
    int server = -1;
    bool answer_is_lost = false;
    std::string late;
  };

  void wake() { ::eventfd_write(wake_, 1); }

  static void close(connection& which) {
    for (int* const each : {&which.client, &which.server}) {
      if (*each >= 0) ::close(*each);
      *each = -1;
    }
  }

  void run() {
    for (;;) {
      std::vector<pollfd> asked{{wake_, POLLIN, 0}, {listener_, POLLIN, 0}};
      for (const auto& each : connections_) {
        asked.push_back({each->client, POLLIN, 0});
        asked.push_back({each->client < 0 ? -1 : each->server, POLLIN, 0});  // what is late is read when it is delivered
      }
      ::poll(asked.data(), asked.size(), -1);
      std::lock_guard lock(mutex_);
      eventfd_t ignored = 0;
      if (asked[0].revents != 0) ::eventfd_read(wake_, &ignored);
      if (stopping_) return;
      for (std::size_t i = 0; i < connections_.size(); ++i) {
        if (cut_off_) close(*connections_[i]);
        if (connections_[i]->client >= 0 && asked[2 + 2 * i].revents != 0) from_client(*connections_[i]);
        if (connections_[i]->client >= 0 && asked[3 + 2 * i].revents != 0) from_server(*connections_[i]);
      }
      if (deliver_) deliver();
      std::erase_if(connections_, [](const auto& each) { return each->client < 0 && each->server < 0; });
      if (asked[1].revents != 0) accept();
    }
  }

  void accept() {
    auto made = std::make_unique<connection>();
    made->client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (!cut_off_) made->server = connect_to_server();
    if (made->server < 0) return close(*made);
    connections_.push_back(std::move(made));
  }

  int connect_to_server() const {
    const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(server_);
    if (::connect(made, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0) return made;
    ::close(made);
    return -1;
  }

  void from_client(connection& which) {
    const std::string request = receive(which.client);
    if (request.empty()) return close(which);
    const bool fails = left_ > 0 && request.find(word_) != std::string::npos;
    if (fails && how_ != failure::answer_lost) failed();
    if (fails && how_ == failure::request_lost) return close(which);
    if (fails && how_ == failure::request_late) {
      which.late = request;
      ::close(std::exchange(which.client, -1));
      return;
    }
    which.answer_is_lost = which.answer_is_lost || fails;
    send(which.server, request);
  }

  void from_server(connection& which) {
    const std::string answer = receive(which.server);
    if (which.answer_is_lost) failed();
    if (answer.empty() || which.answer_is_lost) return close(which);
    send(which.client, answer);
  }

  void deliver() {
    for (const auto& each : connections_) {
      if (each->late.empty()) continue;
      send(each->server, each->late);
      receive(each->server);
      close(*each);
    }
    deliver_ = false;
    changed_.notify_all();
  }

  void failed() {
    if (left_ > 0) --left_;
    changed_.notify_all();
  }

  static std::string receive(int from) {
    std::array<char, 256 * 1024> chunk;
    const auto count = ::recv(from, chunk.data(), chunk.size(), 0);
    return count > 0 ? std::string(chunk.data(), static_cast<std::size_t>(count)) : std::string();
  }
  static void send(int to, std::string_view text) {
    while (!text.empty()) {
      const auto count = ::send(to, text.data(), text.size(), MSG_NOSIGNAL);
      if (count <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  const std::uint16_t server_;
  const int wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  int listener_ = -1;
  std::uint16_t port_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  failure how_ = failure::none;
  std::string word_;
  unsigned left_ = 0;
  bool cut_off_ = false;
  bool deliver_ = false;
  bool stopping_ = false;

  std::vector<std::unique_ptr<connection>> connections_;  // of the thread
  std::thread thread_;
};

}  // namespace evermill::tests
