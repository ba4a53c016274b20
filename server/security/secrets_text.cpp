#include "server/security/secrets_text.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <stdexcept>

#include "base/check.hpp"

namespace evermill::server::security {
namespace {

constexpr std::string_view hex_alphabet = "0123456789abcdef";

constexpr std::array<std::uint32_t, 256> crc_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value & 1) != 0 ? 0xEDB88320U ^ (value >> 1) : value >> 1;
    table[i] = value;
  }
  return table;
}();

/// Fetched once: OpenSSL 3 looks an algorithm up at each use otherwise, which takes longer than the digest of a token.
const EVP_MD* sha256_algorithm() {
  static const EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return fetched;
}

}  // namespace

digest sha256(std::string_view data) {
  digest made{};
  unsigned size = 0;
  const int done = EVP_Digest(data.data(), data.size(), made.data(), &size, sha256_algorithm(), nullptr);
  EVERMILL_CHECK(done == 1 && size == made.size(), "OpenSSL has SHA-256");
  return made;
}

std::string to_hex(const digest& of) {
  std::string text;
  for (const unsigned char byte : of) text.append({hex_alphabet[byte >> 4], hex_alphabet[byte & 15]});
  return text;
}

bool from_hex(std::string_view text, digest& into) {
  if (text.size() != into.size() * 2) return false;
  for (std::size_t i = 0; i < into.size(); ++i) {
    const std::size_t high = hex_alphabet.find(text[2 * i]), low = hex_alphabet.find(text[2 * i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return false;
    into[i] = static_cast<unsigned char>(high << 4 | low);
  }
  return true;
}

bool same_secret(const digest& a, const digest& b) noexcept { return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0; }

bool is_base62(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); });
}

std::string random_base62(std::size_t digits) {
  std::string text;
  std::array<unsigned char, 64> bytes{};
  while (text.size() < digits) {
    if (RAND_priv_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
      throw std::runtime_error("the operating system gives no randomness for a secret");
    }
    for (const unsigned char byte : bytes) {  // 248 = 4 x 62: the rest would favour some digits
      if (byte < 248 && text.size() < digits) text.push_back(base62_digits[byte % 62]);
    }
  }
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return text;
}

std::string checksum_of(std::string_view text) {
  std::uint32_t value = 0xFFFFFFFFU;
  for (const char each : text) value = crc_table[(value ^ static_cast<unsigned char>(each)) & 255] ^ (value >> 8);
  value = ~value;
  std::string digits(6, '0');
  for (std::size_t i = digits.size(); i-- > 0; value /= 62) digits[i] = base62_digits[value % 62];
  return digits;
}

}  // namespace evermill::server::security
