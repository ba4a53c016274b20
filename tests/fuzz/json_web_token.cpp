// JSON Web Tokens as strangers send them. Their signatures are checked with a key that the seeds are signed with.
#include "server/security/json_web_token.hpp"

#include "base/encodings.hpp"
#include "base/text.hpp"
#include "fuzz_input.hpp"
#include "server/security/grants_json.hpp"

using namespace evermill;
using namespace evermill::server;

namespace {

constexpr const char* keys_of_seeds =
    R"({"keys":[{"e":"AQAB","kid":"rsa","kty":"RSA","n":"sHUNUvtzgpLaOroMFHfak8tcQ-NvIjGJMhVNrqfyM4z4P57OSJ0ILI_GuBHQ)"
    R"(_7wgZ13FKyJP89Yg5JjE3PIrWzqivYPMMXYXRuIUbQ9NGCMZp5JXY3kBcydrgXe2B9IPFYWGETF_mWbmQ0sope88nUHg_NWAOHQP8orZ2pLfHb)"
    R"(yQJB7nAKVMNGSVuMnBB_-HhbT_ZtI6-lYBvV8J71Ni5X-_7oF8Ivc6IwYMtcdZ4BTIATDiBlxWNcwU2GRzdHBxM1FLki5M8519EH9rKUUIF3E2)"
    R"(X8xMfzTQU_1G2WrExLvJwkQoAJN1UnOpALefjd7Rg-2ePw2oU1HyUNeXxoYCHQ"},{"crv":"P-256","kid":"p256","kty":"EC","x":"f)"
    R"(IYa9G1V-5m_Kz-6sooK7_LsgEj6uZjA--8t1o9jdCU","y":"xp1tHOv7of4V51Ebimin2acsUyswWOA2l9dEy7MXgy4"},{"crv":"P-384",)"
    R"("kid":"p384","kty":"EC","x":"bdxnidvaaGRTtSmu8b__yAU2gcXr2nkD0eMFjAxceL24PL5Jq8Q3tE6ItZajgYOn","y":"0K-RN4RNJW)"
    R"(IQ6B2aUrKJoG-NlB49PPLptNMiIVbx3ZJtGjjIipc30tUDJ2lZ6Aqn"},{"crv":"Ed25519","kid":"ed","kty":"OKP","x":"qOVuse4Y)"
    R"(2rpYInLE8zpnDSKQJpPW8DAaAiNwwxPfAqo"}]})";

security::jwt_issuer issuer_of_seeds() {
  security::jwt_issuer made;
  made.issuer = "https://login.test/";
  made.audiences = {"evermill"};
  made.mappings = {{"/realm/roles", "ops", {security::grant{security::scope::admin, security::name_set::every(), {}, {}}}}};
  return made;
}

std::string base64url(std::string_view bytes) {
  std::string text = base64_encoded(bytes);
  while (text.ends_with('=')) text.pop_back();
  for (char& each : text) each = each == '+' ? '-' : each == '/' ? '_' : each;
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const security::json_web_keys keys = *security::read_key_set(keys_of_seeds);
  static const security::jwt_issuer issuer = issuer_of_seeds();
  fuzz::input in(data, size);
  const std::string_view text = in.rest();
  const auto read = security::read_jwt(text);
  if (!read) return 0;
  fuzz::expect(std::string(read->signed_text) + "." + base64url(read->signature) == text, "one text for one token");
  const security::json_web_key* const key = keys.find(read->kid, read->how);
  if (key != nullptr) key->verifies(read->how, read->signed_text, read->signature);
  security::check_claims(*read, issuer, from_micros(1'800'000'000'000'000));
  const auto who = security::principal_of(*read, issuer);
  if (!who) return 0;
  fuzz::expect(!who->name.empty() && who->name.size() <= max_name_bytes, "a principal has a name");
  for (const security::grant& each : who->grants) fuzz::expect(security::why_no_grant(each).empty(), "a grant is one");
  return 0;
}
