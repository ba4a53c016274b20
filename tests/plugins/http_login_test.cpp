#include <gtest/gtest.h>

#include <fstream>

#include "attempt_ends.hpp"
#include "evermill/http.hpp"
#include "http_rig.hpp"
#include "base/encodings.hpp"
#include "plugins/task/http/http_backend.hpp"
#include "tests/support/manual_clock.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* client_word = "client secret+1";

/// One backend for all requests of a test, as tokens are kept in it.
struct HttpLogin : testing::Test {
  HttpLogin() {
    std::ofstream(secrets.path() / "word") << client_word;
    tasks::call_options options;
    options.time = &time;
    options.secrets = tasks::open_secrets(secrets.path().string());
    backend = make_http_backend(std::move(options), ends.recorder());
  }
  tasks::attempt_end end_of(const std::string& path, const json& authentication) {
    http_request request;
    request.url = http_server()["http"] + path;
    request.authentication = authentication;
    backend->run({make_task("http", codec<http_request>::encode(request), ++last_seq)});
    return ends.of(last_seq);
  }
  json result(const json& authentication, const std::string& path = "/guarded") {
    const auto end = end_of(path, authentication);
    if (const auto* const how = std::get_if<tasks::failed>(&end.how)) return how->failure.message();
    return result_of<json>(end);
  }
  failure failed(const json& authentication) { return failure_of(end_of("/guarded", authentication)); }
  static http_authentication oauth2(const std::string& endpoint = "token") {
    http_authentication shown;
    shown.kind = "oauth2";
    shown.authority = http_server()["http"] + "/";
    shown.client = {"client", client_word, "", ""};
    shown.endpoints.token = "/oauth2/" + endpoint;
    return shown;
  }
  static int token_requests() {
    int count = 0;
    const json all = json_of(http_get("/requests"));
    for (const auto& each : all["requests"]) count += each.get<std::string>().starts_with("POST /oauth2/") ? 1 : 0;
    return count;
  }
  /// Tokens are told apart by what they are for.
  static std::string fresh(const std::string& name) { return name + "-" + std::to_string(++names); }

  static inline int names = 0;
  manual_clock time;
  attempt_ends ends;
  temporary_directory secrets;
  std::unique_ptr<tasks::task_backend> backend;
  std::uint64_t last_seq = 0;
};

TEST_F(HttpLogin, ByUserAndPassword) {
  EXPECT_TRUE(result(basic_authentication("user", "päss:word"), "/basic").is_object());
  auto digest = basic_authentication("user", "secret-word");
  digest.kind = "digest";
  EXPECT_EQ(result(digest, "/digest")["user"], "user");
  digest.password = "wrong";
  const auto end = end_of("/digest", digest);
  EXPECT_TRUE(failure_of(end).non_retryable);
  EXPECT_EQ(result(bearer_authentication("t0ken"), "/echo")["headers"]["Authorization"], "Bearer t0ken");
  EXPECT_EQ(result(nullptr, "/echo")["headers"].contains("Authorization"), false);
}

TEST_F(HttpLogin, MembersThatAreNullAreLeftOut) {
  const json shown{{"kind", "basic"}, {"username", "user"}, {"password", "päss:word"}, {"client", nullptr}, {"token", nullptr}};
  EXPECT_TRUE(result(shown, "/basic").is_object());
}

TEST_F(HttpLogin, ByATokenThatTheServerGivesTheClient) {
  for (const std::string way : {"", "client_secret_post", "client_secret_basic"}) {
    auto shown = oauth2();
    shown.client.authentication = way;
    shown.scopes = {fresh("read"), "write"};
    shown.audiences = {"orders"};
    EXPECT_EQ(result(shown)["path"], "/guarded") << way << result(shown);
    shown.request.encoding = "application/json";
    EXPECT_EQ(result(shown)["path"], "/guarded") << way << result(shown);
  }
  auto shown = oauth2();
  shown.client = {"jwt-client", "", "an.assertion", "private_key_jwt"};
  EXPECT_EQ(result(shown)["path"], "/guarded") << result(shown);
}

TEST_F(HttpLogin, ByOtherGrants) {
  auto shown = oauth2();
  shown.grant = "password";
  shown.username = "ada";
  shown.password = "ada's word";
  EXPECT_EQ(result(shown)["path"], "/guarded") << result(shown);
  shown = oauth2();
  shown.grant = "urn:ietf:params:oauth:grant-type:token-exchange";
  shown.subject = {"a subject's token", "urn:ietf:params:oauth:token-type:access_token"};
  EXPECT_EQ(result(shown)["path"], "/guarded") << result(shown);
  shown.grant = "refresh_token";
  shown.refresh_token = "no such token";
  EXPECT_EQ(failed(shown).type, "HttpAuthentication");
}

