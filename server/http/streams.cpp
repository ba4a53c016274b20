// Connections over TCP, and over TLS.
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "server/http/connection.hpp"

namespace evermill::server::http {
namespace {

void close_socket(tcp::socket& which) {
  error_code ignored;
  which.shutdown(tcp::socket::shutdown_both, ignored);
  which.close(ignored);
}

class plain_connection final : public connection {
 public:
  plain_connection(server_core& in, std::string peer, tcp::socket&& socket)
      : connection(in, std::move(peer)), socket_(std::move(socket)) {}

 protected:
  void read(asio::mutable_buffer into, done after) override { socket_.async_read_some(into, std::move(after)); }
  void write(asio::const_buffer from, done after) override { asio::async_write(socket_, from, std::move(after)); }
  void finish_sending(bool, std::function<void()> after) override {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    after();
  }
  void close() override { close_socket(socket_); }

 private:
  tcp::socket socket_;
};

std::string to_pem(X509* certificate) {
  BIO* const memory = BIO_new(BIO_s_mem());
  std::string text;
  if (memory != nullptr && PEM_write_bio_X509(memory, certificate) == 1) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(memory, &data);
    if (size > 0) text.assign(data, static_cast<std::size_t>(size));
  }
  BIO_free(memory);
  return text;
}

class secure_connection final : public connection {
 public:
  secure_connection(server_core& in, std::string peer, tcp::socket&& socket, asio::ssl::context& context)
      : connection(in, std::move(peer)), stream_(std::move(socket), context) {}

 protected:
  void handshake(std::function<void(error_code)> after) override {
    stream_.async_handshake(asio::ssl::stream_base::server, [this, after = std::move(after)](error_code failed) {
      if (!failed) remember_certificate();
      after(failed);
    });
  }
  void read(asio::mutable_buffer into, done after) override { stream_.async_read_some(into, std::move(after)); }
  void write(asio::const_buffer from, done after) override { asio::async_write(stream_, from, std::move(after)); }
  /// A read that waits would be in the way of TLS's own goodbye.
  void finish_sending(bool reading, std::function<void()> after) override {
    if (!reading) return stream_.async_shutdown([after = std::move(after)](error_code) { after(); });
    error_code ignored;
    stream_.next_layer().shutdown(tcp::socket::shutdown_send, ignored);
    after();
  }
  void close() override { close_socket(stream_.next_layer()); }
  std::string certificate() override { return certificate_; }
  bool is_secure() const override { return true; }

 private:
  void remember_certificate() {
    SSL* const session = stream_.native_handle();
    X509* const certificate = SSL_get_peer_certificate(session);
    if (certificate == nullptr) return;
    if (SSL_get_verify_result(session) == X509_V_OK) certificate_ = to_pem(certificate);
    X509_free(certificate);
  }

  asio::ssl::stream<tcp::socket> stream_;
  std::string certificate_;
};

}  // namespace

connection_ptr make_connection(server_core& in, tcp::socket&& socket, std::string peer) {
  return std::make_shared<plain_connection>(in, std::move(peer), std::move(socket));
}

connection_ptr make_secure_connection(server_core& in, tcp::socket&& socket, std::string peer,
                                      const std::shared_ptr<ssl_ctx_st>& context) {
  SSL_CTX_up_ref(context.get());
  asio::ssl::context owner(context.get());  // gives that reference back; the connection takes one of its own
  return std::make_shared<secure_connection>(in, std::move(peer), std::move(socket), owner);
}

}  // namespace evermill::server::http
