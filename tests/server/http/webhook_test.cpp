#include "server/http/api/webhook.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_directory.hpp"

namespace evermill::server::http::api {
namespace {

using testing::HasSubstr;
using style = webhook_signature::style;

timestamp at_second(std::int64_t seconds) { return from_micros(seconds * 1'000'000); }

webhook_signature signed_by(style kind, const char* secret) {
  return {kind, "X-Signature", secret, std::chrono::seconds(300)};
}

/// What readers say of a text, with a secret beside it.
std::string problems_of(const std::string& text) {
  const tests::temporary_directory folder;
  std::ofstream(folder.path() / "secret") << "long enough\n";
  try {
    read_webhooks(text, (folder.path() / "hooks.yaml").string());
  } catch (const webhook_error& error) {
    return error.what();
  }
  return "none";
}

TEST(Webhook, SignaturesAreThoseOfTheServicesThemselves) {
  // https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
  const webhook_signature github = signed_by(style::github, "It's a Secret to Everybody");
  const char* const known = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
  EXPECT_EQ(why_not_signed(github, known, "Hello, World!", {}), std::nullopt);
  EXPECT_THAT(*why_not_signed(github, known, "Hello, World?", {}), HasSubstr("not that of this body"));
  EXPECT_THAT(*why_not_signed(github, "", "Hello, World!", {}), HasSubstr("X-Signature"));
  EXPECT_TRUE(why_not_signed(github, std::string(known) + "0", "Hello, World!", {}));
  EXPECT_EQ(why_not_signed(signed_by(style::hex, "It's a Secret to Everybody"), std::string_view(known).substr(7),
                           "Hello, World!", {}),
            std::nullopt);
}

TEST(Webhook, ATimeThatIsSignedIsLookedAt) {
  const webhook_signature stripe = signed_by(style::stripe, "whsec_test_secret");
  // HMAC-SHA256 of "1700000000.{}".
  const std::string good = "t=1700000000,v1=00, v1=ceb8863f7208fa249a6cd8f951e993c7563412aca65866f6272283debe143ab3";
  EXPECT_EQ(why_not_signed(stripe, good, "{}", at_second(1'700'000'000)), std::nullopt);
  EXPECT_EQ(why_not_signed(stripe, good, "{}", at_second(1'700'000'300)), std::nullopt);
  EXPECT_THAT(*why_not_signed(stripe, good, "{}", at_second(1'700'000'301)), HasSubstr("time"));
  EXPECT_THAT(*why_not_signed(stripe, good, "{}", at_second(1'699'999'699)), HasSubstr("time"));
  EXPECT_THAT(*why_not_signed(stripe, good, "{ }", at_second(1'700'000'000)), HasSubstr("not that of this body"));
  for (const char* header :
       {"t=,v1=00", "v1=00", "t=1700000000", "t=x,v1=00", "t=99999999999999999999,v1=00", "garbage", ",,="}) {
    EXPECT_THAT(*why_not_signed(stripe, header, "{}", at_second(1'700'000'000)), HasSubstr("t=SECONDS")) << header;
  }
}

TEST(Webhook, AFileIsRead) {
  const tests::temporary_directory folder;
  std::ofstream(folder.path() / "secret") << "long enough\r\nnot this\n";
  const auto hooks = read_webhooks(R"(
hooks:
  pushed:
    start: build
    signal: go
    workflow_id: {pointer: /a~1b/0, prefix: p-}
    request_id: {header: X-Id}
    signature: {kind: stripe, secret_file: secret, tolerance: 10m}
    max_body_bytes: 100
)",
                                   (folder.path() / "hooks.yaml").string());
  ASSERT_EQ(hooks.size(), 1u);
  EXPECT_EQ(hooks[0].name, "pushed");
  EXPECT_EQ(hooks[0].workflow_type + hooks[0].signal_name, "buildgo");
  EXPECT_EQ(hooks[0].workflow_id.pointer + hooks[0].workflow_id.prefix + hooks[0].request_id.header, "/a~1b/0p-X-Id");
  EXPECT_EQ(hooks[0].signature.secret, "long enough");
  EXPECT_EQ(hooks[0].signature.header, "Stripe-Signature");
  EXPECT_EQ(hooks[0].signature.tolerance, std::chrono::minutes(10));
  EXPECT_EQ(hooks[0].max_body_bytes, 100u);
}

TEST(Webhook, AllProblemsAreToldAtOnce) {
  const std::string told = problems_of(R"(
hooks:
  one: {start: x}
  two: {signal: y, signature: {kind: none}}
  three: {strat: x, signature: {kind: md5}}
  four: {start: x, workflow_id: {header: "a b", pointer: q}, signature: {kind: github, secret_file: none}}
  five: {start: x, request_id: {pointer: /a~2}, signature: {kind: hex, secret_env: NO_SUCH_VARIABLE_OF_A_TEST}, max_body_bytes: -1}
  six: 7
more: 1
)");
  for (const char* part :
       {"3:8", "has no \"signature\"", "which execution is signaled", "did you mean \"start\"?",
        "none of github, stripe", "either \"header\" or \"pointer\"", "no header's name",
        "no secret can be read from \"none\"", "no JSON Pointer", "no \"NO_SUCH_VARIABLE_OF_A_TEST\"",
        "\"header\" of a signature is missing", "\"max_body_bytes\" is no whole number", "an object is expected",
        "has no property \"more\""}) {
    EXPECT_THAT(told, HasSubstr(part));
  }
  EXPECT_EQ(problems_of("hooks: {a: {start: x, signature: {kind: github, secret_file: secret}}}"), "none");
  EXPECT_THAT(problems_of("{}"), HasSubstr("\"hooks\" is missing"));
  EXPECT_NE(problems_of("hooks: ["), "none");
}

}  // namespace
}  // namespace evermill::server::http::api
