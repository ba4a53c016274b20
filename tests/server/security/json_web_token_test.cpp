#include "server/security/json_web_token.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/server/security/signing_key.hpp"

using namespace evermill;
using namespace evermill::server::security;
using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::HasSubstr;

namespace {

constexpr timestamp now = from_micros(1'800'000'000'000'000);

const tests::signing_key& rsa() {
  static const auto key = tests::signing_key::rsa();
  return key;
}
const tests::signing_key& p256() {
  static const auto key = tests::signing_key::elliptic("P-256");
  return key;
}
const tests::signing_key& p384() {
  static const auto key = tests::signing_key::elliptic("P-384");
  return key;
}
const tests::signing_key& edwards() {
  static const auto key = tests::signing_key::edwards();
  return key;
}

json key_set(std::vector<json> keys) { return {{"keys", std::move(keys)}}; }
json_web_keys all_keys() {
  auto read = read_key_set(key_set({rsa().jwk("rsa"), p256().jwk("p256"), p384().jwk("p384"), edwards().jwk("ed")}).dump());
  EXPECT_TRUE(read) << read.error();
  return *read;
}

json header(const char* algorithm, const char* kid) { return {{"alg", algorithm}, {"kid", kid}, {"typ", "JWT"}}; }
json claims() {
  return {{"iss", "https://login.test/"},
          {"aud", "evermill"},
          {"sub", "ann"},
          {"iat", 1'800'000'000 - 10},
          {"exp", 1'800'000'000 + 600}};
}
json with(json object, const char* name, json value) {
  object[name] = std::move(value);
  return object;
}
json without(json object, const char* name) {
  object.erase(name);
  return object;
}

jwt_issuer issuer() {
  jwt_issuer made;
  made.issuer = "https://login.test/";
  made.audiences = {"evermill"};
  return made;
}

bool is_verified(const std::string& text, const json_web_keys& keys) {
  const auto read = read_jwt(text);
  if (!read) return false;
  const json_web_key* const key = keys.find(read->kid, read->how);
  return key != nullptr && key->verifies(read->how, read->signed_text, read->signature);
}

std::string why_not(const json& what, const jwt_issuer& by = issuer(), timestamp at = now) {
  const std::string text = edwards().sign(header("EdDSA", "ed"), what);
  const auto read = read_jwt(text);
  return read ? check_claims(*read, by, at).value_or("") : read.error();
}

}  // namespace

TEST(JsonWebToken, EachAlgorithmVerifiesItsOwnSignatures) {
  const json_web_keys keys = all_keys();
  for (const char* const name : {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
    EXPECT_TRUE(is_verified(rsa().sign(header(name, "rsa"), claims()), keys)) << name;
  EXPECT_TRUE(is_verified(p256().sign(header("ES256", "p256"), claims()), keys));
  EXPECT_TRUE(is_verified(p384().sign(header("ES384", "p384"), claims()), keys));
  EXPECT_TRUE(is_verified(edwards().sign(header("EdDSA", "ed"), claims()), keys));
}

TEST(JsonWebToken, AChangeOfAnyPartIsSeen) {
  const json_web_keys keys = all_keys();
  for (const auto& [key, algorithm, kid] : {std::tuple(rsa(), "RS256", "rsa"), std::tuple(rsa(), "PS256", "rsa"),
                                            std::tuple(p256(), "ES256", "p256"), std::tuple(edwards(), "EdDSA", "ed")}) {
    const std::string good = key.sign(header(algorithm, kid), claims());
    const std::string other = key.sign(header(algorithm, kid), with(claims(), "sub", "eve"));
    const std::size_t good_end = good.rfind('.'), other_end = other.rfind('.');
    EXPECT_FALSE(is_verified(other.substr(0, other_end) + good.substr(good_end), keys)) << algorithm;
    for (std::size_t i = good_end + 1; i < good.size() - 2; i += 7) {
      std::string changed = good;
      changed[i] = changed[i] == 'A' ? 'B' : 'A';
      EXPECT_FALSE(is_verified(changed, keys)) << algorithm << " " << i;
    }
    EXPECT_FALSE(is_verified(good.substr(0, good.size() - 4), keys));
    EXPECT_FALSE(is_verified(good.substr(0, good_end + 1), keys)) << "no signature";
  }
}

TEST(JsonWebToken, AForgedKeyOfTheSameNameIsNotTheKey) {
  EXPECT_FALSE(is_verified(tests::signing_key::rsa().sign(header("RS256", "rsa"), claims()), all_keys()));
  EXPECT_FALSE(is_verified(tests::signing_key::elliptic("P-256").sign(header("ES256", "p256"), claims()), all_keys()));
  EXPECT_FALSE(is_verified(tests::signing_key::edwards().sign(header("EdDSA", "ed"), claims()), all_keys()));
}

TEST(JsonWebToken, AlgorithmsCannotBeConfused) {
  const json_web_keys keys = all_keys();
  // The classic: the public key, which everybody has, as the secret of HS256.
  for (const std::string& secret :
       {rsa().public_pem(), rsa().jwk("rsa").dump(), rsa().jwk("rsa")["n"].get<std::string>(), std::string()}) {
    const std::string forged = tests::hmac_token(header("HS256", "rsa"), claims(), secret);
    EXPECT_THAT(read_jwt(forged).error(), HasSubstr("algorithm is not taken: \"HS256\""));
  }
  for (const char* const none : {"none", "None", "NONE", "nOnE", ""}) {
    const std::string forged = tests::base64url(header(none, "rsa").dump()) + "." + tests::base64url(claims().dump()) + ".";
    EXPECT_FALSE(read_jwt(forged)) << none;
  }
  // What the header says never decides how a key is used.
  const std::string good = rsa().sign(header("RS256", "rsa"), claims());
  for (const char* const other : {"PS256", "RS512", "ES256", "EdDSA"}) {
    const std::string changed = tests::base64url(header(other, "rsa").dump()) + good.substr(good.find('.'));
    EXPECT_FALSE(is_verified(changed, keys)) << other;
  }
  EXPECT_FALSE(is_verified(p256().sign(header("ES256", "p384"), claims()), keys)) << "another curve's key";
}

TEST(JsonWebToken, AKeyThatNamesItsAlgorithmIsForThatAlone) {
  const auto keys = read_key_set(key_set({with(rsa().jwk("rsa"), "alg", "RS256")}).dump());
  ASSERT_TRUE(keys);
  EXPECT_TRUE(is_verified(rsa().sign(header("RS256", "rsa"), claims()), *keys));
  EXPECT_FALSE(is_verified(rsa().sign(header("PS256", "rsa"), claims()), *keys));
}

TEST(JsonWebToken, KidChoosesTheKey) {
  const auto other = tests::signing_key::edwards();
  const auto keys = read_key_set(key_set({edwards().jwk("a"), other.jwk("b")}).dump());
  ASSERT_TRUE(keys);
  EXPECT_TRUE(is_verified(other.sign(header("EdDSA", "b"), claims()), *keys));
  EXPECT_FALSE(is_verified(other.sign(header("EdDSA", "a"), claims()), *keys));
  EXPECT_FALSE(is_verified(other.sign(header("EdDSA", "c"), claims()), *keys));
  EXPECT_FALSE(is_verified(other.sign({{"alg", "EdDSA"}}, claims()), *keys)) << "which of two is not guessed";
  EXPECT_TRUE(is_verified(rsa().sign({{"alg", "RS256"}}, claims()), all_keys())) << "the only one that fits";
}

TEST(JsonWebToken, KeysThatATokenBringsAlongAreNotLookedAt) {
  const auto own = tests::signing_key::edwards();
  json head = header("EdDSA", "ed");
  head["jwk"] = own.jwk("ed");
  head["jku"] = "https://evil.test/keys";
  EXPECT_FALSE(is_verified(own.sign(head, claims()), all_keys()));
}

TEST(JsonWebToken, HeadersThatDemandMoreAreRefused) {
  EXPECT_THAT(read_jwt(edwards().sign(with(header("EdDSA", "ed"), "crit", {"exp"}), claims())).error(), HasSubstr("crit"));
  EXPECT_THAT(read_jwt(edwards().sign(with(header("EdDSA", "ed"), "typ", "dpop+jwt"), claims())).error(), HasSubstr("typ"));
  EXPECT_TRUE(read_jwt(edwards().sign(with(header("EdDSA", "ed"), "typ", "application/AT+JWT"), claims())));
  EXPECT_FALSE(read_jwt(edwards().sign(with(header("EdDSA", "ed"), "kid", 5), claims())));
  EXPECT_FALSE(read_jwt(edwards().sign(with(header("EdDSA", "ed"), "kid", std::string(600, 'k')), claims())));
}

TEST(JsonWebToken, WhatIsNoTokenIsRefused) {
  const std::string good = edwards().sign(header("EdDSA", "ed"), claims());
  for (const std::string& bad : {std::string(), std::string("a.b"), std::string("a.b.c"), std::string(".."), good + ".x",
                                 " " + good, good + "=", good + "\n", "ey" + good, std::string(max_jwt_bytes, 'a') + ".b.c"}) {
    EXPECT_FALSE(read_jwt(bad)) << bad.substr(0, 40);
  }
  const std::string deep = tests::base64url(std::string(5000, '[')) + good.substr(good.find('.'));
  EXPECT_FALSE(read_jwt(deep));
}

TEST(JsonWebToken, OneTextForOneSignature) {
  EXPECT_EQ(strict_base64url("AA"), std::string(1, '\0'));
  EXPECT_FALSE(strict_base64url("AB")) << "bits that no byte has";
  EXPECT_FALSE(strict_base64url("AA=="));
  EXPECT_FALSE(strict_base64url("A+"));
  EXPECT_FALSE(strict_base64url("A"));
  EXPECT_EQ(strict_base64url(""), "");
}

TEST(JsonWebToken, ClaimsMustFit) {
  EXPECT_EQ(why_not(claims()), "");
  EXPECT_THAT(why_not(with(claims(), "iss", "https://login.test")), HasSubstr("another issuer"));
  EXPECT_THAT(why_not(without(claims(), "iss")), HasSubstr("no issuer"));
  EXPECT_THAT(why_not(with(claims(), "aud", "other")), HasSubstr("audience"));
  EXPECT_THAT(why_not(without(claims(), "aud")), HasSubstr("audience"));
  EXPECT_THAT(why_not(with(claims(), "aud", {"other", 5})), HasSubstr("audience"));
  EXPECT_EQ(why_not(with(claims(), "aud", {"other", "evermill"})), "");
  jwt_issuer only_rsa = issuer();
  only_rsa.algorithms = {algorithm::rs256};
  EXPECT_THAT(why_not(claims(), only_rsa), HasSubstr("EdDSA"));
}

TEST(JsonWebToken, TimesAreTakenWithLeeway) {
  EXPECT_THAT(why_not(without(claims(), "exp")), HasSubstr("never expires"));
  EXPECT_THAT(why_not(claims(), issuer(), now + 660s), HasSubstr("has expired"));
  EXPECT_EQ(why_not(claims(), issuer(), now + 659s), "");
  EXPECT_THAT(why_not(with(claims(), "nbf", 1'800'000'061)), HasSubstr("not valid yet"));
  EXPECT_EQ(why_not(with(claims(), "nbf", 1'800'000'060)), "");
  EXPECT_THAT(why_not(with(claims(), "iat", 1'800'000'061)), HasSubstr("issued in the future"));
  EXPECT_EQ(why_not(with(claims(), "exp", 1'800'000'600.9)), "");
  for (const json& bad : {json("1800000600"), json(1e300), json(-1), json(nullptr), json(true)})
    EXPECT_THAT(why_not(with(claims(), "exp", bad)), HasSubstr("no time")) << bad;
}

namespace {

result<principal, std::string> who(const json& what, const jwt_issuer& by = issuer()) {
  return principal_of(*read_jwt(edwards().sign(header("EdDSA", "ed"), what)), by);
}
std::vector<std::string> grants_in(const json& what, const jwt_issuer& by = issuer()) {
  const auto made = who(what, by);
  if (!made) return {"error: " + made.error()};
  std::vector<std::string> all;
  for (const grant& each : made->grants) all.push_back(to_string(each));
  return all;
}

}  // namespace

TEST(JsonWebToken, ClaimsBecomeGrants) {
  using ::testing::ElementsAre;
  EXPECT_THAT(grants_in(claims()), ElementsAre());
  EXPECT_THAT(
      grants_in(with(claims(), "evermill", {{"scopes", {"read", "worker"}}, {"namespaces", {"shop"}}, {"task_queues", {"gpu"}}})),
      ElementsAre("read:shop", "worker:shop:gpu"));
  EXPECT_THAT(grants_in(with(claims(), "scope", "openid evermill:operate:shop evermill:worker:shop:gpu")),
              ElementsAre("operate:shop", "worker:shop:gpu"));
  EXPECT_THAT(grants_in(with(claims(), "scope", {"evermill:read:*"})), ElementsAre("read:*"));
  jwt_issuer mapped = issuer();
  mapped.mappings = {{"groups", "ops", {grant{scope::admin, name_set::every(), {}, {}}}},
                     {"/realm/a~1b", "yes", {grant{scope::read, name_set({"shop"}), {}, {}}}}};
  EXPECT_THAT(grants_in(with(claims(), "groups", {"dev", "ops"}), mapped), ElementsAre("admin:*"));
  EXPECT_THAT(grants_in(with(claims(), "groups", "ops2"), mapped), ElementsAre());
  EXPECT_THAT(grants_in(with(claims(), "realm", {{"a/b", "yes"}}), mapped), ElementsAre("read:shop"));
}

TEST(JsonWebToken, ClaimsThatCannotBeUnderstoodAreRefused) {
  using ::testing::ElementsAre;
  for (const char* const word : {"evermill:", "evermill:operate", "evermill:root:shop", "evermill:operate:shop:gpu",
                                 "evermill:worker:shop", "evermill:operate::", "evermill:worker:shop:gpu:x"}) {
    EXPECT_THAT(grants_in(with(claims(), "scope", word)), ElementsAre(HasSubstr("scope can't be understood"))) << word;
  }
  EXPECT_THAT(grants_in(with(claims(), "evermill", {{"scope", "operate"}, {"namespace", {"shop"}}})),
              ElementsAre(HasSubstr("no member \"namespace\"")));
}

TEST(JsonWebToken, PrincipalsAreNamedByAClaim) {
  const auto made = who(with(claims(), "email", "ann@test"));
  ASSERT_TRUE(made);
  EXPECT_EQ(made->name, "ann");
  EXPECT_EQ(made->id, "jwt:https://login.test/#ann");
  EXPECT_EQ(made->expires, now + 660s);
  jwt_issuer by_email = issuer();
  by_email.name_claim = "email";
  EXPECT_EQ(who(with(claims(), "email", "ann@test"), by_email)->name, "ann@test");
  EXPECT_EQ(who(with(claims(), "email", "ann@test"), by_email)->id, "jwt:https://login.test/#ann")
      << "names are not unique, subjects are";
  EXPECT_FALSE(who(without(claims(), "sub")));
  EXPECT_FALSE(who(with(claims(), "sub", "a\nb")));
}

TEST(JsonWebKeys, ThoseThatCannotBeUsedAreLeftOut) {
  const auto left_out = [](json key) {
    const auto read = read_key_set(key_set({edwards().jwk("ed"), std::move(key)}).dump());
    return read && read->keys.size() == 1 && read->left_out.size() == 1 ? read->left_out.front() : std::string("was taken");
  };
  EXPECT_THAT(left_out({{"kty", "oct"}, {"k", "c2VjcmV0"}}), HasSubstr("type is not used"));
  EXPECT_THAT(left_out(with(rsa().jwk("x"), "use", "enc")), HasSubstr("not for signatures"));
  EXPECT_THAT(left_out(with(rsa().jwk("x"), "key_ops", {"encrypt"})), HasSubstr("verify"));
  EXPECT_THAT(left_out(with(rsa().jwk("x"), "alg", "RSA-OAEP")), HasSubstr("algorithm is not used"));
  EXPECT_THAT(left_out(with(rsa().jwk("x"), "alg", "ES256")), HasSubstr("none for its type"));
  EXPECT_THAT(left_out(tests::signing_key::rsa(1024).jwk("x")), HasSubstr("shorter than 2048"));
  EXPECT_THAT(left_out(with(rsa().jwk("x"), "e", "AQ")), HasSubstr("exponent"));
  EXPECT_THAT(left_out(with(rsa().jwk("x"), "n", std::string(8000, 'A'))), HasSubstr("too large"));
  EXPECT_THAT(left_out(with(p256().jwk("x"), "x", tests::base64url(std::string(32, '\x01')))), HasSubstr("no valid public key"))
      << "a point off the curve";
  EXPECT_THAT(left_out(with(p256().jwk("x"), "crv", "secp256k1")), HasSubstr("not used"));
  EXPECT_THAT(left_out(with(p256().jwk("x"), "crv", "P-384")), HasSubstr("length"));
  EXPECT_THAT(left_out(with(edwards().jwk("x"), "x", "AAAA")), HasSubstr("Ed25519"));
  EXPECT_THAT(left_out(without(rsa().jwk("x"), "n")), HasSubstr("no \"n\""));
  EXPECT_THAT(left_out(5), HasSubstr("no object"));
}

TEST(JsonWebKeys, ASetWithoutAUsableKeyIsNone) {
  EXPECT_FALSE(read_key_set(R"({"keys":[]})"));
  EXPECT_FALSE(read_key_set(R"({"keys":{}})"));
  EXPECT_FALSE(read_key_set("[]"));
  EXPECT_FALSE(read_key_set("<html>"));
  EXPECT_FALSE(read_key_set(std::string(5000, '[')));
  EXPECT_THAT(read_key_set(R"({"keys":[{"kty":"oct","k":"eA"}]})").error(), HasSubstr("key 1"));
  EXPECT_FALSE(read_key_set(key_set(std::vector<json>(101, edwards().jwk("x"))).dump()));
}
