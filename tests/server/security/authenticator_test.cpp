#include "server/security/authenticator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "server/http/http_server.hpp"
#include "tests/server/security/caught_log.hpp"
#include "tests/server/security/signing_key.hpp"
#include "tests/server/security/test_certificates.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace evermill;
using namespace evermill::server::security;
using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

class Authenticator : public ::testing::Test {
 protected:
  Authenticator() {
    options_.tokens_file = (directory_.path() / "tokens.json").string();
    token_ = add_token_named("ci");
    set_keys({"k"});
    trusted_issuer issuer;
    issuer.rules.issuer = "https://login.test/";
    issuer.rules.audiences = {"evermill"};
    issuer.keys.file = keys_file();
    options_.jwt.push_back(issuer);
    options_.client_certificates = {{certificate_mapping::field::common_name,
                                     "gpu-1",
                                     "",
                                     {grant{scope::worker, name_set({"shop"}), name_set({"gpu"}), {}}}}};
  }

  std::string keys_file() const { return (directory_.path() / "keys.json").string(); }
  void set_keys(const std::vector<std::string>& kids) {
    json keys = json::array();
    for (const std::string& kid : kids) keys.push_back(key().jwk(kid));
    ASSERT_TRUE(replace_file(keys_file(), json{{"keys", keys}}.dump()));
  }
  static const tests::signing_key& key() {
    static const auto made = tests::signing_key::edwards();
    return made;
  }
  std::int64_t seconds_from_now(std::int64_t seconds) const { return to_micros(clock_.now()) / 1'000'000 + seconds; }
  json claims() const {
    return {{"iss", "https://login.test/"},
            {"aud", "evermill"},
            {"sub", "ann"},
            {"exp", seconds_from_now(600)},
            {"scope", "evermill:operate:shop"}};
  }
  std::string jwt() const { return jwt(claims()); }
  static std::string jwt(const json& of, const std::string& kid = "k") {
    return key().sign({{"alg", "EdDSA"}, {"kid", kid}}, of);
  }

  made_token add_token_named(const std::string& name, std::optional<timestamp> expires = {}) {
    made_token made = make_token(name, {grant{scope::operate, name_set({"shop"}), {}, {}}}, clock_.now(), expires);
    EXPECT_TRUE(add_token(options_.tokens_file, made.record));
    return made;
  }
  authenticated ask(authenticator& whom, const std::string& authorization, const std::string& address = "10.0.0.1",
                    const std::string& certificate = "") {
    credentials shown;
    shown.authorization = authorization;
    shown.certificate_pem = certificate;
    shown.address = address;
    return whom.authenticate(shown);
  }
  authenticated bearer(authenticator& whom, const std::string& token, const std::string& address = "10.0.0.1") {
    return ask(whom, "Bearer " + token, address);
  }

  tests::temporary_directory directory_;
  tests::manual_clock clock_;
  tests::caught_log log_;
  security_options options_;
  made_token token_;
};

}  // namespace

TEST_F(Authenticator, KnowsThoseWhoShowWhatIsValid) {
  authenticator whom(options_, clock_, log_.to());
  EXPECT_TRUE(whom.enabled());
  const auto by_token = bearer(whom, token_.text);
  ASSERT_TRUE(by_token);
  EXPECT_EQ((*by_token)->name, "ci");
  EXPECT_EQ((*by_token)->id, "token:" + token_.record.id);
  EXPECT_EQ((*by_token)->grants, token_.record.grants);
  const auto by_jwt = ask(whom, "bearer   " + jwt() + " ");
  ASSERT_TRUE(by_jwt);
  EXPECT_EQ((*by_jwt)->id, "jwt:https://login.test/#ann");
  const auto by_certificate = ask(whom, "", "10.0.0.1", tests::issue({.common_name = "gpu-1", .names = ""}).certificate_pem());
  ASSERT_TRUE(by_certificate);
  EXPECT_EQ((*by_certificate)->how, authentication::certificate);
}

TEST_F(Authenticator, SaysTheSameOfAllThatIsNotValid) {
  const made_token expired = add_token_named("old", clock_.now() + 1s), revoked = add_token_named("gone");
  ASSERT_TRUE(revoke_token(options_.tokens_file, revoked.record.id, clock_.now()));
  options_.limits.failures = {1, 100};
  authenticator whom(options_, clock_, log_.to());
  clock_.advance(2s);
  json late = claims();
  late["exp"] = seconds_from_now(-100);
  std::string forged = token_.text.substr(0, token_.text.size() - 7) + (token_.text[token_.text.size() - 7] == 'a' ? "b" : "a");
  forged += checksum_of(forged);
  const std::vector<std::pair<std::string, const char*>> shown{
      {make_token("x", {}, clock_.now(), {}).text, "id is unknown"},
      {forged, "secret is wrong"},
      {expired.text, "has expired"},
      {revoked.text, "was revoked"},
      {"evm_x", "no token"},
      {"nonsense", "no token"},
      {jwt(late), "JWT: it has expired"},
      {jwt(claims(), "other"), "no such key"},
      {jwt().substr(0, jwt().size() - 8) + "AAAAAAAA", "JWT"},
      {"a.b.c", "JWT"},
      {tests::signing_key::edwards().sign({{"alg", "EdDSA"}, {"kid", "k"}}, claims()), "signature is wrong"}};
  for (const auto& [token, why] : shown) {
    log_.clear();
    const auto refused = bearer(whom, token);
    ASSERT_FALSE(refused) << why;
    EXPECT_EQ(refused.error().what, refusal::kind::unauthenticated);
    EXPECT_EQ(refused.error().text, "the credentials are not valid") << why;
    EXPECT_THAT(refused.error().reason, HasSubstr(why));
    EXPECT_THAT(log_.text(), HasSubstr(why)) << "the log says which";
    EXPECT_THAT(log_.text() + refused.error().reason, Not(HasSubstr(token.size() > 10 ? token.substr(token.size() - 20) : token)))
        << "and never the token";
  }
}

