#include "bench/http_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>

namespace evermill::bench {
namespace {

using steady = std::chrono::steady_clock;

constexpr std::size_t read_bytes = 16 * 1024;

double in_ms(steady::duration length) { return std::chrono::duration<double, std::milli>(length).count(); }

int connected(std::uint16_t port) {
  const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  const int on = 1;
  ::setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(made, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0) return made;
  ::close(made);
  return -1;
}

bool send_all(int to, const std::string& text) {
  for (std::size_t sent = 0; sent < text.size();) {
    const ssize_t now = ::send(to, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (now <= 0) return false;
    sent += static_cast<std::size_t>(now);
  }
  return true;
}

/// Is the answer there as a whole? Its head has a Content-Length.
bool is_whole(const std::string& text) {
  const std::size_t head = text.find("\r\n\r\n");
  if (head == std::string::npos) return false;
  const std::size_t length = text.find("Content-Length: ");
  return length > head || text.size() >= head + 4 + std::stoul(text.substr(length + 16, 12));
}

class poller {
 public:
  poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}
  ~poller() { ::close(epoll_); }
  void add(int socket, std::uint64_t number) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = number;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
  }
  template <class F>
  void wait(F&& ready) {
    const int count = ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), 30'000);
    if (count <= 0) throw std::runtime_error("the server does not answer");
    for (int i = 0; i < count; ++i) ready(events_[static_cast<std::size_t>(i)].data.u64);
  }

 private:
  const int epoll_;
  std::array<epoll_event, 256> events_{};
};

struct connection {
  int socket = -1;
  std::string seen;
  steady::time_point asked{};
  bool open = false;
};

std::vector<connection> connect_all(std::uint16_t port, std::size_t count, const poller& polled) {
  std::vector<connection> all(count);
  for (std::size_t i = 0; i < count; ++i) {
    all[i].socket = connected(port);
    if (all[i].socket < 0) throw std::runtime_error("can't connect " + std::to_string(count) + " times; see ulimit -n");
    all[i].open = true;
    polled.add(all[i].socket, i);
  }
  return all;
}

/// False: the connection has broken.
bool receive(connection& from) {
  std::array<char, read_bytes> buffer;
  const ssize_t got = ::recv(from.socket, buffer.data(), buffer.size(), 0);
  if (got <= 0) return false;
  from.seen.append(buffer.data(), static_cast<std::size_t>(got));
  return true;
}

}  // namespace

http_figures run_requests(std::uint16_t port, std::uint64_t count, std::size_t connections, const std::string& wanted,
                          const std::function<std::string(std::uint64_t)>& request) {
  poller polled;
  std::vector<connection> all = connect_all(port, connections, polled);
  std::vector<steady::duration> latencies;
  latencies.reserve(count);
  http_figures found;
  std::uint64_t next = 0, done = 0;
  const auto ask = [&](connection& by) {
    if (next == count) return;
    by.asked = steady::now();
    by.seen.clear();
    if (!send_all(by.socket, request(next++))) throw std::runtime_error("a connection broke");
  };
  const auto began = steady::now();
  for (connection& each : all) ask(each);
  while (done < count) {
    polled.wait([&](std::uint64_t number) {
      connection& from = all[number];
      if (!receive(from)) throw std::runtime_error("a connection broke");
      if (!is_whole(from.seen)) return;
      from.seen.starts_with(wanted) ? ++found.answers : ++found.failures;
      latencies.push_back(steady::now() - from.asked);
      ++done;
      ask(from);
    });
  }
  found.seconds = std::chrono::duration<double>(steady::now() - began).count();
  std::sort(latencies.begin(), latencies.end());
  found.p50_ms = in_ms(latencies[latencies.size() / 2]);
  found.p99_ms = in_ms(latencies[latencies.size() * 99 / 100]);
  return found;
}

http_figures open_streams(std::uint16_t port, std::uint64_t count, const std::string& wanted,
                          const std::function<std::string(std::uint64_t)>& request) {
  poller polled;
  std::vector<connection> all = connect_all(port, count, polled);
  http_figures found;
  const auto began = steady::now();
  for (std::uint64_t i = 0; i < count; ++i) send_all(all[i].socket, request(i));
  for (std::uint64_t waiting = count; waiting > 0;) {
    polled.wait([&](std::uint64_t number) {
      connection& from = all[number];
      const bool alive = receive(from);
      if (!from.open || (alive && from.seen.find(wanted) == std::string::npos)) return;
      alive ? ++found.answers : ++found.failures;
      from.open = false;  // counted
      from.seen = {};
      --waiting;
    });
  }
  found.seconds = std::chrono::duration<double>(steady::now() - began).count();
  return found;
}

void raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

http_client_process::http_client_process(const work& what) {
  int down[2], up[2];
  if (::pipe(down) != 0 || ::pipe(up) != 0) throw std::runtime_error("no pipe can be made");
  process_ = ::fork();
  if (process_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close(down[1]);
    std::uint16_t port = 0;
    http_figures found;
    if (::read(down[0], &port, sizeof port) == sizeof port) {
      try {
        found = what(port);
      } catch (const std::exception& error) {
        ::write(2, error.what(), std::char_traits<char>::length(error.what())) < 0 ? void() : void();
        found.failures = 1;
      }
      if (::write(up[1], &found, sizeof found) == sizeof found) static_cast<void>(!::read(down[0], &port, sizeof port));
    }
    ::_exit(0);
  }
  ::close(down[0]);
  ::close(up[1]);
  to_child_ = down[1];
  from_child_ = up[0];
}

http_client_process::~http_client_process() {
  ::close(to_child_);
  ::close(from_child_);
  ::waitpid(process_, nullptr, 0);
}

http_figures http_client_process::go(std::uint16_t port) {
  http_figures found;
  if (::write(to_child_, &port, sizeof port) != sizeof port ||
      ::read(from_child_, &found, sizeof found) != sizeof found) {
    throw std::runtime_error("the client process has ended");
  }
  return found;
}

}  // namespace evermill::bench
