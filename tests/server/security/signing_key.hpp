// Keys that sign JSON Web Tokens in tests, and the tokens.
#pragma once

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/encodings.hpp"

namespace evermill::tests {

inline std::string base64url(std::string_view bytes) {
  std::string text = base64_encoded(bytes);
  while (text.ends_with('=')) text.pop_back();
  for (char& each : text) each = each == '+' ? '-' : each == '/' ? '_' : each;
  return text;
}

class signing_key {
 public:
  static signing_key rsa(unsigned bits = 2048) {
    return signing_key(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{bits}), "RSA");
  }
  static signing_key elliptic(const char* curve) { return signing_key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve), curve); }
  static signing_key edwards() { return signing_key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), "Ed25519"); }

  nlohmann::json jwk(const std::string& kid) const {
    if (kind_ == "RSA")
      return {{"kty", "RSA"},
              {"kid", kid},
              {"n", base64url(number(OSSL_PKEY_PARAM_RSA_N))},
              {"e", base64url(number(OSSL_PKEY_PARAM_RSA_E))}};
    if (kind_ == "Ed25519") {
      std::array<unsigned char, 32> raw{};
      std::size_t size = raw.size();
      EVP_PKEY_get_raw_public_key(key_.get(), raw.data(), &size);
      return {
          {"kty", "OKP"}, {"crv", "Ed25519"}, {"kid", kid}, {"x", base64url({reinterpret_cast<const char*>(raw.data()), size})}};
    }
    const std::size_t bytes = kind_ == "P-256" ? 32 : 48;
    return {{"kty", "EC"},
            {"crv", kind_},
            {"kid", kid},
            {"x", base64url(padded(OSSL_PKEY_PARAM_EC_PUB_X, bytes))},
            {"y", base64url(padded(OSSL_PKEY_PARAM_EC_PUB_Y, bytes))}};
  }

  /// A token of these parts; the algorithm is that of the header.
  std::string sign(const nlohmann::json& header, const nlohmann::json& claims) const {
    const std::string text = base64url(header.dump()) + "." + base64url(claims.dump());
    return text + "." + base64url(signature(header.at("alg").get<std::string>(), text));
  }

  std::string public_pem() const {
    const std::unique_ptr<BIO, decltype(&BIO_free)> bytes(BIO_new(BIO_s_mem()), BIO_free);
    PEM_write_bio_PUBKEY(bytes.get(), key_.get());
    char* data = nullptr;
    const long size = BIO_get_mem_data(bytes.get(), &data);
    return {data, static_cast<std::size_t>(size)};
  }

 private:
  signing_key(EVP_PKEY* key, std::string kind) : key_(key, EVP_PKEY_free), kind_(std::move(kind)) {
    if (key == nullptr) throw std::runtime_error("no key");
  }

  std::string number(const char* name) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &value);
    std::string bytes(static_cast<std::size_t>(BN_num_bytes(value)), '\0');
    BN_bn2bin(value, reinterpret_cast<unsigned char*>(bytes.data()));
    BN_free(value);
    return bytes;
  }
  std::string padded(const char* name, std::size_t bytes) const {
    const std::string plain = number(name);
    return std::string(bytes - plain.size(), '\0') + plain;
  }

  std::string signature(const std::string& algorithm, const std::string& text) const {
    const EVP_MD* const hash = kind_ == "Ed25519"           ? nullptr
                               : algorithm.ends_with("256") ? EVP_sha256()
                               : algorithm.ends_with("384") ? EVP_sha384()
                                                            : EVP_sha512();
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    EVP_PKEY_CTX* options = nullptr;
    EVP_DigestSignInit(context.get(), &options, hash, nullptr, key_.get());
    if (algorithm.starts_with("PS")) {
      EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
    }
    std::size_t size = 1024;
    std::string made(size, '\0');
    const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
    if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(made.data()), &size, bytes, text.size()) != 1)
      throw std::runtime_error("no signature");
    made.resize(size);
    return kind_.starts_with("P-") ? raw(made, kind_ == "P-256" ? 32 : 48) : made;
  }

  static std::string raw(const std::string& der, int half) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature(
        d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())), ECDSA_SIG_free);
    std::string made(static_cast<std::size_t>(2 * half), '\0');
    auto* const to = reinterpret_cast<unsigned char*>(made.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), to, half);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), to + half, half);
    return made;
  }

  std::shared_ptr<EVP_PKEY> key_;
  std::string kind_;
};

/// As an attacker makes it who has only what is public: a symmetric signature with any secret.
inline std::string hmac_token(const nlohmann::json& header, const nlohmann::json& claims, const std::string& secret) {
  const std::string text = base64url(header.dump()) + "." + base64url(claims.dump());
  std::array<unsigned char, EVP_MAX_MD_SIZE> made{};
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), made.data(), &size);
  return text + "." + base64url({reinterpret_cast<const char*>(made.data()), size});
}

}  // namespace evermill::tests