TEST_F(Authenticator, CredentialsThatAreMissingAreAskedFor) {
  authenticator whom(options_, clock_, log_.to());
  EXPECT_THAT(ask(whom, "").error().text, HasSubstr("authorization: Bearer TOKEN"));
  EXPECT_FALSE(ask(whom, "Basic YTpi"));
  EXPECT_FALSE(ask(whom, "Bearer"));
  EXPECT_FALSE(ask(whom, "Bearer "));
  EXPECT_FALSE(ask(whom, token_.text)) << "without its scheme";
  EXPECT_FALSE(bearer(whom, std::string(100'000, 'x')));
}

TEST_F(Authenticator, ABearerTokenCountsAlone) {
  authenticator whom(options_, clock_, log_.to());
  const std::string certificate = tests::issue({.common_name = "gpu-1", .names = ""}).certificate_pem();
  EXPECT_FALSE(ask(whom, "Bearer evm_x", "10.0.0.1", certificate));
  EXPECT_EQ((*ask(whom, "Bearer " + token_.text, "10.0.0.1", certificate))->how, authentication::token);
  EXPECT_FALSE(ask(whom, "", "10.0.0.1", tests::issue({.common_name = "gpu-2", .names = ""}).certificate_pem()));
}

TEST_F(Authenticator, WithoutAuthenticationEverybodyIsAnonymous) {
  authenticator whom(security_options(), clock_, log_.to());
  EXPECT_FALSE(whom.enabled());
  EXPECT_EQ((*ask(whom, ""))->id, "anonymous");
  EXPECT_EQ((*bearer(whom, "whatever"))->id, "anonymous");
}

TEST_F(Authenticator, GrantsMustBeGiven) {
  json nothing = claims();
  nothing.erase("scope");
  authenticator whom(options_, clock_, log_.to());
  EXPECT_THAT(bearer(whom, jwt(nothing)).error().reason, HasSubstr("grant nothing"));
}

TEST_F(Authenticator, AKeyThatIsTakenBackEndsTokensThatWereVerified) {
  authenticator whom(options_, clock_, log_.to());
  const std::string token = jwt();
  EXPECT_TRUE(bearer(whom, token));
  EXPECT_TRUE(bearer(whom, token));
  set_keys({"other"});
  clock_.advance(31s);
  EXPECT_FALSE(bearer(whom, token));
}

TEST_F(Authenticator, AVerifiedTokenExpiresAtItsTime) {
  json soon = claims();
  soon["exp"] = seconds_from_now(5);
  authenticator whom(options_, clock_, log_.to());
  const std::string token = jwt(soon);
  EXPECT_TRUE(bearer(whom, token));
  clock_.advance(64s);
  EXPECT_TRUE(bearer(whom, token)) << "within the leeway";
  clock_.advance(1s);
  EXPECT_FALSE(bearer(whom, token));
}

TEST_F(Authenticator, FailuresOfAnAddressAreLimited) {
  options_.limits.failures = {1, 3};
  authenticator whom(options_, clock_, log_.to());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(bearer(whom, "evm_x", "10.0.0.9").error().what, refusal::kind::unauthenticated);
  log_.clear();
  const auto limited = bearer(whom, "evm_x", "10.0.0.9");
  EXPECT_EQ(limited.error().what, refusal::kind::rate_limited);
  EXPECT_EQ(limited.error().retry_after, 1s);
  EXPECT_EQ(log_.text(), "") << "nor does it fill the log";
  EXPECT_TRUE(bearer(whom, token_.text, "10.0.0.9")) << "who has a token is not locked out by who shares the address";
  EXPECT_EQ(bearer(whom, jwt(), "10.0.0.9").error().what, refusal::kind::rate_limited) << "signatures cost time";
  EXPECT_TRUE(bearer(whom, jwt(), "10.0.0.8"));
  clock_.advance(10s);
  EXPECT_TRUE(bearer(whom, jwt(), "10.0.0.9"));
}

TEST_F(Authenticator, ANetworkOfIpv6IsOneAddress) {
  options_.limits.failures = {1, 2};
  authenticator whom(options_, clock_, log_.to());
  EXPECT_EQ(bearer(whom, "evm_x", "2001:db8:1:2::1").error().what, refusal::kind::unauthenticated);
  EXPECT_EQ(bearer(whom, "evm_x", "2001:db8:1:2::2").error().what, refusal::kind::unauthenticated);
  EXPECT_EQ(bearer(whom, "evm_x", "2001:db8:1:2:ffff::3").error().what, refusal::kind::rate_limited);
  EXPECT_EQ(bearer(whom, "evm_x", "2001:db8:1:3::1").error().what, refusal::kind::unauthenticated);
}

TEST_F(Authenticator, StreamsLearnThatTheirTokenHasEnded) {
  authenticator whom(options_, clock_, log_.to());
  const shared_principal by_token = *bearer(whom, token_.text), by_jwt = *bearer(whom, jwt());
  EXPECT_EQ(whom.still(by_token)->id, by_token->id);
  EXPECT_EQ(whom.still(by_jwt), by_jwt);
  ASSERT_TRUE(revoke_token(options_.tokens_file, token_.record.id, clock_.now()));
  clock_.advance(2s);
  EXPECT_EQ(whom.still(by_token), nullptr);
  clock_.advance(660s);
  EXPECT_EQ(whom.still(by_jwt), nullptr);
}

TEST_F(Authenticator, KeysOfAServerThatIsAwayAreNoFaultOfTheToken) {
  options_.jwt.front().keys.file.clear();
  options_.jwt.front().keys.url = "http://127.0.0.1:1/keys";
  authenticator whom(options_, clock_, log_.to());
  const auto refused = bearer(whom, jwt());
  EXPECT_EQ(refused.error().what, refusal::kind::unavailable);
  EXPECT_GT(refused.error().retry_after, 0s);
  EXPECT_EQ(bearer(whom, token_.text)->get()->name, "ci") << "other ways in are not touched";
}

TEST_F(Authenticator, KeysAreFetchedForATokenThatWaits) {
  namespace http = server::http;
  const std::string keys = json{{"keys", {key().jwk("k")}}}.dump();
  http::server_options where{.listen = {"127.0.0.1", 0}};
  const http::http_server server(where,
                                 {{"GET", "/keys",
                                   [&](const http::request&) {
                                     return http::response{200, "application/json", keys};
                                   }}},
                                 evermill::log());
  options_.jwt.front().keys.file.clear();
  options_.jwt.front().keys.url = "http://127.0.0.1:" + std::to_string(server.listening().port) + "/keys";
  authenticator whom(options_, clock_, log_.to());
  EXPECT_TRUE(bearer(whom, jwt()));
}

TEST_F(Authenticator, ItsEndAnswersThoseWhoWait) {
  namespace http = server::http;
  std::promise<void> release;
  auto released = release.get_future().share();
  http::server_options where{.listen = {"127.0.0.1", 0}};
  const http::http_server server(where,
                                 {{"GET", "/keys",
                                   [&](const http::request&) {
                                     released.wait();
                                     return http::response();
                                   }}},
                                 evermill::log());
  options_.jwt.front().keys.file.clear();
  options_.jwt.front().keys.url = "http://127.0.0.1:" + std::to_string(server.listening().port) + "/keys";
  std::promise<authenticated> answer;
  {
    authenticator whom(options_, clock_, log_.to());
    const std::string authorization = "Bearer " + jwt();
    credentials shown;
    shown.authorization = authorization;
    whom.authenticate(shown, [&](authenticated who) { answer.set_value(std::move(who)); });
  }
  EXPECT_EQ(answer.get_future().get().error().what, refusal::kind::unavailable);
  release.set_value();
}

TEST_F(Authenticator, CountsWhatItSees) {
  authenticator whom(options_, clock_, log_.to());
  bearer(whom, token_.text);
  bearer(whom, "evm_x");
  metrics::scrape scrape;
  whom.collect(scrape);
  EXPECT_THAT(scrape.text(), HasSubstr("evermill_authentications_total{method=\"token\",outcome=\"ok\"} 1"));
  EXPECT_THAT(scrape.text(), HasSubstr("evermill_authentications_total{method=\"token\",outcome=\"refused\"} 1"));
}

TEST(PlainAddress, IsWithoutItsPort) {
  EXPECT_EQ(plain_address("ipv4:10.1.2.3:5555"), "10.1.2.3");
  EXPECT_EQ(plain_address("ipv6:%5B2001:db8::1%5D:5555"), "2001:db8::1");
  EXPECT_EQ(plain_address("ipv6:[::1]:80"), "::1");
  EXPECT_EQ(plain_address("[::1]:80"), "::1");
  EXPECT_EQ(plain_address("10.1.2.3:80"), "10.1.2.3");
  EXPECT_EQ(plain_address("10.1.2.3"), "10.1.2.3");
  EXPECT_EQ(plain_address("2001:db8::1"), "2001:db8::1");
  EXPECT_EQ(plain_address("unix:/run/x"), "unix");
  EXPECT_EQ(plain_address(""), "");
  EXPECT_EQ(plain_address("["), "");
}
