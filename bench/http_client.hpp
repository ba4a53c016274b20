// A client process for the workloads over HTTP: one thread, many connections, as little work for each request as can
// be.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace evermill::bench {

/// What a client process found.
struct http_figures {
  std::uint64_t answers = 0;   ///< as they should be
  std::uint64_t failures = 0;  ///< other answers, and connections that broke
  double seconds = 0;
  double p50_ms = 0;
  double p99_ms = 0;
};

/// A process that is forked at construction, before any engine is open, and waits for `go`.
class http_client_process {
 public:
  using work = std::function<http_figures(std::uint16_t port)>;
  explicit http_client_process(const work& what);
  ~http_client_process();
  http_client_process(const http_client_process&) = delete;
  http_client_process& operator=(const http_client_process&) = delete;

  /// Has it work on the server at that port of the loopback interface, and waits for the figures. Its connections stay
  /// open until destruction.
  http_figures go(std::uint16_t port);

 private:
  int to_child_ = -1;
  int from_child_ = -1;
  int process_ = 0;
};

/// `count` requests over so many connections, each connection with one at a time. `request(i)`: the bytes of the i-th.
/// An answer must begin with `wanted`.
http_figures run_requests(std::uint16_t port, std::uint64_t count, std::size_t connections, const std::string& wanted,
                          const std::function<std::string(std::uint64_t)>& request);
/// As many connections with a request each, until each has been sent `wanted`; they stay open.
http_figures open_streams(std::uint16_t port, std::uint64_t count, const std::string& wanted,
                          const std::function<std::string(std::uint64_t)>& request);

/// As many descriptors as the system gives this process.
void raise_descriptor_limit();

}  // namespace evermill::bench
