#include "server/security/gatekeeper.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/server/security/caught_log.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace evermill;
using namespace evermill::server::security;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

class Gatekeeper : public ::testing::Test {
 protected:
  Gatekeeper() {
    options_.audit.what = audit_place::kind::file;
    options_.audit.file = (directory_.path() / "audit.jsonl").string();
    options_.tokens_file = (directory_.path() / "tokens.json").string();
    token_ = make_token("ci", {grant{scope::operate, name_set({"shop", "depot"}), {}, {}}}, clock_.now(), {});
    EXPECT_TRUE(add_token(options_.tokens_file, token_.record));
  }
  void open() { gate_ = std::make_unique<gatekeeper>(options_, clock_, log_.to()); }
  shared_principal ci() {
    const std::string authorization = "Bearer " + token_.text;
    credentials shown;
    shown.authorization = authorization;
    shared_principal who;
    gate_->authenticate(shown, {}, [&](authenticated answer) { who = *answer; });
    return who;
  }
  static request_facts facts(action what, std::string_view name_space) {
    request_facts made;
    made.what = what;
    made.name_space = name_space;
    made.target = "order-1";
    made.address = "10.0.0.1";
    made.request_id = "r-1";
    return made;
  }
  /// All lines; closes the gate.
  std::vector<nlohmann::json> audited() {
    gate_.reset();
    std::vector<nlohmann::json> all;
    std::ifstream in(options_.audit.file);
    for (std::string line; std::getline(in, line);) all.push_back(nlohmann::json::parse(line));
    return all;
  }

  tests::temporary_directory directory_;
  tests::manual_clock clock_;
  tests::caught_log log_;
  security_options options_;
  made_token token_;
  std::unique_ptr<gatekeeper> gate_;
};

}  // namespace

TEST_F(Gatekeeper, ChangesAndRefusalsAreWrittenDown) {
  open();
  const shared_principal who = ci();
  EXPECT_FALSE(gate_->admit(*who, facts(action::start_workflow, "shop")));
  gate_->finished(*who, facts(action::start_workflow, "shop"), "ok");
  EXPECT_FALSE(gate_->admit(*who, facts(action::describe_workflow, "shop")));
  gate_->finished(*who, facts(action::describe_workflow, "shop"), "ok");
  EXPECT_EQ(gate_->admit(*who, facts(action::delete_definition, "shop"))->what, refusal::kind::forbidden);
  EXPECT_EQ(gate_->admit(*who, facts(action::describe_workflow, "bank"))->what, refusal::kind::hidden);
  gate_->authenticate({.address = "10.0.0.2"}, facts(action::start_workflow, "shop"),
                      [](const authenticated& answer) { EXPECT_FALSE(answer); });
  const auto lines = audited();
  ASSERT_EQ(lines.size(), 4U) << "what only reads, and may, is not";
  EXPECT_EQ(lines[0]["outcome"], "ok");
  EXPECT_EQ(lines[0]["principal"], "token:" + token_.record.id);
  EXPECT_EQ(lines[0]["name"], "ci");
  EXPECT_EQ(lines[0]["action"], "start_workflow");
  EXPECT_EQ(lines[0]["namespace"], "shop");
  EXPECT_EQ(lines[0]["resource"], "order-1");
  EXPECT_EQ(lines[1]["outcome"], "forbidden");
  EXPECT_EQ(lines[2]["outcome"], "hidden");
  EXPECT_EQ(lines[3]["outcome"], "unauthenticated");
  EXPECT_EQ(lines[3]["reason"], "no credentials");
  EXPECT_FALSE(lines[3].contains("principal"));
}

TEST_F(Gatekeeper, AForbiddenNamespaceAndNoneAtAllReadTheSame) {
  open();
  const shared_principal who = ci();
  const auto hidden = gate_->admit(*who, facts(action::describe_workflow, "bank")),
             missing = gate_->admit(*who, facts(action::describe_workflow, "nowhere"));
  EXPECT_EQ(hidden->what, missing->what);
  EXPECT_EQ(hidden->text, unknown_namespace_text("bank"));
  EXPECT_EQ(missing->text, unknown_namespace_text("nowhere"));
}

TEST_F(Gatekeeper, APrincipalsLimitIsItsOwn) {
  options_.limits.everybody.requests = {10, 100};
  options_.limits.principals["ci"].requests = {2, 3};
  open();
  const shared_principal who = ci();
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(gate_->admit(*who, facts(action::describe_workflow, "shop")));
  const auto refused = gate_->admit(*who, facts(action::describe_workflow, "shop"));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->what, refusal::kind::rate_limited);
  EXPECT_EQ(refused->retry_after, 500ms);
  EXPECT_THAT(refused->text, HasSubstr("limit of \"ci\""));
  clock_.advance(500ms);
  EXPECT_FALSE(gate_->admit(*who, facts(action::describe_workflow, "shop")));
}

