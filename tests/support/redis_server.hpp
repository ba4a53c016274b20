// Redis servers of a test's own, each a process that ends with the object.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace evermill::tests {

/// Why there can be no Redis server here, where that is so.
inline std::optional<std::string> why_no_redis() {
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/redis-server").c_str(), X_OK) == 0) return std::nullopt;
  }
  return "redis-server is not installed: scripts/install-dependencies.sh test";
}

/// A socket that listens on a port of this machine that is free; `port` 0: on any.
inline std::pair<int, std::uint16_t> listen_on_loopback(std::uint16_t port = 0) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  socklen_t size = sizeof at;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(listener, 64) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size) != 0) {
    throw std::runtime_error("no port of this machine is free");
  }
  return {listener, ntohs(at.sin_port)};
}

class redis_server {
 public:
  explicit redis_server(std::filesystem::path directory, std::vector<std::string> settings = {})
      : directory_(std::move(directory)), settings_(std::move(settings)) {
    std::filesystem::create_directories(directory_);
    for (int attempt = 0; attempt < 10; ++attempt) {  // somebody else may take the port before the server does
      const auto [listener, port] = listen_on_loopback();
      ::close(listener);
      port_ = port;
      if (try_to_start()) return;
    }
    throw std::runtime_error("redis-server does not start: see " + (directory_ / "log").string());
  }
  ~redis_server() { kill(); }
  redis_server(const redis_server&) = delete;
  redis_server& operator=(const redis_server&) = delete;

  std::uint16_t port() const noexcept { return port_; }
  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }

  /// As a power cut would, but for what the system keeps.
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  void start() {
    if (pid_ <= 0 && !try_to_start()) throw std::runtime_error("redis-server does not start again on its port");
  }
  void suspend() { ::kill(pid_, SIGSTOP); }
  void resume() { ::kill(pid_, SIGCONT); }

  /// One command by a connection of its own. The answer as text.
  std::string run(std::initializer_list<const char*> words) const {
    const std::unique_ptr<redisContext, decltype(&redisFree)> to(redisConnect("127.0.0.1", port_), redisFree);
    if (to == nullptr || to->err != 0) return "no connection";
    std::vector<const char*> list(words);
    auto* const reply = static_cast<redisReply*>(
        redisCommandArgv(to.get(), static_cast<int>(list.size()), list.data(), nullptr));
    if (reply == nullptr) return "no answer";
    const std::string text = reply->str != nullptr ? std::string(reply->str, reply->len) : std::to_string(reply->integer);
    freeReplyObject(reply);
    return text;
  }

 private:
  bool try_to_start() {
    std::vector<std::string> words{"redis-server",  "--port", std::to_string(port_), "--bind",    "127.0.0.1", "--dir",
                                   directory_.string(), "--save", "",  "--logfile", (directory_ / "log").string(),
                                   "--appendonly",  "yes",    "--appendfsync",       "always"};
    words.insert(words.end(), settings_.begin(), settings_.end());
    std::vector<char*> arguments;
    for (std::string& each : words) arguments.push_back(each.data());
    arguments.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // so that none is left when the tests are killed
      if (::getppid() != parent) ::_exit(1);
      ::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
    while (::waitpid(pid_, nullptr, WNOHANG) == 0) {
      const std::string answer = run({"PING"});
      if (answer == "PONG" || answer.starts_with("NOAUTH")) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // nothing tells when it listens
    }
    pid_ = 0;
    return false;
  }

  const std::filesystem::path directory_;
  const std::vector<std::string> settings_;
  std::uint16_t port_ = 0;
  pid_t pid_ = 0;
};

}  // namespace evermill::tests
