#include "server/security/security_options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

using namespace evermill;
using namespace evermill::server::security;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

constexpr const char* whole = R"(
tokens:
  file: tokens.json
jwt:
  - issuer: https://login.test/
    audience: [evermill, other]
    keys: { url: https://login.test/keys, refresh: 5m, refetch_pause: 10s, timeout: 2s, ca_file: ca.pem }
    algorithms: [RS256, ES256]
    leeway: 30s
    name_claim: email
    mappings:
      - claim: groups
        value: ops
        grants: [{ scope: admin, namespaces: ["*"] }]
  - issuer: https://other.test/
    audience: evermill
    keys: { file: /etc/keys.json }
client_certificates:
  - uri: spiffe://test/*
    grants: [{ scope: worker, namespaces: [shop], task_queues: [gpu] }]
tls:
  certificate: server.pem
  key: server.key
  client_ca: ca.pem
  require_client_certificate: true
audit:
  file: audit.jsonl
  max_bytes: 1048576
limits:
  everybody: { requests_per_second: 100, burst: 200, max_open_streams: 10, max_message_bytes: 4096 }
  principals: { ci: { requests_per_second: 0.5 } }
  namespaces: { shop: { max_open_streams: 5 } }
  failures: { per_second: 2, burst: 5 }
)";

std::vector<std::string> problems_of(const std::string& text) {
  dsl::problems found;
  read_security_text(text, "/etc/evermill", found);
  std::vector<std::string> told;
  for (const dsl::problem& each : found) told.push_back(dsl::describe(each, "f"));
  return told;
}

}  // namespace

TEST(SecurityOptions, AWholeFileIsRead) {
  dsl::problems found;
  const security_options made = read_security_text(whole, "/etc/evermill", found);
  ASSERT_TRUE(found.empty()) << dsl::describe(found.front(), "f");
  EXPECT_EQ(made.tokens_file, "/etc/evermill/tokens.json");
  ASSERT_EQ(made.jwt.size(), 2U);
  EXPECT_THAT(made.jwt[0].rules.audiences, ElementsAre("evermill", "other"));
  EXPECT_THAT(made.jwt[0].rules.algorithms, ElementsAre(algorithm::rs256, algorithm::es256));
  EXPECT_EQ(made.jwt[0].rules.leeway, 30s);
  EXPECT_EQ(made.jwt[0].rules.mappings[0].grants[0].what, scope::admin);
  EXPECT_EQ(made.jwt[0].keys.refresh, 5min);
  EXPECT_EQ(made.jwt[0].keys.refetch_pause, 10s);
  EXPECT_EQ(made.jwt[0].keys.timeout, 2s);
  EXPECT_EQ(made.jwt[0].keys.ca_file, "/etc/evermill/ca.pem");
  EXPECT_EQ(made.jwt[1].keys.file, "/etc/keys.json");
  EXPECT_EQ(made.jwt[1].rules.leeway, 60s);
  ASSERT_EQ(made.client_certificates.size(), 1U);
  EXPECT_EQ(made.client_certificates[0].what, certificate_mapping::field::uri);
  EXPECT_EQ(made.tls.key, "/etc/evermill/server.key");
  EXPECT_TRUE(made.tls.require_client_certificate);
  EXPECT_EQ(made.audit.what, audit_place::kind::file);
  EXPECT_EQ(made.audit.options.max_bytes, 1'048'576U);
  EXPECT_EQ(made.limits.everybody, (limits{{100, 200}, 10, 4096}));
  EXPECT_EQ(made.limits.principals.at("ci"), (limits{{0.5, 1}, 0, 0}));
  EXPECT_EQ(made.limits.namespaces.at("shop").max_open_streams, 5U);
  EXPECT_EQ(made.limits.failures, (rate{2, 5}));
  EXPECT_TRUE(made.has_authentication());
  EXPECT_TRUE(made.has_tls());
}

TEST(SecurityOptions, NothingIsConfiguredByNothing) {
  dsl::problems found;
  const security_options made = read_security_text("{}", "", found);
  EXPECT_TRUE(found.empty());
  EXPECT_FALSE(made.has_authentication());
  EXPECT_FALSE(made.has_tls());
  EXPECT_EQ(made.audit.what, audit_place::kind::log);
}

