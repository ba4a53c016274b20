#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>

#include "server/http/api/json_text.hpp"
#include "server/http/api/webhook.hpp"

namespace evermill::server::http::api {
namespace {

constexpr std::size_t digest_bytes = 32;
constexpr std::size_t max_signatures = 8;  // of one header

using digest = std::array<unsigned char, digest_bytes>;

digest hmac_sha256(std::string_view secret, std::string_view text) {
  digest made{};
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), made.data(), &size);
  return made;
}

std::string to_hex(const digest& from) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : from) text.append({digits[byte >> 4], digits[byte & 15]});
  return text;
}

/// Hexadecimal, in either case.
bool is_same(std::string_view given, const digest& wanted) {
  const std::string expected = to_hex(wanted);
  if (given.size() != expected.size()) return false;
  std::string lower(given);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
  return CRYPTO_memcmp(lower.data(), expected.data(), expected.size()) == 0;
}

constexpr const char* wrong = "the signature is not that of this body and the hook's secret";

std::optional<std::int64_t> whole_number(std::string_view text) {
  if (text.empty() || text.size() > 15 || text.find_first_not_of("0123456789") != text.npos) return std::nullopt;
  std::int64_t number = 0;
  for (const char c : text) number = number * 10 + (c - '0');
  return number;
}

std::optional<std::string> why_not_timed(const webhook_signature& how, std::string_view header, std::string_view body,
                                         timestamp now) {
  std::string_view time;
  std::vector<std::string_view> signatures;
  while (!header.empty()) {
    const std::size_t comma = std::min(header.find(','), header.size());
    const std::string_view part = trimmed(header.substr(0, comma));
    header.remove_prefix(std::min(comma + 1, header.size()));
    if (part.starts_with("t=")) time = part.substr(2);
    if (part.starts_with("v1=") && signatures.size() < max_signatures) signatures.push_back(part.substr(3));
  }
  const auto seconds = whole_number(time);
  if (!seconds || signatures.empty()) return "the signature's header is not t=SECONDS,v1=HEX";
  const std::string signed_text = std::string(time) + "." + std::string(body);
  const digest wanted = hmac_sha256(how.secret, signed_text);
  bool is_one = false;
  for (const std::string_view each : signatures) is_one = is_same(each, wanted) || is_one;
  if (!is_one) return wrong;
  const std::int64_t age = to_micros(now) / 1'000'000 - *seconds;
  if (std::abs(age) > how.tolerance.count()) return "the signature's time is too far from now";
  return std::nullopt;
}

}  // namespace

std::optional<std::string> why_not_signed(const webhook_signature& how, std::string_view header, std::string_view body,
                                          timestamp now) {
  using style = webhook_signature::style;
  if (how.kind == style::none) return std::nullopt;
  if (trimmed(header).empty()) return "the header " + how.header + " with the signature is missing";
  if (how.kind == style::stripe) return why_not_timed(how, header, body, now);
  std::string_view given = trimmed(header);
  if (how.kind == style::github) {
    if (!given.starts_with("sha256=")) return "the signature's header is not sha256=HEX";
    given.remove_prefix(7);
  }
  if (!is_same(given, hmac_sha256(how.secret, body))) return wrong;
  return std::nullopt;
}

}  // namespace evermill::server::http::api
