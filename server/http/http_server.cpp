#include "server/http/http_server.hpp"

#include <algorithm>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <future>
#include <thread>

#include "server/http/connection.hpp"

namespace evermill::server::http {
namespace {

/// After the system has refused a connection for want of something, it is not asked again at once.
constexpr std::chrono::milliseconds accept_pause{100};
constexpr int listen_backlog = 1024;

/// How often it is looked for what has taken too long.
steady::duration look_interval(const server_options& options) {
  const auto shortest =
      std::min({options.idle_limit, options.request_limit, options.response_limit, options.heartbeat});
  return std::clamp<steady::duration>(shortest / 8, std::chrono::milliseconds(2), std::chrono::milliseconds(500));
}

std::string name_of(const tcp::endpoint& peer) {
  const std::string address = peer.address().to_string(), port = std::to_string(peer.port());
  return peer.address().is_v4() ? "ipv4:" + address + ":" + port : "ipv6:[" + address + "]:" + port;
}

}  // namespace

/// All but construction, destruction and `stop` is on the server's thread.
class http_server::impl {
 public:
  impl(server_options options, std::shared_ptr<request_handler> handler, log lines)
      : core_(std::make_shared<server_core>(std::move(options), std::move(handler), std::move(lines))),
        acceptor_(core_->io),
        pause_(core_->io),
        look_(core_->io) {
    listen();
    accept();
    thread_ = std::thread([this] { work(); });
  }

  ~impl() {
    core_->io.stop();
    thread_.join();
    while (!core_->connections.empty()) core_->connections.front()->end();
    core_->on_empty = nullptr;
  }

  void stop(std::chrono::milliseconds grace) {
    const auto empty = std::make_shared<std::promise<void>>();
    auto over = empty->get_future();
    asio::post(core_->io, [this, empty] {
      if (core_->stopping) return;
      core_->stopping = true;
      error_code ignored;
      acceptor_.close(ignored);
      close_idle();
      core_->on_empty = [empty, told = false]() mutable {
        if (!std::exchange(told, true)) empty->set_value();
      };
      if (core_->connections.empty()) core_->on_empty();
    });
    over.wait_for(grace);
  }

  endpoint listening() const { return {core_->options.listen.host, port_}; }
  std::size_t connections() const { return core_->open; }

 private:
  /// What one connection does wrong, or lacks memory for, is no end of the others.
  void work() {
    while (!core_->io.stopped()) {
      try {
        core_->io.run();
      } catch (const std::exception& error) {
        core_->log_.error({}, "HTTP: {}", error.what());
      }
    }
  }

  void listen() {
    const endpoint& where = core_->options.listen;
    error_code failed;
    std::vector<tcp::endpoint> addresses;
    if (where.host.empty()) {
      addresses = {{tcp::v6(), where.port}, {tcp::v4(), where.port}};
    } else {
      tcp::resolver resolver(core_->io);
      const auto found = resolver.resolve(where.host, std::to_string(where.port), tcp::resolver::passive, failed);
      for (const auto& each : found) addresses.push_back(each.endpoint());
    }
    for (const tcp::endpoint& each : addresses) {
      if (listen_at(each, failed)) return;
    }
    throw http_error("can't listen at " + to_string(where) + ": " + failed.message() +
                     "; choose another address or port");
  }

  bool listen_at(const tcp::endpoint& where, error_code& failed) {
    acceptor_ = tcp::acceptor(core_->io);
    acceptor_.open(where.protocol(), failed);
    if (!failed) acceptor_.set_option(tcp::acceptor::reuse_address(true), failed);
    if (!failed && core_->options.listen.host.empty() && where.address().is_v6()) {
      acceptor_.set_option(asio::ip::v6_only(false), failed);
    }
    if (!failed) acceptor_.bind(where, failed);
    if (!failed) acceptor_.listen(listen_backlog, failed);
    if (failed) return false;
    port_ = acceptor_.local_endpoint(failed).port();
    return !failed;
  }

  void accept() {
    acceptor_.async_accept([this](error_code failed, tcp::socket socket) {
      if (core_->stopping) return;
      if (failed) {
        core_->log_.warn({}, "an HTTP connection could not be taken: {}", failed.message());
        close_longest_idle();
        pause_.expires_after(accept_pause);
        return pause_.async_wait([this](error_code) { accept(); });
      }
      if (core_->connections.size() >= core_->options.max_connections) close_longest_idle();
      if (core_->connections.size() < core_->options.max_connections) begin(std::move(socket));
      accept();
    });
  }

  void begin(tcp::socket&& socket) {
    error_code failed;
    const tcp::endpoint peer = socket.remote_endpoint(failed);
    if (failed) return;
    socket.set_option(tcp::no_delay(true), failed);
    auto& all = core_->connections;
    if (core_->options.tls) {
      const auto context = core_->options.tls();
      if (!context) return;
      all.push_back(make_secure_connection(*core_, std::move(socket), name_of(peer), context));
    } else {
      all.push_back(make_connection(*core_, std::move(socket), name_of(peer)));
    }
    core_->open = all.size();
    if (!looking_) look_soon();
    all.back()->start(std::prev(all.end()));
  }

  /// One look at all instead of a timer for each.
  void look_soon() {
    looking_ = true;
    look_.expires_after(look_interval(core_->options));
    look_.async_wait([this](error_code) {
      looking_ = false;
      const auto now = steady::now();
      for (auto next = core_->connections.begin(); next != core_->connections.end();) {
        const connection_ptr each = *next++;  // it may leave the list
        each->look_at_time(now);
      }
      if (!core_->connections.empty()) look_soon();
    });
  }

  /// Who says nothing makes way. Where all have something to do, the newcomer is turned away.
  void close_longest_idle() {
    const auto idle = std::find_if(core_->connections.begin(), core_->connections.end(),
                                   [](const connection_ptr& each) { return each->is_idle(); });
    if (idle != core_->connections.end()) connection_ptr(*idle)->end();
  }

  void close_idle() {
    for (auto next = core_->connections.begin(); next != core_->connections.end();) {
      const connection_ptr each = *next++;
      if (each->is_idle()) each->end();
    }
  }

  const std::shared_ptr<server_core> core_;
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  asio::steady_timer look_;
  bool looking_ = false;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

http_server::http_server(server_options options, std::shared_ptr<request_handler> handler, log lines)
    : impl_(std::make_unique<impl>(std::move(options), std::move(handler), std::move(lines))) {}
http_server::http_server(server_options options, std::vector<route> routes, log lines) {
  const std::size_t max_body_bytes = options.max_body_bytes;
  impl_ = std::make_unique<impl>(std::move(options), make_route_handler(std::move(routes), max_body_bytes),
                                 std::move(lines));
}
http_server::~http_server() = default;
void http_server::stop(std::chrono::milliseconds grace) { impl_->stop(grace); }
endpoint http_server::listening() const { return impl_->listening(); }
std::size_t http_server::connections() const { return impl_->connections(); }

}  // namespace evermill::server::http