TEST(SecurityOptions, AllProblemsAreToldAtOnceWithTheirLines) {
  EXPECT_THAT(
      problems_of("tokens: {}\n"
                  "jwt:\n"
                  "  - issuer: a\n"
                  "    audiance: b\n"
                  "    keys: { url: http://keys.test/ }\n"
                  "    algorithms: [HS256]\n"
                  "    leeway: soon\n"
                  "client_certificates:\n"
                  "  - { dns: a, uri: b, grants: [{ scope: root, namespaces: [x] }] }\n"
                  "tls: { certificate: c, require_client_certificate: yes please }\n"
                  "audit: { to: disk }\n"
                  "limits: { everybody: { burst: 0 } }\n"),
      ElementsAre(
          HasSubstr("f:1:9: error: \"tokens\" needs the property \"file\""),
          HasSubstr("f:3:5: error: an issuer in \"jwt\" needs the property \"audience\""),
          HasSubstr("f:4:5: error: an issuer in \"jwt\" has no property \"audiance\"; did you mean \"audience\"?"),
          HasSubstr("f:5:18: error: keys must come over https"), HasSubstr("f:6:17: error: the algorithm \"HS256\" is not taken"),
          HasSubstr("f:7:13: error: \"soon\" is no duration"), HasSubstr("f:9:3: error: client certificates need somebody"),
          HasSubstr("f:9:5: error: an entry of \"client_certificates\" needs one of"),
          HasSubstr("this is no grant: a scope must be"), HasSubstr("f:10:6: error: \"tls\" needs the property \"key\""),
          HasSubstr("\"require_client_certificate\" must be"), HasSubstr("f:11:14: error: \"to\" can't be \"disk\""),
          HasSubstr("\"burst\" needs"), HasSubstr("must be from")));
}

TEST(SecurityOptions, WhatIsMisspelledIsNeverIgnored) {
  for (const char* const text :
       {"token: {file: a}", "tls: {certificate: a, key: b, client_cert: c}", "audit: {file: a, mode: x}",
        "limits: {everyone: {}}", "tokens: []", "[]", "5", "", "a: b: c", "jwt: {}", "jwt: [5]", "limits: {namespaces: 5}",
        "audit: {to: file}", "audit: {to: log, file: x}", "tokens: {file: ''}", "tokens: {file: a}\ntokens: {file: b}"}) {
    EXPECT_FALSE(problems_of(text).empty()) << text;
  }
}

TEST(SecurityOptions, KeysComeOverHttpsOrFromThisMachine) {
  const auto told = [](const std::string& url) {
    return problems_of("jwt: [{issuer: a, audience: b, keys: {url: \"" + url + "\"}}]").empty();
  };
  for (const char* const good :
       {"https://login.test/keys", "http://127.0.0.1:8080/keys", "http://localhost/keys", "http://[::1]:8080/keys"})
    EXPECT_TRUE(told(good)) << good;
  for (const char* const bad : {"http://login.test/keys", "http://localhost.evil.test/", "http://127.0.0.1@evil.test/",
                                "ftp://x/", "file:///etc/passwd", "http://", "http://[::1", "http://unix:/x"})
    EXPECT_FALSE(told(bad)) << bad;
}

TEST(SecurityOptions, AnIssuerStandsThereOnce) {
  EXPECT_THAT(problems_of("jwt: [{issuer: a, audience: b, keys: {file: k}}, {issuer: a, audience: c, keys: {file: k}}]"),
              ElementsAre(HasSubstr("stands there twice")));
  EXPECT_THAT(problems_of("jwt: [{issuer: a, audience: b, keys: {file: k, url: \"https://k/\"}}]"),
              ElementsAre(HasSubstr("either \"url\" or \"file\"")));
}

TEST(SecurityOptions, TheGuidesExamplesAreRight) {
  std::ifstream guide(EVERMILL_SECURITY_GUIDE);
  int examples = 0;
  std::string block;
  bool within = false;
  for (std::string line; std::getline(guide, line);) {
    if (line == "```yaml" || (within && line == "```")) {
      within = !within;
      if (within) continue;
      ++examples;
      EXPECT_TRUE(block.starts_with("security:\n")) << block;
      EXPECT_THAT(problems_of(block.substr(block.find('\n') + 1)), ElementsAre()) << block;
      block.clear();
    } else if (within) {
      block += line + "\n";
    }
  }
  EXPECT_GE(examples, 4);
}
