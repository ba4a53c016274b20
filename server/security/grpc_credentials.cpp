#include "server/security/grpc_credentials.hpp"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpcpp/security/server_credentials.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/check.hpp"

namespace evermill::server::security {
namespace {

/// What gRPC asks before each handshake.
class certificate_fetcher {
 public:
  explicit certificate_fetcher(std::shared_ptr<tls_reloader> from) : from_(std::move(from)) {}

  static grpc_ssl_certificate_config_reload_status fetch(void* self, grpc_ssl_server_certificate_config** config) {
    auto& in = *static_cast<certificate_fetcher*>(self);
    const auto material = in.from_->material();
    if (in.given_.exchange(material->generation) == material->generation) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const grpc_ssl_pem_key_cert_pair pair{material->key_pem.c_str(), material->certificate_pem.c_str()};
    // gRPC 1.51 asserts that there are roots, also where no client is asked for a certificate; then any will do.
    const std::string& roots = material->client_ca_pem.empty() ? material->certificate_pem : material->client_ca_pem;
    *config = grpc_ssl_server_certificate_config_create(roots.c_str(), &pair, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

 private:
  const std::shared_ptr<tls_reloader> from_;
  std::atomic<std::uint64_t> given_{0};
};

/// The C core does not say when it is done with a fetcher, which is not when the C++ credentials end: a server goes on without them.
certificate_fetcher* keep_for_ever(std::shared_ptr<tls_reloader> from) {
  static std::mutex mutex;
  static auto& all = *new std::vector<std::unique_ptr<certificate_fetcher>>;
  const std::lock_guard lock(mutex);
  return all.emplace_back(std::make_unique<certificate_fetcher>(std::move(from))).get();
}

grpc_ssl_client_certificate_request_type request_of(const tls_material& material) {
  if (material.client_ca_pem.empty()) return GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
  return material.require_client_certificate ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                             : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
}

class reloading_credentials final : public grpc::ServerCredentials {
 public:
  explicit reloading_credentials(std::shared_ptr<tls_reloader> from)
      : credentials_(grpc_ssl_server_credentials_create_with_options(grpc_ssl_server_credentials_create_options_using_config_fetcher(
            request_of(*from->material()), certificate_fetcher::fetch, keep_for_ever(from)))) {
    EVERMILL_CHECK(credentials_ != nullptr, "gRPC takes a fetcher of certificates");
  }
  ~reloading_credentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {
    EVERMILL_CHECK(false, "who calls is asked by the gatekeeper, not by a processor of gRPC's");
  }

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  grpc_server_credentials* const credentials_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> make_grpc_credentials(std::shared_ptr<tls_reloader> from) {
  return std::make_shared<reloading_credentials>(std::move(from));
}

}  // namespace evermill::server::security
