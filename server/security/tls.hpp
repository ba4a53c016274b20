// Certificates and keys of a listener: checked before they are used, and used anew when their files change.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "evermill/result.hpp"
#include "server/security/guarded_file.hpp"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace evermill::server::security {

/// All PEM.
struct tls_files {
  std::filesystem::path certificate;        ///< of this server, followed by those between it and its root
  std::filesystem::path key;                ///< of the certificate, without a passphrase, and nobody else's to read
  std::filesystem::path client_ca;          ///< who vouches for clients; "": no client is asked for a certificate
  bool require_client_certificate = false;  ///< who has none is refused; otherwise it may have none

  bool empty() const noexcept { return certificate.empty() && key.empty() && client_ca.empty() && !require_client_certificate; }
};

/// What was read, whole and fitting. Immutable.
struct tls_material {
  std::string certificate_pem;
  std::string key_pem;
  std::string client_ca_pem;  ///< "": clients are not asked
  bool require_client_certificate = false;
  timestamp begins{};
  timestamp expires{};           ///< of the first certificate
  std::uint64_t generation = 0;  ///< grows whenever the files have changed
};

/// Reads the files and checks that they fit each other and the time. Or everything that is wrong, a sentence each.
result<tls_material, std::vector<std::string>> load_tls(const tls_files& files, timestamp now);

/// A context for servers: TLS 1.2 and 1.3, the ciphers of OpenSSL's security level 2, HTTP/1.1 by ALPN, clients asked as the
/// material says. Whoever wants Boost's: `boost::asio::ssl::context(SSL_CTX*)` takes what SSL_CTX_up_ref has made its own. Throws
/// std::runtime_error.
std::shared_ptr<ssl_ctx_st> make_server_context(const tls_material& from);

/// Thread-safe. The files are looked at once a second, by whoever asks then. What does not fit is logged, and what was read
/// before stays in use.
class tls_reloader {
 public:
  /// `time` outlives it. Throws std::runtime_error with everything that is wrong.
  tls_reloader(tls_files files, const clock& time, log lines);

  /// For each new connection. The connections that there are keep what they began with.
  std::shared_ptr<const tls_material> material();
  std::shared_ptr<ssl_ctx_st> context();
  /// Looks at the files now.
  void reload() {
    watch_.hasten();
    static_cast<void>(material());
  }

 private:
  struct in_use {
    std::shared_ptr<const tls_material> material;
    std::shared_ptr<ssl_ctx_st> context;
  };
  in_use current();
  void warn_of_end(timestamp expires);

  const tls_files files_;
  const clock& clock_;
  const log log_;
  file_watch watch_;
  std::mutex mutex_;  ///< of all below: held for copies
  in_use in_use_;
  timestamp next_warning_{};
};

}  // namespace evermill::server::security
