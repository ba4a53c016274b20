// JSON Web Tokens (RFC 7519) with signatures (RFC 7515): reading, and what must hold of one.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/result.hpp"
#include "evermill/timestamp.hpp"
#include "server/security/json_web_key.hpp"
#include "server/security/permission.hpp"

namespace evermill::server::security {

inline constexpr std::size_t max_jwt_bytes = 16 * 1024;

/// One that was read, and not believed: nothing of it is true before `verifies` and `check_claims` have said so.
struct json_web_token {
  algorithm how = algorithm::rs256;
  std::optional<std::string> kid;
  nlohmann::json claims;         ///< an object
  std::string_view signed_text;  ///< of the text that was read
  std::string signature;
  std::string issuer;  ///< `iss`
};

/// Does it look like one: three parts between dots?
bool looks_like_jwt(std::string_view text) noexcept;

/// Or what is wrong with it. Refused are `none`, symmetric algorithms, `crit`, encrypted and nested ones. Keys that a token
/// brings along (jwk, jku, x5c, x5u) are never looked at.
result<json_web_token, std::string> read_jwt(std::string_view text);

/// Principals with a claim of some value have grants.
struct claim_mapping {
  std::string claim;  ///< a name, or a JSON Pointer: "groups", "/realm_access/roles"
  std::string value;  ///< that the claim is, or that is among its list
  std::vector<grant> grants;
};

/// Whose tokens are taken, and what they grant.
struct jwt_issuer {
  std::string issuer;                     ///< `iss`, exactly
  std::vector<std::string> audiences;     ///< one of them must be in `aud`; never empty
  std::vector<algorithm> algorithms;      ///< empty: all
  std::chrono::seconds leeway{60};        ///< that clocks may differ
  std::string name_claim = "sub";         ///< what principals are called
  std::string grants_claim = "evermill";  ///< as grants_json.hpp has them; "": none
  std::string scope_claim = "scope";  ///< words, or a list of them: "evermill:operate:shop", "evermill:worker:shop:gpu"; "": none
  std::string scope_prefix = "evermill:";
  std::vector<claim_mapping> mappings{};
};

/// Nothing, or why it is not for us, or not now.
std::optional<std::string> check_claims(const json_web_token& of, const jwt_issuer& by, timestamp now);

/// Who has shown it, with all grants that its claims give; they may be none. Or what can't be understood.
result<principal, std::string> principal_of(const json_web_token& of, const jwt_issuer& by);

/// "operate:shop", "worker:shop:gpu", "worker:*:*": what follows the prefix of a scope claim's word. Names can't have ':' or
/// blanks there.
result<grant, std::string> read_scope_word(std::string_view text);

}  // namespace evermill::server::security
