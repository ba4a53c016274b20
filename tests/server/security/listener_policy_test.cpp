#include "server/security/listener_policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace evermill::server::security;
using ::testing::HasSubstr;

namespace {

std::vector<std::string> some_names(const std::string& host) {
  if (host == "localhost") return {"127.0.0.1", "::1"};
  if (host == "here.test") return {"127.0.0.1", "10.0.0.5"};
  if (host == "there.test") return {"192.0.2.7"};
  return {};
}

auto check(const std::string& host, bool tls, bool authentication, bool forced = false) {
  return check_listener({"--listen", host, tls, authentication}, forced, some_names);
}

}  // namespace

TEST(ListenerPolicy, KnowsWhatOnlyThisMachineReaches) {
  for (const char* const here :
       {"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "0:0:0:0:0:0:0:1", "localhost", "unix:/run/x.sock"})
    EXPECT_TRUE(is_loopback(here, some_names)) << here;
  for (const char* const beyond : {"", "*", "0.0.0.0", "::", "10.0.0.5", "::ffff:10.0.0.5", "fe80::1%eth0", "2001:db8::1",
                                   "here.test", "there.test", "nowhere.test", "127.0.0.1.nip.test", "0", "128.0.0.1"}) {
    EXPECT_FALSE(is_loopback(beyond, some_names)) << beyond;
  }
}

TEST(ListenerPolicy, ThisMachineNeedsNothing) {
  for (const bool tls : {false, true}) {
    for (const bool authentication : {false, true}) EXPECT_EQ(check("127.0.0.1", tls, authentication).value(), std::nullopt);
  }
}

TEST(ListenerPolicy, BeyondItNobodyGoesUnasked) {
  for (const char* const host : {"0.0.0.0", "::", "", "there.test", "nowhere.test", "here.test"}) {
    for (const bool tls : {false, true}) {
      const auto refused = check(host, tls, false);
      ASSERT_FALSE(refused) << host;
      EXPECT_THAT(refused.error(), HasSubstr("--listen"));
      EXPECT_THAT(refused.error(), HasSubstr("everybody could do everything"));
      EXPECT_THAT(refused.error(), HasSubstr("--insecure-listen"));
    }
  }
}

TEST(ListenerPolicy, TokensDoNotTravelInTheClear) {
  const auto refused = check("0.0.0.0", false, true);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error(), HasSubstr("security: tls"));
  EXPECT_EQ(check("0.0.0.0", true, true).value(), std::nullopt);
}

TEST(ListenerPolicy, ForcedIsAWarning) {
  for (const bool authentication : {false, true}) {
    const auto forced = check("0.0.0.0", false, authentication, true);
    ASSERT_TRUE(forced);
    EXPECT_THAT(forced->value_or(""), HasSubstr("others than this machine"));
  }
  EXPECT_EQ(check("127.0.0.1", false, false, true).value(), std::nullopt);
}

TEST(ListenerPolicy, TheSystemKnowsLocalhost) { EXPECT_TRUE(is_loopback("localhost")); }
