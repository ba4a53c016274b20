// Client certificates as principals.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/result.hpp"
#include "evermill/timestamp.hpp"
#include "server/security/permission.hpp"

namespace evermill::server::security {

/// What a certificate says of its owner. Whoever has it must have checked its chain: TLS has, where it asks for client
/// certificates.
struct peer_certificate {
  std::string common_name;  ///< of the subject; "": none, or several
  std::vector<std::string> dns;
  std::vector<std::string> uris;  ///< "spiffe://…"
  std::vector<std::string> emails;
  std::string fingerprint;  ///< SHA-256 in hexadecimal digits
  timestamp expires;
};

/// The first certificate of a PEM text (gRPC: the peer's property x509_pem_cert). Names with control characters, which could look
/// like others, are left out.
result<peer_certificate, std::string> read_certificate(std::string_view pem);

/// Which certificates are whose.
struct certificate_mapping {
  enum class field : unsigned char { common_name, dns, uri, email };
  field what = field::dns;
  std::string value;  ///< exactly; of a URI also the beginning, where it ends with '*'
  std::string name;   ///< of the principal; "": the certificate's value
  std::vector<grant> grants;
};

/// By the first mapping that fits; nothing: none does.
std::optional<principal> principal_of(const peer_certificate& of, const std::vector<certificate_mapping>& mappings);

}  // namespace evermill::server::security
