// Answers that come later, or bit by bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "server/http/http_server.hpp"
#include "tests/server/http/raw_client.hpp"

namespace evermill::server::http {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// What a source was asked, and what it is to give.
class scripted_source final : public body_source {
 public:
  void next(give told) override {
    std::unique_lock lock(mutex_);
    ++asked_;
    told_ = std::move(told);
    changed_.notify_all();
  }
  std::string heartbeat() override { return "beat"; }
  void stop() override {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }

  /// Waits until it is asked for the n-th part.
  bool was_asked(int times) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, hangs_after, [&] { return asked_ >= times; });
  }
  bool was_stopped() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, hangs_after, [&] { return stopped_; });
  }
  int asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  void part(std::string bytes, bool end = false) {
    give told;
    {
      const std::lock_guard lock(mutex_);
      told = std::exchange(told_, nullptr);
    }
    told(std::move(bytes), end);
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  give told_;
  int asked_ = 0;
  bool stopped_ = false;
};

/// Keeps what it is asked for a test to answer: /wait; streams at /stream; drops at /drop; echoes the rest.
class keeping_handler final : public request_handler {
 public:
  admission admit(const request& head) override {
    if (head.path == "/refused") return {response{403, "text/plain", "no", {}}, 0};
    return {std::nullopt, 1000};
  }
  void handle(request what, std::shared_ptr<exchange> to) override {
    const std::lock_guard lock(mutex_);
    if (what.path == "/drop") return;
    if (what.path == "/stream") return to->stream({200, "text/plain", "", {}}, source);
    if (what.path != "/wait") return to->answer({200, "text/plain", what.path + " " + what.body, {}});
    to->on_gone([this] {
      ++gone_;
      changed_.notify_all();
    });
    kept_ = std::move(to);
    changed_.notify_all();
  }

  std::shared_ptr<exchange> kept() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, hangs_after, [&] { return kept_ != nullptr; });
    return std::exchange(kept_, nullptr);
  }
  bool was_left() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, hangs_after, [&] { return gone_ > 0; });
  }

  const std::shared_ptr<scripted_source> source = std::make_shared<scripted_source>();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<exchange> kept_;
  std::atomic<int> gone_{0};
};

class HttpStreams : public testing::Test {
 protected:
  void serve(const std::function<void(server_options&)>& change = {}) {
    server_options options;
    options.listen = {"127.0.0.1", 0};
    if (change) change(options);
    server_ = std::make_unique<http_server>(options, handler_, log());
  }
  static void ask(client& by, const std::string& path, const std::string& more = {}) {
    by.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n" + more + "\r\n");
  }

  const std::shared_ptr<keeping_handler> handler_ = std::make_shared<keeping_handler>();
  std::unique_ptr<http_server> server_;
};

TEST_F(HttpStreams, AnAnswerMayComeLaterFromAnyThread) {
  serve();
  client one(*server_), other(*server_);
  ask(one, "/wait");
  const auto to = handler_->kept();
  EXPECT_THAT(other.get("/other"), EndsWith("/other "));
  std::thread([&] { to->answer({201, "text/plain", "late", {{"X", "y"}}}); }).join();
  to->answer({500, "text/plain", "once only", {}});
  const std::string answer = one.read_answer();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 201 Created\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nX: y\r\n"));
  EXPECT_THAT(one.get("/again"), EndsWith("/again "));
}

