// The part of a server's configuration file that is about security. docs/security.md describes it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/document.hpp"
#include "server/security/audit_log.hpp"
#include "server/security/json_web_token.hpp"
#include "server/security/key_source.hpp"
#include "server/security/peer_certificate.hpp"
#include "server/security/rate_limiter.hpp"
#include "server/security/tls.hpp"

namespace evermill::server::security {

struct trusted_issuer {
  jwt_issuer rules;
  key_source_options keys;
};

struct audit_place {
  enum class kind : unsigned char { off, log, file };
  kind what = kind::log;
  std::string file{};
  audit_options options{};
};

struct limit_options {
  limits everybody{};                                       ///< of each principal
  std::map<std::string, limits, std::less<>> principals{};  ///< by name, in place of `everybody`
  std::map<std::string, limits, std::less<>> namespaces{};  ///< all requests to one together
  rate failures{1, 20};                                     ///< failed authentications of each address
};

/// Without anything: nobody is asked who they are, which is for listeners of this machine (listener_policy.hpp).
struct security_options {
  std::string tokens_file{};  ///< "": none
  std::vector<trusted_issuer> jwt{};
  std::vector<certificate_mapping> client_certificates{};
  tls_files tls{};
  audit_place audit{};
  limit_options limits{};

  bool has_authentication() const noexcept { return !tokens_file.empty() || !jwt.empty() || !client_certificates.empty(); }
  bool has_tls() const noexcept { return !tls.empty(); }
};

/// Reads the object `security` of a configuration file. Everything that is wrong is added to `found`, with its place; what is
/// returned is of use only where there are no errors. Relative paths are taken from `directory`, that of the file.
security_options read_security_options(const dsl::node& from, const std::string& directory, dsl::problems& found);

/// Of a text that is that object and nothing else, YAML or JSON.
security_options read_security_text(std::string_view text, const std::string& directory, dsl::problems& found);

}  // namespace evermill::server::security
