#include "tracing/otlp_json.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

namespace evermill::tracing::tests {
namespace {

using json = nlohmann::json;

TEST(OtlpJson, IsWhatTheSpecificationHas) {
  span attempt;
  attempt.where = {0x4bf92f3577b34da6, 0xa3ce929d0e0e4736, 0x00f067aa0ba902b7, 1};
  attempt.parent = 0x1;
  attempt.state = "vendor=1";
  attempt.name = "activity charge";
  attempt.what = span::kind::client;
  attempt.start_us = 1'700'000'000'000'001;
  attempt.end_us = 1'700'000'000'500'001;
  attempt.how = span::status::error;
  attempt.message = "declined \xff";
  attempt.attributes = {{"error.type", std::string("CardDeclined")}, {"evermill.attempt", std::int64_t{2}}};
  const std::vector<span> all{attempt};
  const json sent = json::parse(to_otlp_json(all, {"shop", "0.1.0", "host:1"}));
  const json expected = json::parse(R"({"resourceSpans": [{
    "resource": {"attributes": [
      {"key": "service.name", "value": {"stringValue": "shop"}},
      {"key": "service.version", "value": {"stringValue": "0.1.0"}},
      {"key": "service.instance.id", "value": {"stringValue": "host:1"}}]},
    "scopeSpans": [{
      "scope": {"name": "evermill", "version": "0.1.0"},
      "spans": [{
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7", "parentSpanId": "0000000000000001",
        "traceState": "vendor=1", "flags": 1, "name": "activity charge", "kind": 3,
        "startTimeUnixNano": "1700000000000001000", "endTimeUnixNano": "1700000000500001000",
        "attributes": [{"key": "error.type", "value": {"stringValue": "CardDeclined"}},
                       {"key": "evermill.attempt", "value": {"intValue": "2"}}],
        "status": {"code": 2, "message": "declined �"}}]}]}]})");
  EXPECT_EQ(sent, expected) << sent.dump(1);
}

TEST(OtlpJson, OfARootHasNoParent) {
  span root;
  root.where = {0, 1, 2, 1};
  root.name = "workflow w";
  const std::vector<span> all{root};
  const json sent = json::parse(to_otlp_json(all, {}));
  const json& only = sent["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
  EXPECT_FALSE(only.contains("parentSpanId"));
  EXPECT_FALSE(only.contains("traceState"));
  EXPECT_EQ(only["status"], json::object());
}

TEST(OtlpPartialSuccess, IsReadAsFarAsItIsThere) {
  EXPECT_EQ(partial_success_of(R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}})").rejected, 3u);
  EXPECT_EQ(partial_success_of(R"({"partialSuccess":{"rejectedSpans":2}})").rejected, 2u);
  EXPECT_EQ(partial_success_of(R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}})").message, "too old");
  for (const char* answer : {"{}", "", "no json", "[]", R"({"partialSuccess":{}})", R"({"partialSuccess":7})"}) {
    EXPECT_EQ(partial_success_of(answer).rejected, 0u) << answer;
  }
}

}  // namespace
}  // namespace evermill::tracing::tests
