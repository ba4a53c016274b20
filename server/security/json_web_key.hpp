// Public keys as JSON (RFC 7517, 7518, 8037), for the signatures of JSON Web Tokens. OpenSSL checks them; no private and no
// symmetric key is ever used.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/result.hpp"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace evermill::server::security {

enum class algorithm : std::uint8_t { rs256, rs384, rs512, ps256, ps384, ps512, es256, es384, eddsa };
inline constexpr std::size_t algorithm_count = 9;
/// "RS256" …: as they are in tokens. There is no "none", and nothing symmetric.
std::string_view algorithm_name(algorithm which) noexcept;
std::optional<algorithm> algorithm_named(std::string_view name) noexcept;

enum class key_type : std::uint8_t { rsa, p256, p384, ed25519 };

/// Immutable; copies share the key. Thread-safe.
class json_web_key {
 public:
  json_web_key(std::string id, key_type type, std::optional<algorithm> only, std::shared_ptr<evp_pkey_st> key)
      : id_(std::move(id)), type_(type), only_(only), key_(std::move(key)) {}

  const std::string& id() const noexcept { return id_; }  ///< `kid`; may be ""
  /// Is the key made for it? What a token says of its algorithm never decides how a key is used: an RSA key verifies RSA
  /// signatures, and the curve decides between ES256 and ES384.
  bool fits(algorithm which) const noexcept;
  /// Is this the signature, as RFC 7518 has it, of `text`? False for an algorithm that does not fit.
  bool verifies(algorithm which, std::string_view text, std::string_view signature) const;

 private:
  std::string id_;
  key_type type_;
  std::optional<algorithm> only_;  ///< the key's own `alg`
  std::shared_ptr<evp_pkey_st> key_;
};

/// One that names an issuer's keys. Those that can't be used here (symmetric, for encryption, an unknown curve) are left out, as
/// RFC 7517 says; `left_out` tells why.
struct json_web_keys {
  std::vector<json_web_key> keys;
  std::vector<std::string> left_out;

  /// The key for a token. Without `kid`: the only one that fits, if there is one.
  const json_web_key* find(const std::optional<std::string>& kid, algorithm which) const noexcept;
};

inline constexpr std::size_t max_key_set_bytes = std::size_t{1} << 20;
inline constexpr std::size_t max_keys = 100;

/// A JSON Web Key Set, or what is wrong with it. One without a usable key is wrong.
result<json_web_keys, std::string> read_key_set(std::string_view json);

/// Base64url without padding, and nothing else: one text for one sequence of bytes.
std::optional<std::string> strict_base64url(std::string_view text);

}  // namespace evermill::server::security
