#include "plugins/task/docker/stdin_feed.hpp"

#include <poll.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <optional>

#include "plugins/task/transfer/raw_connection.hpp"

namespace evermill::tasks {
namespace {

constexpr std::size_t longest_head = 64 * 1024;

/// The connection stops speaking HTTP when the engine has answered: nothing may be written before.
class attached_stdin {
 public:
  attached_stdin(raw_connection& connection, std::string_view request, std::string_view text)
      : connection_(connection), request_(request), text_(text) {}

  /// Nothing: there is more to do.
  std::optional<feed_result> step(int stop) {
    const bool writes = !request_.empty() || (attached_ && !text_.empty());
    const auto events = static_cast<short>(POLLIN | (writes ? POLLOUT : 0));
    std::array<pollfd, 2> waiting{{{connection_.socket(), events, 0}, {stop, POLLIN, 0}}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0) {
      if (errno == EINTR) return std::nullopt;
      return feed_result{feed_end::broken, "poll"};
    }
    if (waiting[1].revents != 0) return feed_result{feed_end::stopped, {}};
    if (writes && (waiting[0].revents & POLLOUT) != 0) {
      if (auto end = write()) return end;
    }
    return (waiting[0].revents & ~POLLOUT) != 0 ? read() : std::nullopt;
  }

 private:
  std::optional<feed_result> write() {
    std::string_view& rest = request_.empty() ? text_ : request_;
    const auto sent = connection_.send(rest);
    if (sent.failed) return attached_ ? feed_result{feed_end::reads_no_more, {}} : feed_result{feed_end::broken, sent.message};
    rest.remove_prefix(sent.bytes);
    return close_if_done();
  }

  /// The engine passes on what is on its way, also when this process is gone. It does not say when it has.
  std::optional<feed_result> close_if_done() {
    if (!attached_ || !text_.empty()) return std::nullopt;
    connection_.end_writing();
    return feed_result{};
  }

  std::optional<feed_result> read() {
    std::array<char, 4096> chunk{};
    const auto got = connection_.receive(chunk.data(), chunk.size());
    if (got.again) return std::nullopt;
    if (got.failed || got.bytes == 0) {
      if (!attached_) return feed_result{feed_end::broken, got.failed ? got.message : "the engine closed the connection"};
      return feed_result{feed_end::reads_no_more, {}};
    }
    if (attached_) return std::nullopt;  // it has nothing to say
    head_.append(chunk.data(), got.bytes);
    if (head_.find("\r\n\r\n") != std::string::npos) return take_head();
    return head_.size() > longest_head ? std::optional(feed_result{feed_end::broken, "the engine's answer is no HTTP"})
                                       : std::nullopt;
  }

  std::optional<feed_result> take_head() {
    int status = 0;
    constexpr std::size_t status_at = sizeof("HTTP/1.1 ") - 1;
    if (head_.starts_with("HTTP/1.") && head_.size() > status_at) {
      std::from_chars(head_.data() + status_at, head_.data() + head_.size(), status);
    }
    if (status == 404 || status == 409) return feed_result{feed_end::reads_no_more, {}};
    if (status != 101 && status != 200) return feed_result{feed_end::broken, "attach: status " + std::to_string(status)};
    attached_ = true;
    return close_if_done();
  }

  raw_connection& connection_;
  std::string_view request_;
  std::string_view text_;
  std::string head_;
  bool attached_ = false;
};

}  // namespace

feed_result feed_stdin(const docker_host& host, const std::string& prefix, const std::string& container, std::string_view text,
                       int stop) {
  transfer_request where;
  where.url = host.base_url;
  where.unix_socket = host.unix_socket;
  where.verify_peer = host.verify_peer;
  where.ca_file = host.ca_file;
  where.certificate_file = host.certificate_file;
  where.key_file = host.key_file;
  raw_connection connection(where);
  if (!connection.error().empty()) return {feed_end::broken, connection.error()};
  const std::string request =
      "POST " + prefix + "/containers/" + container +
      "/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\nConnection: Upgrade\r\n"
      "Upgrade: tcp\r\n\r\n";
  attached_stdin attached(connection, request, text);
  while (true) {
    if (auto end = attached.step(stop)) return *end;
  }
}

}  // namespace evermill::tasks
