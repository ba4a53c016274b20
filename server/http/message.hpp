// Requests, answers and who makes one of the other, as the HTTP server has them. No Boost type shows here.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace evermill::server::http {

using header_list = std::vector<std::pair<std::string, std::string>>;

struct request {
  std::string method;  ///< "GET"; what HEAD asks for comes as "GET"
  std::string path;    ///< as it was sent, up to the first '?'
  std::string query;   ///< what follows that, not decoded
  std::string body;
  header_list headers;
  std::string peer;         ///< "ipv4:127.0.0.1:4711", "ipv6:[::1]:4711"
  std::string certificate;  ///< the peer's, verified, as PEM; "": none
  bool secure = false;      ///< it came by TLS
  std::shared_ptr<void> admitted;  ///< what its admission has left for whoever handles it; null: nothing

  /// The value of a header; names have no case. "": there is none. What stands several times: the first.
  std::string_view header(std::string_view name) const noexcept;
  std::size_t count(std::string_view name) const noexcept;
};

struct response {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";  ///< "": none
  std::string body;
  header_list headers;  ///< besides those that every answer has
  std::string outcome{};  ///< for audit logs: what went wrong; "": nothing. It is not sent
};

/// The body of an answer that comes bit by bit, and is asked for when the bit before is on its way: nothing piles up.
class body_source {
 public:
  /// `bytes` may be empty. `end`: these were the last.
  using give = std::function<void(std::string bytes, bool end)>;

  virtual ~body_source() = default;
  /// Calls `told` once, on any thread, before it returns or later. One call at a time, on the server's thread.
  virtual void next(give told) = 0;
  /// What is sent where nothing has come for server_options::heartbeat; "": nothing.
  virtual std::string heartbeat() { return {}; }
  /// Nobody takes more: the client has gone, or the server stops. On the server's thread; may come more than once.
  virtual void stop() = 0;
};

/// One request that is being answered: once, by `answer` or by `stream`, on any thread. Dropped without that, it
/// answers 500. May outlive the server; then nothing happens.
class exchange {
 public:
  virtual ~exchange() = default;
  virtual void answer(response how) = 0;
  /// `head`'s body is not sent; `from` has it.
  virtual void stream(response head, std::shared_ptr<body_source> from) = 0;
  /// `told` is called at most once, on the server's thread, when the client seems to have gone while it is not
  /// answered. It may still be answered then.
  virtual void on_gone(std::function<void()> told) = 0;
};

/// What may follow a header.
struct admission {
  std::optional<response> refusal;  ///< the body is not read
  std::size_t max_body_bytes = 0;   ///< more is answered 413
  std::shared_ptr<void> ticket{};   ///< becomes request::admitted; dropped where the request does not come whole
};

/// What answers requests. Called on the server's thread: it must be short, as all others wait. What it throws is
/// logged, and answered with 500.
class request_handler {
 public:
  virtual ~request_handler() = default;
  /// Before the body is read, which `head` does not have.
  virtual admission admit(const request& head) = 0;
  virtual void handle(request what, std::shared_ptr<exchange> to) = 0;
  /// The answer to what the server refuses by itself: no HTTP, too large, …
  virtual response refusal(unsigned status, const std::string& why);
};

}  // namespace evermill::server::http
