#include "server/security/json_web_token.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <utility>

#include "base/text.hpp"
#include "server/security/grants_json.hpp"

namespace evermill::server::security {
namespace {

using nlohmann::json;

/// Throws std::string, as all below: what is wrong.
json object_part(std::string_view part, const char* which) {
  const auto bytes = strict_base64url(part);
  if (!bytes) throw std::string(which) + " is no base64url";
  if (nests_too_deeply(*bytes)) throw std::string(which) + " nests too deeply";
  json object = json::parse(*bytes, nullptr, false);
  if (!object.is_object()) throw std::string(which) + " is no JSON object";
  return object;
}

void check_type(const json& header) {
  const auto type = header.find("typ");
  if (type == header.end()) return;
  if (!type->is_string()) throw std::string("its \"typ\" is no string");
  std::string name = type->get<std::string>();
  for (char& each : name) each = each >= 'A' && each <= 'Z' ? static_cast<char>(each - 'A' + 'a') : each;
  if (name.starts_with("application/")) name.erase(0, 12);
  if (name != "jwt" && name != "at+jwt")
    throw std::string("its \"typ\" is not that of an access token");  // an ID token's may be "JWT", too
}

void read_header(const json& header, json_web_token& into) {
  const auto name = header.find("alg");
  if (name == header.end() || !name->is_string()) throw std::string("it names no algorithm");
  const auto how = algorithm_named(name->get_ref<const std::string&>());
  if (!how) throw "its algorithm is not taken: \"" + name->get<std::string>().substr(0, 20) + "\"";
  into.how = *how;
  if (header.contains("crit")) throw std::string("it demands extensions (\"crit\")");
  check_type(header);
  const auto kid = header.find("kid");
  if (kid == header.end()) return;
  if (!kid->is_string() || kid->get_ref<const std::string&>().size() > max_name_bytes) throw std::string("its \"kid\" is none");
  into.kid = kid->get<std::string>();
}

/// Seconds since the epoch, cut off. Nothing: the claim is missing.
std::optional<std::int64_t> seconds_claim(const json& claims, const char* name) {
  const auto found = claims.find(name);
  if (found == claims.end()) return std::nullopt;
  constexpr double most = 1e12;  // the year 33658
  if (found->is_number()) {
    const double value = found->get<double>();
    if (std::isfinite(value) && value >= 0 && value <= most) return static_cast<std::int64_t>(value);
  }
  throw "its \"" + std::string(name) + "\" is no time";
}

bool is_or_has(const json& value, std::string_view wanted) {
  const auto is = [&](const json& each) { return each.is_string() && each.get_ref<const std::string&>() == wanted; };
  return is(value) || (value.is_array() && std::any_of(value.begin(), value.end(), is));
}

const json* find_claim(const json& claims, const std::string& name) {
  if (!name.starts_with('/')) {
    const auto found = claims.find(name);
    return found == claims.end() ? nullptr : &*found;
  }
  const json* at = &claims;
  std::istringstream steps(name.substr(1));
  for (std::string step; std::getline(steps, step, '/');) {
    for (const auto& [escaped, plain] : {std::pair("~1", "/"), std::pair("~0", "~")}) {
      for (std::size_t i = step.find(escaped); i != std::string::npos; i = step.find(escaped, i + 1)) step.replace(i, 2, plain);
    }
    const auto found = at->is_object() ? at->find(step) : at->end();
    if (found == at->end()) return nullptr;
    at = &*found;
  }
  return at;
}

void check_audience(const json& claims, const jwt_issuer& by) {
  const auto audience = claims.find("aud");
  const bool ours = audience != claims.end() && std::any_of(by.audiences.begin(), by.audiences.end(),
                                                            [&](const std::string& each) { return is_or_has(*audience, each); });
  if (!ours) throw std::string("it is for another audience");
}

void check_times(const json& claims, const jwt_issuer& by, timestamp now) {
  const std::int64_t at = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  const std::int64_t leeway = by.leeway.count();
  const auto expires = seconds_claim(claims, "exp"), begins = seconds_claim(claims, "nbf"), issued = seconds_claim(claims, "iat");
  if (!expires) throw std::string("it never expires (no \"exp\")");
  if (*expires + leeway <= at) throw std::string("it has expired");
  if (begins && *begins - leeway > at) throw std::string("it is not valid yet");
  if (issued && *issued - leeway > at) throw std::string("it was issued in the future");
}

void append(std::vector<grant>& to, std::vector<grant> from) {
  for (grant& each : from) to.push_back(std::move(each));
  if (to.size() > max_grants) throw "it has more than " + std::to_string(max_grants) + " grants";
}

void add_scope_words(const json& claim, const jwt_issuer& by, std::vector<grant>& to) {
  std::vector<std::string> words;
  if (claim.is_string()) {
    std::istringstream in(claim.get<std::string>());
    for (std::string word; in >> word;) words.push_back(word);
  } else if (claim.is_array()) {
    for (const json& each : claim) words.push_back(each.is_string() ? each.get<std::string>() : std::string());
  }
  for (const std::string& word : words) {
    if (!word.starts_with(by.scope_prefix)) continue;  // another service's
    auto read = read_scope_word(std::string_view(word).substr(by.scope_prefix.size()));
    if (!read) throw "its scope can't be understood: " + read.error();
    append(to, {std::move(*read)});
  }
}

std::vector<grant> grants_by(const json& claims, const jwt_issuer& by) {
  std::vector<grant> made;
  const json* const own = by.grants_claim.empty() ? nullptr : find_claim(claims, by.grants_claim);
  if (own != nullptr && !own->is_null()) {
    auto read = grants_of(*own);
    if (!read) throw "its claim \"" + by.grants_claim + "\" can't be understood: " + read.error();
    append(made, std::move(*read));
  }
  if (const json* const words = by.scope_claim.empty() ? nullptr : find_claim(claims, by.scope_claim))
    add_scope_words(*words, by, made);
  for (const claim_mapping& mapping : by.mappings) {
    const json* const claim = find_claim(claims, mapping.claim);
    if (claim != nullptr && is_or_has(*claim, mapping.value)) append(made, mapping.grants);
  }
  return made;
}

std::string name_claim(const json& claims, const std::string& name) {
  const json* const found = find_claim(claims, name);
  if (found == nullptr || !found->is_string()) throw "it has no \"" + name + "\", which would be the principal's name";
  const auto& text = found->get_ref<const std::string&>();
  if (const auto why = why_no_name(text)) throw "its \"" + name + "\" " + *why;
  return text;
}

}  // namespace

bool looks_like_jwt(std::string_view text) noexcept { return std::count(text.begin(), text.end(), '.') == 2; }

result<json_web_token, std::string> read_jwt(std::string_view text) {
  if (text.size() > max_jwt_bytes) return unexpected("it is longer than " + std::to_string(max_jwt_bytes) + " bytes");
  if (!looks_like_jwt(text)) return unexpected(std::string("it has not three parts"));
  const std::size_t first = text.find('.'), second = text.rfind('.');
  try {
    json_web_token made;
    read_header(object_part(text.substr(0, first), "its header"), made);
    made.claims = object_part(text.substr(first + 1, second - first - 1), "its payload");
    auto signature = strict_base64url(text.substr(second + 1));
    if (!signature || signature->empty()) throw std::string("it has no signature");
    made.signature = std::move(*signature);
    made.signed_text = text.substr(0, second);
    const auto issuer = made.claims.find("iss");
    if (issuer == made.claims.end() || !issuer->is_string()) throw std::string("it names no issuer");
    made.issuer = issuer->get<std::string>();
    return made;
  } catch (const std::string& why) {
    return unexpected(why);
  }
}

std::optional<std::string> check_claims(const json_web_token& of, const jwt_issuer& by, timestamp now) {
  try {
    if (of.issuer != by.issuer) throw std::string("it is of another issuer");
    if (!by.algorithms.empty() && std::find(by.algorithms.begin(), by.algorithms.end(), of.how) == by.algorithms.end()) {
      throw "the algorithm " + std::string(algorithm_name(of.how)) + " is not taken of this issuer";
    }
    check_audience(of.claims, by);
    check_times(of.claims, by, now);
  } catch (const std::string& why) {
    return why;
  }
  return std::nullopt;
}

result<principal, std::string> principal_of(const json_web_token& of, const jwt_issuer& by) {
  try {
    principal made;
    made.name = name_claim(of.claims, by.name_claim);
    const auto subject = of.claims.find("sub");
    made.id =
        "jwt:" + by.issuer + "#" + (subject != of.claims.end() && subject->is_string() ? subject->get<std::string>() : made.name);
    made.how = authentication::jwt;
    made.grants = grants_by(of.claims, by);
    if (const auto expires = seconds_claim(of.claims, "exp"))
      made.expires = timestamp(std::chrono::seconds(*expires)) + by.leeway;
    return made;
  } catch (const std::string& why) {
    return unexpected(why);
  }
}

result<grant, std::string> read_scope_word(std::string_view text) {
  std::vector<std::string> parts;
  std::istringstream in{std::string(text)};
  for (std::string part; std::getline(in, part, ':');) parts.push_back(part);
  const std::string shown = std::string("\"").append(text.substr(0, 100)).append("\"");
  if (parts.size() < 2 || parts.size() > 3 || text.ends_with(':'))
    return unexpected(shown + " is not SCOPE:NAMESPACE, or worker:NAMESPACE:QUEUE");
  const auto what = scope_named(parts[0]);
  if (!what) return unexpected(shown + " has no scope read, operate, admin or worker");
  for (const std::string& part : parts) {
    if (why_no_name(part)) return unexpected(shown + " has a name that can't be");
  }
  grant made{*what, name_set({parts[1]}), {}, {}};
  if (parts.size() == 3) made.task_queues = name_set({parts[2]});
  if (std::string why = why_no_grant(made); !why.empty()) return unexpected(shown + ": " + why);
  return made;
}

}  // namespace evermill::server::security