TEST_F(HttpLogin, FindsTheServerByDiscovery) {
  auto shown = oauth2("not-used");
  shown.kind = "oidc";
  shown.scopes = {fresh("openid")};
  EXPECT_EQ(result(shown)["path"], "/guarded") << result(shown);
  shown.scopes = {fresh("named")};
  shown.authority += "/.well-known/openid-configuration";
  EXPECT_EQ(result(shown)["path"], "/guarded") << result(shown);
  shown.authority = http_server()["http"] + "/nowhere";
  EXPECT_EQ(failed(shown).type, "HttpAuthentication");
}

TEST_F(HttpLogin, AsksOnceForManyRequests) {
  auto shown = oauth2();
  shown.scopes = {fresh("many")};
  const int before = token_requests();
  http_request request;
  request.url = http_server()["http"] + "/guarded";
  request.authentication = shown;
  std::vector<task_ptr> tasks;
  for (std::uint64_t seq = 1; seq <= 20; ++seq) tasks.push_back(make_task("http", codec<http_request>::encode(request), seq));
  backend->run(tasks);
  ends.wait_for(20);
  last_seq = 20;
  EXPECT_EQ(result(shown)["path"], "/guarded");
  EXPECT_EQ(token_requests(), before + 1);
  shown.scopes = {fresh("other")};
  result(shown);
  EXPECT_EQ(token_requests(), before + 2) << "a token for something else";
}

TEST_F(HttpLogin, AsksAgainWhenATokenHasExpired) {
  auto shown = oauth2("short");
  shown.scopes = {fresh("short")};
  const int before = token_requests();
  EXPECT_EQ(result(shown)["grant"], "client_credentials");
  time.advance(800ms);
  result(shown);
  EXPECT_EQ(token_requests(), before + 1);
  time.advance(200ms);
  EXPECT_EQ(result(shown)["grant"], "refresh_token") << "as the server gave one";
  EXPECT_EQ(token_requests(), before + 2);
  time.advance(1s);
  http_get("/revoke/refresh-tokens", "POST");
  EXPECT_EQ(result(shown)["grant"], "client_credentials") << "as the refresh token is refused";
  EXPECT_EQ(token_requests(), before + 4);
}

TEST_F(HttpLogin, AsksAgainWhenATokenWasRevoked) {
  auto shown = oauth2();
  shown.scopes = {fresh("revoked")};
  const int before = token_requests();
  result(shown);
  http_get("/revoke", "POST");
  EXPECT_EQ(result(shown)["path"], "/guarded") << "with a new one, in the same attempt";
  EXPECT_EQ(token_requests(), before + 2);
  EXPECT_EQ(failure_of(end_of("/status/401", shown)).type, "HttpStatus") << "a new one that is refused is refused";
  EXPECT_EQ(token_requests(), before + 3);
}

TEST_F(HttpLogin, SaysWhyThereIsNoToken) {
  auto shown = oauth2();
  shown.client.secret = "wrong";
  failure why = failed(shown);
  EXPECT_EQ(why.type, "HttpAuthentication");
  EXPECT_TRUE(why.non_retryable);
  EXPECT_NE(why.message.find("/oauth2/token"), std::string::npos);
  EXPECT_NE(why.message.find("invalid_client"), std::string::npos) << why.message;
  why = failed(oauth2("down"));
  EXPECT_EQ(why.type, "HttpAuthentication");
  EXPECT_FALSE(why.non_retryable);
  EXPECT_FALSE(failed(oauth2("garbage")).non_retryable);
  shown.authority = "http://127.0.0.1:1";
  EXPECT_EQ(failed(shown).type, "HttpConnection");
}

TEST_F(HttpLogin, TakesNoTokensOfOthers) {
  // The server's tokens are no JWT: they are taken. So that one is, the subject's text is looked at only here.
  auto shown = oauth2();
  shown.issuers = {"https://issuer.example.com"};
  shown.scopes = {fresh("opaque")};
  EXPECT_EQ(result(shown)["path"], "/guarded");
  shown.scopes = {"." + base64_encoded(R"({"iss":"https://other.example.com"})") + "."};
  EXPECT_NE(failed(shown).message.find("\"https://other.example.com\", which is not among"), std::string::npos) << failed(shown).message;
}

TEST_F(HttpLogin, SecretsAndTokensAreNotInWhatIsLeftBehind) {
  auto shown = oauth2();
  shown.client.secret = secret("word");
  shown.scopes = {fresh("hidden")};
  EXPECT_EQ(result(shown)["token"], "***") << "the server echoes the token";
  shown.client.id = "somebody";
  EXPECT_NE(failed(shown).message.find("no client 'somebody' with '***'"), std::string::npos) << failed(shown).message;
  auto basic = basic_authentication("user", secret("word"));
  EXPECT_EQ(result(basic, "/echo")["headers"]["Authorization"], "Basic ***");
  EXPECT_EQ(result(basic, "/echo?q=" + secret("word")).dump().find("client%20secret"), std::string::npos);
}

TEST_F(HttpLogin, ASecretThatDoesNotExistFailsTheAttempt) {
  const failure why = failed(bearer_authentication(secret("none")));
  EXPECT_EQ(why.type, "SecretNotFound");
  EXPECT_TRUE(why.non_retryable);
}

}  // namespace
}  // namespace evermill::tests
