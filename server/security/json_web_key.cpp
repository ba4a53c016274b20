#include "server/security/json_web_key.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/encodings.hpp"
#include "base/text.hpp"
#include "server/security/openssl_owned.hpp"

namespace evermill::server::security {
namespace {

using nlohmann::json;

using key_context = owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using digest_context = owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using big_number = owned<BIGNUM, BN_free>;
using parameter_builder = owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using parameters = owned<OSSL_PARAM, OSSL_PARAM_free>;
using shared_key = std::shared_ptr<EVP_PKEY>;

struct algorithm_facts {
  std::string_view name;
  key_type type;
  const EVP_MD* (*hash)();
  bool pss;
  std::size_t half;  ///< of an ECDSA signature: R and S have so many bytes each
};

constexpr std::array<algorithm_facts, algorithm_count> facts{{{"RS256", key_type::rsa, EVP_sha256, false, 0},
                                                              {"RS384", key_type::rsa, EVP_sha384, false, 0},
                                                              {"RS512", key_type::rsa, EVP_sha512, false, 0},
                                                              {"PS256", key_type::rsa, EVP_sha256, true, 0},
                                                              {"PS384", key_type::rsa, EVP_sha384, true, 0},
                                                              {"PS512", key_type::rsa, EVP_sha512, true, 0},
                                                              {"ES256", key_type::p256, EVP_sha256, false, 32},
                                                              {"ES384", key_type::p384, EVP_sha384, false, 48},
                                                              {"EdDSA", key_type::ed25519, nullptr, false, 0}}};
const algorithm_facts& facts_of(algorithm which) { return facts[static_cast<std::size_t>(which)]; }

constexpr int min_rsa_bits = 2048;
constexpr int max_rsa_bits = 8192;  // what larger ones cost per signature is for those who send tokens to choose

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

/// Throws std::string, as all below: why the key is left out.
std::string bytes_member(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) throw "it has no \"" + std::string(name) + "\"";
  auto bytes = strict_base64url(found->get_ref<const std::string&>());
  if (!bytes || bytes->empty()) throw "its \"" + std::string(name) + "\" is no base64url";
  return std::move(*bytes);
}

std::string text_or_empty(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) return {};
  if (!found->is_string()) throw "its \"" + std::string(name) + "\" is no string";
  return found->get<std::string>();
}

shared_key key_from(const char* type, const parameter_builder& with) {
  const parameters made(OSSL_PARAM_BLD_to_param(with.get()));
  const key_context context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  const bool done = made && context && EVP_PKEY_fromdata_init(context.get()) == 1 &&
                    EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, made.get()) == 1;
  shared_key owner(key, EVP_PKEY_free);
  const key_context checking(done ? EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr) : nullptr);
  if (!checking || EVP_PKEY_public_check(checking.get()) != 1) throw std::string("it is no valid public key");
  return owner;
}

shared_key rsa_key(const json& object) {
  const std::string modulus = bytes_member(object, "n"), exponent = bytes_member(object, "e");
  if (modulus.size() > max_rsa_bits / 8 + 1 || exponent.size() > 8) throw std::string("its numbers are too large");
  const big_number n(BN_bin2bn(bytes_of(modulus), static_cast<int>(modulus.size()), nullptr));
  const big_number e(BN_bin2bn(bytes_of(exponent), static_cast<int>(exponent.size()), nullptr));
  if (BN_num_bits(n.get()) < min_rsa_bits) throw "it is shorter than " + std::to_string(min_rsa_bits) + " bits";
  if (BN_is_odd(e.get()) == 0 || BN_is_one(e.get()) != 0) throw std::string("its exponent is none");
  const parameter_builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  return key_from("RSA", builder);
}

shared_key elliptic_key(const json& object, const char* curve, std::size_t bytes) {
  const std::string x = bytes_member(object, "x"), y = bytes_member(object, "y");
  if (x.size() != bytes || y.size() != bytes) throw std::string("its coordinates have the wrong length");
  const std::string point = "\x04" + x + y;
  const parameter_builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  return key_from("EC", builder);
}

shared_key edwards_key(const json& object) {
  const std::string x = bytes_member(object, "x");
  EVP_PKEY* const key = x.size() == 32 ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(x), x.size()) : nullptr;
  if (key == nullptr) throw std::string("its \"x\" is no Ed25519 key");
  return {key, EVP_PKEY_free};
}

void check_use(const json& object) {
  const std::string use = text_or_empty(object, "use");
  if (!use.empty() && use != "sig") throw "it is for \"" + use.substr(0, 20) + "\", not for signatures";
  const auto operations = object.find("key_ops");
  if (operations == object.end()) return;
  const bool verifies =
      operations->is_array() && std::find(operations->begin(), operations->end(), "verify") != operations->end();
  if (!verifies) throw std::string("its \"key_ops\" have no \"verify\"");
}

