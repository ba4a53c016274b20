// What a command may look like, and what is said of one that can't be done.
#include "engine/command_message.hpp"

#include <gmock/gmock.h>

#include "evermill/engine.hpp"

namespace evermill::commands {
namespace {

using testing::HasSubstr;

class CommandMessage : public testing::Test {
 protected:
  messages::DecisionEvent parse(const std::string& text, const std::string& token = "",
                                std::vector<queue::record_header> headers = {}) {
    return parse_command({7, from_micros(1'000), {"", text, std::move(headers)}}, 3, token, *random_);
  }
  std::string refusal(const std::string& text, const std::string& token = "", std::vector<queue::record_header> headers = {}) {
    try {
      parse(text, token, std::move(headers));
    } catch (const engine_error& error) {
      EXPECT_EQ(error.code(), engine_errc::invalid_argument);
      return error.what();
    }
    return "";
  }
  std::unique_ptr<random_source> random_ = make_seeded_random(1);
};

TEST_F(CommandMessage, StartsWithAllThatAStartMayHave) {
  const auto event = parse(R"({"start": {"workflow": "fulfil", "id": "order-1", "input": {"n": 1}, "reuse": "allow",
      "execution_timeout": 1.5, "run_timeout": 1, "version": "v2", "signal": {"name": "go", "input": [1]}}, "request_id": "r"})");
  EXPECT_EQ(event.workflow_id(), "order-1");
  const auto& started = event.event().workflow_execution_started();
  EXPECT_EQ(started.workflow_type(), "fulfil");
  EXPECT_EQ(started.input().data(), R"({"n":1})");
  EXPECT_EQ(started.version(), "v2");
  EXPECT_EQ(started.run_timeout_us(), 1'000'000);
  EXPECT_EQ(event.execution_timeout_us(), 1'500'000);
  EXPECT_EQ(event.reuse_policy(), static_cast<int>(workflow_id_reuse::allow));
  EXPECT_EQ(event.with_signal().signal_name(), "go");
  EXPECT_EQ(event.with_signal().input().data(), "[1]");
  EXPECT_THAT(event.request_id(), HasSubstr("r"));
}

TEST_F(CommandMessage, WithoutIdsItIsTheSameRequestWheneverItIsRead) {
  const std::string text = R"({"start": {"workflow": "fulfil"}})";
  const auto first = parse(text), again = parse(text);
  EXPECT_FALSE(first.request_id().empty());
  EXPECT_EQ(first.request_id(), again.request_id());
  EXPECT_EQ(first.workflow_id(), "command-3-7-1000");
  EXPECT_EQ(first.workflow_id(), again.workflow_id());
  EXPECT_EQ(parse(R"({"signal": {"id": "a", "name": "go"}})").request_id(), first.request_id());
}

TEST_F(CommandMessage, SignalsCancelsAndTerminates) {
  const auto signal = parse(R"({"signal": {"id": "a", "name": "go", "input": "x"}})");
  EXPECT_EQ(signal.event().workflow_execution_signaled().signal_name(), "go");
  EXPECT_EQ(signal.event().workflow_execution_signaled().input().data(), "\"x\"");
  EXPECT_EQ(parse(R"({"cancel": {"id": "a", "reason": "why"}})").event().workflow_execution_cancel_requested().reason(), "why");
  EXPECT_EQ(parse(R"({"terminate": {"id": "a"}})").workflow_id(), "a");
}

TEST_F(CommandMessage, WhatIsWrongIsSaid) {
  EXPECT_THAT(refusal("{"), HasSubstr("no JSON"));
  EXPECT_THAT(refusal("[]"), HasSubstr("no JSON object"));
  EXPECT_THAT(refusal(std::string(5'000, '[')), HasSubstr("deep"));
  EXPECT_THAT(refusal("{}"), HasSubstr("one of start, signal, cancel and terminate"));
  EXPECT_THAT(refusal(R"({"cancel": {"id": "a"}, "terminate": {"id": "a"}})"), HasSubstr("one of"));
  EXPECT_THAT(refusal(R"({"begin": {}})"), HasSubstr("no \"begin\""));
  EXPECT_THAT(refusal(R"({"start": {"id": "a"}})"), HasSubstr("needs \"workflow\""));
  EXPECT_THAT(refusal(R"({"start": {"workflow": "w", "imput": 1}})"), HasSubstr("no \"imput\""));
  EXPECT_THAT(refusal(R"({"start": {"workflow": 1}})"), HasSubstr("is no text"));
  EXPECT_THAT(refusal(R"({"start": {"workflow": "w", "reuse": "sometimes"}})"), HasSubstr("allow_after_failure"));
  EXPECT_THAT(refusal(R"({"start": {"workflow": "w", "run_timeout": -1}})"), HasSubstr("seconds"));
  EXPECT_THAT(refusal(R"({"start": {"workflow": "w", "run_timeout": 1e300}})"), HasSubstr("seconds"));
  EXPECT_THAT(refusal(R"({"signal": {"id": "", "name": "go"}})"), HasSubstr("workflow id"));
  EXPECT_THAT(refusal(R"({"signal": "go"})"), HasSubstr("no JSON object"));
  EXPECT_THAT(refusal("{\"signal\": {\"id\": \"\xff\", \"name\": \"go\"}}"), HasSubstr("no JSON"));
}

TEST_F(CommandMessage, ATokenHasToBeShown) {
  const std::string text = R"({"signal": {"id": "a", "name": "go"}})";
  EXPECT_THAT(refusal(text, "secret"), HasSubstr("authorization"));
  EXPECT_THAT(refusal(text, "secret", {{"authorization", "Bearer secre"}}), HasSubstr("authorization"));
  EXPECT_THAT(refusal(text, "secret", {{"authorization", "Bearer secretsecret"}}), HasSubstr("authorization"));
  EXPECT_THAT(refusal(text, "secret", {{"authorization", "secret"}}), HasSubstr("authorization"));
  EXPECT_THAT(refusal(text, "secret", {{"authorization", "Bearer "}}), HasSubstr("authorization"));
  EXPECT_EQ(refusal(text, "secret", {{"authorization", "Bearer secret"}}), "");
}

}  // namespace
}  // namespace evermill::commands
