// One connection of the server: requests one after the other, each read, handed over, answered. Private to
// http_server.cpp and connection.cpp, which alone know Boost.
#pragma once

#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "server/http/http_server.hpp"

namespace evermill::server::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace proto = boost::beast::http;
using tcp = asio::ip::tcp;
using error_code = boost::system::error_code;
using steady = std::chrono::steady_clock;

class connection;
using connection_ptr = std::shared_ptr<connection>;

/// What all connections of a server share. Everything but `io` is of the server's thread.
struct server_core : std::enable_shared_from_this<server_core> {
  server_core(server_options how, std::shared_ptr<request_handler> answers, log lines)
      : options(std::move(how)), handler(std::move(answers)), log_(std::move(lines)) {}

  const server_options options;
  const std::shared_ptr<request_handler> handler;
  const log log_;
  std::list<connection_ptr> connections;  ///< the one that has been silent for longest first
  std::atomic<std::size_t> open{0};
  std::size_t body_bytes = 0;  ///< of all bodies that are held
  bool stopping = false;
  std::function<void()> on_empty;  ///< the last connection has gone
  asio::io_context io{1};          // gone first: what waits in it may hold connections

  void heard_of(std::list<connection_ptr>::iterator which) {
    connections.splice(connections.end(), connections, which);
  }
  void ended(std::list<connection_ptr>::iterator which);
};

/// Kept by what it waits for (which `io` has), and by the server's list: so it must not keep the core. On the server's
/// thread.
class connection : public std::enable_shared_from_this<connection> {
 public:
  using done = std::function<void(error_code, std::size_t)>;

  connection(server_core& in, std::string peer);
  virtual ~connection() = default;

  void start(std::list<connection_ptr>::iterator place);
  /// Closes what has taken too long, and sends heartbeats.
  void look_at_time(steady::time_point now);
  /// Between two requests.
  bool is_idle() const { return phase_ == phase::idle || phase_ == phase::draining; }
  void end();

 protected:
  virtual void handshake(std::function<void(error_code)> after) { after({}); }
  virtual void read(asio::mutable_buffer into, done after) = 0;
  virtual void write(asio::const_buffer from, done after) = 0;
  /// Tells the other side that nothing follows.
  virtual void finish_sending(bool reading, std::function<void()> after) = 0;
  virtual void close() = 0;
  virtual std::string certificate() { return {}; }
  virtual bool is_secure() const { return false; }

 private:
  class pending;  // one request that is to be answered
  enum class phase : std::uint8_t { begins, idle, reading, handling, answering, streaming, draining, closed };

  void next_request();
  void wait_for_a_byte();
  void on_byte(const error_code& failed, std::size_t count);
  void read_more();
  void parse();
  bool on_head();
  bool expects_continue();
  void dispatch();
  void account_body(std::size_t bytes);
  void refuse(const error_code& why);
  void refuse(unsigned status, const std::string& why);
  void deliver(response&& how);
  void send(std::string&& text, std::function<void()> after);
  void after_answer();
  void begin_stream(response&& head, std::shared_ptr<body_source> from);
  void pull();
  void on_part(std::string&& bytes, bool end);
  void send_part();
  void send_chunk(std::string&& bytes, bool end, std::function<void()> after);
  void on_gone(bool for_good);
  void drain();
  void drop_rest();
  std::string header_of(const response& how, bool in_parts) const;

  server_core& core_;
  const std::string peer_;
  std::list<connection_ptr>::iterator place_;
  phase phase_ = phase::begins;
  steady::time_point until_ = steady::time_point::max();  // closed then
  steady::time_point beat_at_ = steady::time_point::max();
  beast::flat_buffer buffer_;
  std::optional<proto::request_parser<proto::string_body>> parser_;
  request what_;
  std::string out_;
  std::weak_ptr<pending> pending_;
  std::shared_ptr<body_source> source_;
  std::string part_;  // of the source, that is not sent yet
  std::size_t body_bytes_ = 0;
  unsigned version_ = 11;
  unsigned drops_ = 0;
  char byte_ = 0;
  bool byte_awaited_ = false;
  bool input_ended_ = false;
  bool head_seen_ = false;
  bool keep_alive_ = false;
  bool head_only_ = false;
  bool sending_ = false;
  bool has_part_ = false;
  bool last_part_ = false;
};

connection_ptr make_connection(server_core& in, tcp::socket&& socket, std::string peer);
/// `context`: shared with the other connections.
connection_ptr make_secure_connection(server_core& in, tcp::socket&& socket, std::string peer,
                                      const std::shared_ptr<ssl_ctx_st>& context);

}  // namespace evermill::server::http
