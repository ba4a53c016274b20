#include "server/security/grpc_credentials.hpp"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "server/security/peer_certificate.hpp"
#include "tests/server/security/caught_log.hpp"
#include "tests/server/security/test_certificates.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace evermill;
using namespace evermill::server::security;
using namespace std::chrono_literals;

namespace {

/// Answers every call, and remembers who called.
class any_service final : public grpc::CallbackGenericService {
 public:
  std::string last_certificate;

 private:
  class reactor final : public grpc::ServerGenericBidiReactor {
   public:
    explicit reactor() { Finish(grpc::Status::OK); }
    void OnDone() override { delete this; }
  };
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    const auto found = context->auth_context()->FindPropertyValues("x509_pem_cert");
    last_certificate = found.empty() ? std::string() : std::string(found.front().data(), found.front().size());
    return new reactor;
  }
};

class GrpcCredentials : public ::testing::Test {
 protected:
  void write(const tests::issued& server) {
    files_.certificate = directory_.path() / "server.pem";
    files_.key = directory_.path() / "server.key";
    ASSERT_TRUE(replace_file(files_.certificate, server.certificate_pem()));
    ASSERT_TRUE(replace_file(files_.key, server.key_pem()));
  }
  void start() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", make_grpc_credentials(std::make_shared<tls_reloader>(files_, clock_, log_.to())),
                             &port_);
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_TRUE(server_);
    ASSERT_NE(port_, 0);
  }
  /// Of a call over a new connection by a client that trusts `trusted`, and has `own`.
  grpc::StatusCode call(const tests::issued& trusted, const tests::issued* own = nullptr) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = trusted.certificate_pem();
    if (own != nullptr) {
      options.pem_cert_chain = own->certificate_pem();
      options.pem_private_key = own->key_pem();
    }
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto channel =
        grpc::CreateCustomChannel("localhost:" + std::to_string(port_), grpc::SslCredentials(options), arguments);
    grpc::GenericStub stub(channel);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + 60s);
    const grpc::Slice nothing;
    const grpc::ByteBuffer request(&nothing, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> ended;
    stub.UnaryCall(&context, "/test/Call", {}, &request, &response, [&](const grpc::Status& status) { ended.set_value(status); });
    return ended.get_future().get().error_code();
  }
  void TearDown() override {
    if (server_) server_->Shutdown();
  }

  static timestamp today() { return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()); }
  tests::temporary_directory directory_;
  tests::manual_clock clock_{today()};
  tests::caught_log log_;
  const tests::issued authority_ = tests::make_authority("first"), next_authority_ = tests::make_authority("next");
  tls_files files_;
  any_service service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

/// A call without a message ends so where the server ends it well: it was heard.
bool was_heard(grpc::StatusCode code) {
  return code != grpc::StatusCode::UNAVAILABLE && code != grpc::StatusCode::DEADLINE_EXCEEDED;
}

}  // namespace

TEST_F(GrpcCredentials, NewFilesAreServedWithoutARestart) {
  write(tests::make_server_certificate(authority_));
  start();
  EXPECT_TRUE(was_heard(call(authority_)));
  EXPECT_FALSE(was_heard(call(next_authority_)));
  write(tests::make_server_certificate(next_authority_));
  clock_.advance(1s);
  EXPECT_TRUE(was_heard(call(next_authority_)));
  EXPECT_FALSE(was_heard(call(authority_)));
}

TEST_F(GrpcCredentials, FilesThatDoNotFitKeepTheOldOnes) {
  write(tests::make_server_certificate(authority_));
  start();
  EXPECT_TRUE(was_heard(call(authority_)));
  ASSERT_TRUE(replace_file(files_.key, tests::make_server_certificate(authority_).key_pem()));
  clock_.advance(1s);
  EXPECT_TRUE(was_heard(call(authority_)));
}

TEST_F(GrpcCredentials, ClientsShowTheirCertificates) {
  write(tests::make_server_certificate(authority_));
  files_.client_ca = directory_.path() / "ca.pem";
  files_.require_client_certificate = true;
  ASSERT_TRUE(replace_file(files_.client_ca, authority_.certificate_pem()));
  start();
  const tests::issued ann = tests::issue({.common_name = "ann", .names = ""}, &authority_),
                      stranger = tests::issue({.common_name = "ann", .names = ""}, &next_authority_);
  EXPECT_FALSE(was_heard(call(authority_)));
  EXPECT_FALSE(was_heard(call(authority_, &stranger)));
  EXPECT_TRUE(was_heard(call(authority_, &ann)));
  EXPECT_EQ(read_certificate(service_.last_certificate)->common_name, "ann");
}