TEST_F(Gatekeeper, ANamespacesLimitIsSharedAndCostsTheRefusedNothing) {
  options_.limits.namespaces["shop"].requests = {1, 2};
  options_.limits.everybody.requests = {0.001, 5};
  open();
  const shared_principal who = ci();
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(gate_->admit(*who, facts(action::describe_workflow, "shop")));
  for (int i = 0; i < 20; ++i)
    EXPECT_THAT(gate_->admit(*who, facts(action::describe_workflow, "shop"))->text, HasSubstr("limit of the namespace \"shop\""));
  for (int i = 0; i < 3; ++i)
    EXPECT_FALSE(gate_->admit(*who, facts(action::describe_workflow, "depot"))) << "what was refused was given back";
  EXPECT_TRUE(gate_->admit(*who, facts(action::describe_workflow, "depot")));
}

TEST_F(Gatekeeper, WhoIsLimitedDoesNotFillTheAuditLog) {
  options_.limits.everybody.requests = {1, 1};
  open();
  const shared_principal who = ci();
  for (int i = 0; i < 50; ++i) gate_->admit(*who, facts(action::start_workflow, "shop"));
  EXPECT_EQ(audited().size(), 1U);
}

TEST_F(Gatekeeper, StreamsAreCountedForBoth) {
  options_.limits.everybody.max_open_streams = 3;
  options_.limits.namespaces["shop"].max_open_streams = 2;
  open();
  const shared_principal who = ci();
  auto first = gate_->open_stream(*who, "shop"), second = gate_->open_stream(*who, "shop");
  ASSERT_TRUE(first && second);
  EXPECT_THAT(gate_->open_stream(*who, "shop").error().text, HasSubstr("the namespace \"shop\" has 2 open streams"));
  const auto third = gate_->open_stream(*who, "depot");
  EXPECT_TRUE(third) << "the one that was refused has given its place back";
  EXPECT_THAT(gate_->open_stream(*who, "depot").error().text, HasSubstr("\"ci\" has 3 open streams"));
  *first = {};
  EXPECT_TRUE(gate_->open_stream(*who, "shop"));
}

TEST_F(Gatekeeper, TheSmallestMessageLimitCounts) {
  options_.limits.everybody.max_message_bytes = 5000;
  options_.limits.namespaces["shop"].max_message_bytes = 2000;
  open();
  const shared_principal who = ci();
  EXPECT_EQ(gate_->max_message_bytes(*who, "shop", 10'000), 2000U);
  EXPECT_EQ(gate_->max_message_bytes(*who, "depot", 10'000), 5000U);
  EXPECT_EQ(gate_->max_message_bytes(*who, "depot", 1000), 1000U);
}

TEST_F(Gatekeeper, WithoutAuthenticationEverybodyPassesAndIsWrittenDown) {
  options_.tokens_file.clear();
  open();
  EXPECT_FALSE(gate_->has_authentication());
  shared_principal who;
  gate_->authenticate({}, {}, [&](authenticated answer) { who = *answer; });
  EXPECT_FALSE(gate_->admit(*who, facts(action::manage_namespaces, "")));
  gate_->finished(*who, facts(action::manage_namespaces, ""), "ok");
  EXPECT_EQ(audited().at(0)["principal"], "anonymous");
}

TEST_F(Gatekeeper, AuditMayBeOff) {
  options_.audit.what = audit_place::kind::off;
  open();
  const shared_principal who = ci();
  gate_->finished(*who, facts(action::start_workflow, "shop"), "ok");
  gate_->reopen_logs();
  EXPECT_TRUE(audited().empty());
}

TEST_F(Gatekeeper, CountsWhatItRefuses) {
  open();
  const shared_principal who = ci();
  gate_->admit(*who, facts(action::delete_definition, "shop"));
  metrics::scrape scrape;
  gate_->collect(scrape);
  EXPECT_THAT(scrape.text(), HasSubstr("evermill_requests_refused_total{reason=\"forbidden\"} 1"));
  EXPECT_THAT(scrape.text(), HasSubstr("evermill_audit_lines_dropped_total 0"));
}

TEST_F(Gatekeeper, NoTokenIsInAnyLog) {
  open();
  ci();
  gate_->authenticate({.authorization = "Bearer evm_secretsecret"}, {}, [](const authenticated&) {});
  std::string all;
  for (const auto& line : audited()) all += line.dump();
  EXPECT_THAT(all + log_.text(), Not(HasSubstr("secretsecret")));
}