TEST_F(HttpStreams, ARequestThatNobodyAnswersIsAnError) {
  serve();
  client one(*server_);
  EXPECT_THAT(one.get("/drop"), StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(one.get("/next"), EndsWith("/next "));
}

TEST_F(HttpStreams, WhoGoesWhileItWaitsIsTold) {
  serve();
  std::shared_ptr<exchange> to;
  {
    client one(*server_);
    ask(one, "/wait");
    to = handler_->kept();
  }
  EXPECT_TRUE(handler_->was_left());
  to->answer({200, "text/plain", "nobody reads this", {}});
}

TEST_F(HttpStreams, WhoHasFinishedSendingStillGetsTheAnswer) {
  serve();
  client one(*server_);
  ask(one, "/wait");
  const auto to = handler_->kept();
  one.finish_sending();
  EXPECT_TRUE(handler_->was_left());
  to->answer({200, "text/plain", "late", {}});
  EXPECT_THAT(one.read_all(), EndsWith("late"));
}

TEST_F(HttpStreams, AnAnswerMayOutliveTheServer) {
  serve();
  client one(*server_);
  ask(one, "/wait");
  const auto to = handler_->kept();
  server_.reset();
  to->answer({200, "text/plain", "late", {}});
  to->stream({200, "text/plain", "", {}}, handler_->source);
  EXPECT_TRUE(handler_->source->was_stopped());
  EXPECT_THAT(one.read_all(), Not("HANGS"));
}

TEST_F(HttpStreams, AStopWaitsForAnswersThatAreDue) {
  serve();
  client one(*server_), idle(*server_);
  EXPECT_THAT(idle.get("/x"), EndsWith("/x "));
  ask(one, "/wait");
  const auto to = handler_->kept();
  std::thread stops([&] { server_->stop(hangs_after); });
  EXPECT_EQ(idle.read_all(), "") << "idle connections are closed at once";
  to->answer({200, "text/plain", "late", {}});
  const std::string answer = one.read_all();
  EXPECT_THAT(answer, EndsWith("late"));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  stops.join();
}

TEST_F(HttpStreams, PartsAreAskedForOneAfterTheOther) {
  serve();
  client one(*server_);
  ask(one, "/stream");
  ASSERT_TRUE(handler_->source->was_asked(1));
  handler_->source->part("hello");
  ASSERT_TRUE(handler_->source->was_asked(2));
  handler_->source->part("", false);
  ASSERT_TRUE(handler_->source->was_asked(3));
  handler_->source->part(std::string(20, 'x'), true);
  EXPECT_TRUE(handler_->source->was_stopped());
  EXPECT_THAT(one.read_answer(false), HasSubstr("Transfer-Encoding: chunked\r\n"));
  ask(one, "/next", "Connection: close\r\n");
  EXPECT_THAT(one.read_all(), StartsWith("5\r\nhello\r\n14\r\nxxxxxxxxxxxxxxxxxxxx\r\n0\r\n\r\nHTTP/1.1 200 OK"));
}

TEST_F(HttpStreams, ASlowReaderIsAskedNothingFor) {
  serve([](server_options& options) { options.response_limit = 200ms; });
  client one(*server_);
  ask(one, "/stream");
  ASSERT_TRUE(handler_->source->was_asked(1));
  handler_->source->part(std::string(20'000'000, 'x'));
  EXPECT_TRUE(handler_->source->was_stopped()) << "a reader that takes nothing is closed";
  EXPECT_EQ(handler_->source->asked(), 1) << "the first part fits into no socket's buffers";
}

TEST_F(HttpStreams, AStreamThatIsSilentHasHeartbeats) {
  serve([](server_options& options) { options.heartbeat = 20ms; });
  client one(*server_);
  ask(one, "/stream");
  ASSERT_TRUE(handler_->source->was_asked(1));
  one.read_answer(false);
  EXPECT_EQ(one.read_bytes(18), "4\r\nbeat\r\n4\r\nbeat\r\n");
  EXPECT_EQ(handler_->source->asked(), 1);
  handler_->source->part("x", true);
  EXPECT_TRUE(handler_->source->was_stopped());
}

TEST_F(HttpStreams, AStreamStopsWithItsReader) {
  serve();
  {
    client one(*server_);
    ask(one, "/stream");
    ASSERT_TRUE(handler_->source->was_asked(1));
  }
  EXPECT_TRUE(handler_->source->was_stopped());
  handler_->source->part("nobody reads this");
}

TEST_F(HttpStreams, WhatIsRefusedByItsHeaderIsNotRead) {
  serve();
  client one(*server_);
  EXPECT_THAT(one.get("/refused"), StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(one.get("/next"), EndsWith("/next ")) << "without a body the connection goes on";
  one.send("POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n");
  EXPECT_THAT(one.read_all(), StartsWith("HTTP/1.1 403 "));
  client large(*server_);
  large.send("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(large.read_all(), StartsWith("HTTP/1.1 413 ")) << "and not asked for";
}

TEST_F(HttpStreams, AllBodiesTogetherAreBounded) {
  serve([](server_options& options) { options.max_bodies_bytes = 1500; });
  client one(*server_), other(*server_);
  const std::string head = "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
  one.send(head + std::string(900, 'x'));
  std::string refused;
  for (int i = 0; i < 1000 && !refused.starts_with("HTTP/1.1 503 "); ++i) {  // until the first one's has come
    client next(*server_);
    next.send(head + std::string(900, 'x'));
    next.send(std::string(100, 'x'));
    refused = next.read_answer();
  }
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 503 "));
  one.send(std::string(100, 'x'));
  EXPECT_THAT(one.read_answer(), StartsWith("HTTP/1.1 200 "));
  other.send(head + std::string(1000, 'x'));
  EXPECT_THAT(other.read_answer(), StartsWith("HTTP/1.1 200 ")) << "what was answered counts no more";
}

/// A server's context with a certificate that it has signed itself.
std::shared_ptr<ssl_ctx_st> self_signed() {
  const std::shared_ptr<EVP_PKEY> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::shared_ptr<X509> certificate(X509_new(), X509_free);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  std::shared_ptr<ssl_ctx_st> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  SSL_CTX_use_certificate(context.get(), certificate.get());
  SSL_CTX_use_PrivateKey(context.get(), key.get());
  return context;
}

/// What is answered to `text` over TLS, until the server says that nothing follows; "" where it closes without that.
std::string say_over_tls(client& connection, const std::string& text) {
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  const std::shared_ptr<SSL> session(SSL_new(context.get()), SSL_free);
  SSL_set_fd(session.get(), connection.descriptor());
  if (SSL_connect(session.get()) != 1) return "no handshake";
  SSL_write(session.get(), text.data(), static_cast<int>(text.size()));
  std::string answer;
  char buffer[4096];
  int count = 0;
  while ((count = SSL_read(session.get(), buffer, sizeof buffer)) > 0)
    answer.append(buffer, static_cast<std::size_t>(count));
  return SSL_get_error(session.get(), count) == SSL_ERROR_ZERO_RETURN ? answer : "";
}

TEST_F(HttpStreams, TlsIsSpokenWhereThereIsACertificate) {
  const auto context = self_signed();
  serve([&](server_options& options) { options.tls = [context] { return context; }; });
  client one(*server_);
  EXPECT_THAT(
      say_over_tls(one, "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
      EndsWith("/b "));
  client plain(*server_);
  plain.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(plain.read_all(), Not(HasSubstr("HTTP/1.1 200")));
}

TEST_F(HttpStreams, AHandshakeThatDoesNotEndIsClosed) {
  const auto context = self_signed();
  serve([&](server_options& options) {
    options.tls = [context] { return context; };
    options.request_limit = 20ms;
  });
  client silent(*server_);
  EXPECT_EQ(silent.read_all(), "");
}

}  // namespace
}  // namespace evermill::server::http