std::pair<key_type, shared_key> key_of(const json& object) {
  const std::string type = text_or_empty(object, "kty"), curve = text_or_empty(object, "crv");
  if (type == "RSA") return {key_type::rsa, rsa_key(object)};
  if (type == "EC" && curve == "P-256") return {key_type::p256, elliptic_key(object, "P-256", 32)};
  if (type == "EC" && curve == "P-384") return {key_type::p384, elliptic_key(object, "P-384", 48)};
  if (type == "OKP" && curve == "Ed25519") return {key_type::ed25519, edwards_key(object)};
  throw "its type is not used here (kty \"" + type.substr(0, 20) + "\", crv \"" + curve.substr(0, 20) + "\")";
}

json_web_key read_key(const json& object) {
  if (!object.is_object()) throw std::string("it is no object");
  check_use(object);
  std::optional<algorithm> only;
  if (const std::string name = text_or_empty(object, "alg"); !name.empty()) {
    only = algorithm_named(name);
    if (!only) throw "its algorithm is not used here: \"" + name.substr(0, 20) + "\"";
  }
  std::string id = text_or_empty(object, "kid");
  if (id.size() > max_name_bytes) throw std::string("its \"kid\" is too long");
  auto [type, key] = key_of(object);
  json_web_key made(std::move(id), type, only, std::move(key));
  if (only && !made.fits(*only)) throw std::string("its algorithm is none for its type");
  return made;
}

/// R and S, one behind the other, as OpenSSL takes them.
std::string der_signature(std::string_view raw, std::size_t half) {
  if (raw.size() != 2 * half) return {};
  const owned<ECDSA_SIG, ECDSA_SIG_free> signature(ECDSA_SIG_new());
  BIGNUM* const r = BN_bin2bn(bytes_of(raw), static_cast<int>(half), nullptr);
  BIGNUM* const s = BN_bin2bn(bytes_of(raw) + half, static_cast<int>(half), nullptr);
  ECDSA_SIG_set0(signature.get(), r, s);
  unsigned char* encoded = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &encoded);
  std::string made(reinterpret_cast<const char*>(encoded), size < 0 ? 0 : static_cast<std::size_t>(size));
  OPENSSL_free(encoded);
  return made;
}

bool use_pss(EVP_PKEY_CTX* context) {
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

}  // namespace

std::string_view algorithm_name(algorithm which) noexcept { return facts_of(which).name; }

std::optional<algorithm> algorithm_named(std::string_view name) noexcept {
  for (std::size_t i = 0; i < facts.size(); ++i) {
    if (facts[i].name == name) return static_cast<algorithm>(i);
  }
  return std::nullopt;
}

bool json_web_key::fits(algorithm which) const noexcept { return facts_of(which).type == type_ && (!only_ || *only_ == which); }

bool json_web_key::verifies(algorithm which, std::string_view text, std::string_view signature) const {
  if (!fits(which)) return false;
  const algorithm_facts& about = facts_of(which);
  std::string encoded;
  if (about.half != 0) {
    encoded = der_signature(signature, about.half);
    signature = encoded;
  }
  if (signature.empty()) return false;
  const digest_context context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;
  const EVP_MD* const hash = about.hash == nullptr ? nullptr : about.hash();
  const bool good = EVP_DigestVerifyInit(context.get(), &options, hash, nullptr, key_.get()) == 1 &&
                    (!about.pss || use_pss(options)) &&
                    EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text), text.size()) == 1;
  ERR_clear_error();
  return good;
}

const json_web_key* json_web_keys::find(const std::optional<std::string>& kid, algorithm which) const noexcept {
  const json_web_key* found = nullptr;
  for (const json_web_key& each : keys) {
    if (!each.fits(which) || (kid && each.id() != *kid)) continue;
    if (kid) return &each;
    if (found != nullptr) return nullptr;  // which one is not for us to guess
    found = &each;
  }
  return found;
}

result<json_web_keys, std::string> read_key_set(std::string_view text) {
  if (text.size() > max_key_set_bytes) return unexpected(std::string("it is larger than 1 MiB"));
  if (nests_too_deeply(text)) return unexpected(std::string("it nests too deeply"));
  const json root = json::parse(text, nullptr, false);
  if (!root.is_object() || !root.contains("keys") || !root["keys"].is_array()) {
    return unexpected(std::string("it is no JSON Web Key Set, an object with a list \"keys\""));
  }
  if (root["keys"].size() > max_keys) return unexpected("it has more than " + std::to_string(max_keys) + " keys");
  json_web_keys made;
  std::size_t number = 0;
  for (const json& each : root["keys"]) {
    ++number;
    try {
      made.keys.push_back(read_key(each));
    } catch (const std::string& why) {
      made.left_out.push_back("key " + std::to_string(number) + ": " + why);
    }
  }
  ERR_clear_error();
  if (!made.keys.empty()) return made;
  return unexpected(std::string("it has no key that can be used") + (made.left_out.empty() ? "" : "; " + made.left_out.front()));
}

std::optional<std::string> strict_base64url(std::string_view text) {
  const bool letters = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
  });
  if (!letters) return std::nullopt;
  auto bytes = base64_decoded(text);
  if (!bytes) return std::nullopt;
  std::string again = base64_encoded(*bytes);  // bits that no byte has must be zero
  again.resize(text.size());
  for (char& each : again) each = each == '+' ? '-' : each == '/' ? '_' : each;
  return again == text ? bytes : std::nullopt;
}

}  // namespace evermill::server::security
