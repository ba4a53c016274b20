// call: asyncapi: where documents say that messages go, and subscriptions, whose topic is a list here.
#include <algorithm>

#include "interpreter_rig.hpp"

namespace evermill::interpreter {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string errors = "https://serverlessworkflow.io/spec/1.0.0/errors/";

const std::string version_2 = R"(
asyncapi: 2.6.0
servers:
  queue: { url: mq.example, protocol: mqtt }
  hook: { url: 'hooks.{region}.example/v1', protocol: https, variables: { region: { default: eu } } }
  kafka: { url: 'kafka://k1.example:9092,k2.example:9092/', protocol: kafka-secure, security: [ { login: [] } ] }
components: { securitySchemes: { login: { type: scramSha512 } } }
channels:
  orders:
    servers: [ queue, kafka ]
    bindings: { kafka: { topic: shop.orders } }
    publish: { message: { contentType: text/plain, bindings: { kafka: { key: { type: string, const: all } } } } }
  hooks/{kind}:
    parameters: { kind: { schema: { default: order } } }
    publish: { bindings: { http: { type: request, method: PUT } } }
  readings: { servers: [ queue ] }
)";

const std::string version_3 = R"(
asyncapi: 3.0.0
servers:
  main: { host: 'kafka.{stage}.example:9092', protocol: kafka, variables: { stage: { default: test } } }
  web: { host: web.example, pathname: /in, protocol: http }
channels:
  placed:
    address: orders.placed
    servers: [ { $ref: '#/servers/main' } ]
    messages: { order: { $ref: '#/components/messages/order' } }
  hooks: { address: /hooks }
components:
  messages:
    order:
      correlationId: { location: '$message.payload#/trace' }
      bindings: { kafka: { key: { type: string, default: '$message.payload#/id' } } }
operations:
  place: { action: receive, channel: { $ref: '#/channels/placed' }, messages: [ { $ref: '#/channels/placed/messages/order' } ] }
  call: { action: receive, channel: { $ref: '#/channels/hooks' } }
)";

const std::string message = ", message: { payload: { a: 1 } }";

std::string file_with(const std::string& with, const std::string& more = {}, const std::string& afterwards = {}) {
  const std::string document = "document: { endpoint: https://api.example/d }, ";
  return file_of("  - it: { call: asyncapi, with: { " + document + with + " } }\n" + afterwards, more);
}

/// What the backend is asked for a message.
json sent(const std::string& document, const std::string& with, const std::string& more = {}) {
  interpreter_rig rig(file_with(with, more));
  rig.given({{"id", 7}, {"name", "Ada"}}).with("kafka.send", [](const json& request) { return request; });
  rig.with("http", [document](const json& request) -> json {
    if (request["method"] == "GET") return document;
    return request;
  });
  return rig.output();
}

TEST(CallAsyncapi, SendsAMessageByHttp) {
  const std::string hooks = "channel: 'hooks/{kind}'";
  const json request = sent(version_2, hooks + ", message: { payload: { id: '${ .id }' }, headers: { X-A: b } }");
  EXPECT_EQ(request["url"], "https://hooks.eu.example/v1/hooks/order");
  EXPECT_EQ(request["method"], "PUT");
  EXPECT_EQ(request["body"], json({{"id", 7}}));
  EXPECT_EQ(request["headers"], json({{"X-A", "b"}}));
  const std::string server = ", server: { name: hook, variables: { region: '${ .name }', kind: refund } }";
  EXPECT_EQ(sent(version_2, hooks + server + message)["url"], "https://hooks.Ada.example/v1/hooks/refund");
  EXPECT_EQ(sent(version_3, "operation: call, protocol: http" + message)["url"], "http://web.example/in/hooks");
}

TEST(CallAsyncapi, SendsAMessageByKafka) {
  const json request = sent(version_2, "channel: orders, message: { payload: '${ .name }', headers: { X-A: '${ .id }' } }");
  EXPECT_EQ(request["server"]["servers"], "k1.example:9092,k2.example:9092");
  EXPECT_EQ(request["server"]["tls"], true);
  EXPECT_EQ(request["server"]["properties"], json({{"sasl.mechanism", "SCRAM-SHA-512"}}));
  EXPECT_EQ(request["topic"], "shop.orders");
  EXPECT_EQ(request["key"], "all");
  EXPECT_EQ(request["value"], "Ada") << "it is no JSON there";
  EXPECT_EQ(request["headers"], json({{"X-A", "7"}}));
}

TEST(CallAsyncapi, KnowsVersionThree) {
  const json request = sent(version_3, "operation: place, message: { payload: { id: '${ .id }' } }");
  EXPECT_EQ(request["server"]["servers"], "kafka.test.example:9092");
  EXPECT_EQ(request["server"]["tls"], false);
  EXPECT_EQ(request["topic"], "orders.placed");
  EXPECT_EQ(request["key"], "7") << "from where the document says that it is";
  EXPECT_EQ(sent(version_3, "operation: place, message: { payload: '${ .name }' }")["value"], "\"Ada\"") << "messages are JSON";
  const json elsewhere = sent(version_3, "operation: place, server: { name: main, variables: { stage: live } }" + message);
  EXPECT_EQ(elsewhere["server"]["servers"], "kafka.live.example:9092");
}

TEST(CallAsyncapi, HandsTheLoginOn) {
  const std::string with = "channel: orders" + message + ", authentication: { basic: { use: shop } }";
  const json shown = sent(version_2, with, "use: { secrets: [ shop ] }\n")["server"]["authentication"];
  EXPECT_EQ(shown["kind"], "basic");
  EXPECT_EQ(shown["username"], "\uE000secret:shop.username\uE001");
  EXPECT_EQ(shown["password"], "\uE000secret:shop.password\uE001");
}

TEST(CallAsyncapi, WhatIsNotThereIsRefused) {
  const auto error = [](const std::string& with) {
    interpreter_rig rig(file_with(with));
    rig.with("http", [](const json&) { return version_2; });
    return rig.error();
  };
  for (const char* where : {"protocol: mqtt, channel: orders", "channel: readings", "server: { name: queue }, channel: orders"}) {
    EXPECT_EQ(error(where + message)["title"], "Not available") << where;
  }
  EXPECT_EQ(error("channel: 'hooks/{kind}', subscription: { consume: { amount: 1 } }")["title"], "Not available");
  for (const char* where : {"channel: ordrs", "operation: place", "server: { name: main }, channel: orders",
                            "protocol: http, channel: orders"}) {
    EXPECT_EQ(error(where + message)["title"], "The description does not fit") << where;
  }
}

TEST(CallAsyncapi, FailuresOfKafkaHaveTheirTypes) {
  const auto error_of = [](const char* type) {
    interpreter_rig rig(file_with("channel: orders" + message));
    rig.with("http", [](const json&) { return version_2; });
    rig.with("kafka.send", [type](const json&) -> json { throw application_error(type, "why"); });
    const json error = rig.error();
    return error["type"].get<std::string>().substr(errors.size()) + " " + error["status"].dump();
  };
  EXPECT_EQ(error_of("KafkaUnavailable"), "communication 503");
  EXPECT_EQ(error_of("KafkaTopicNotFound"), "communication 404");
  EXPECT_EQ(error_of("KafkaPositionGone"), "communication 410");
  EXPECT_EQ(error_of("KafkaRefused"), "authentication 401");
}

/// A topic with one partition, of which a subscription sees what comes after the first two messages, `at_once` at a time. When
/// nothing is left, receiving fails and is tried again: time passes.
struct topic {
  std::vector<json> messages;
  std::size_t at_once = 2;

  json receive(const json& request) const {
    if (!request.contains("positions")) return {{"messages", json::array()}, {"positions", {{"0", 2}}}};
    std::size_t next = request["positions"]["0"];
    json given = json::array();
    const auto most = std::min<std::size_t>(at_once, request["max_messages"]);
    for (; given.size() < most && next < messages.size(); ++next) {
      given.push_back({{"value", messages[next]}, {"headers", {{"n", std::to_string(next)}}}, {"offset", next}});
    }
    if (given.empty()) throw application_error("KafkaUnavailable", "nothing comes");
    return {{"messages", given}, {"positions", {{"0", next}}}};
  }
};

interpreter_rig subscribed(const std::string& subscription, topic from = {{10, 11, 12, 13, 14, 15, 16, 17, 18}},
                           const std::string& afterwards = {}) {
  interpreter_rig rig(file_with("channel: orders, subscription: { " + subscription + " }", {}, afterwards));
  rig.with("http", [](const json&) { return version_2; });
  rig.with("kafka.receive", [from](const json& request) { return from.receive(request); });
  return rig;
}

json payloads(const json& messages) {
  json all = json::array();
  for (const json& each : messages) all.push_back(each["payload"]);
  return all;
}

TEST(AsyncapiSubscription, TakesAsMany) {
  interpreter_rig rig = subscribed("consume: { amount: 3 }");
  const json output = rig.output();
  EXPECT_EQ(payloads(output), json({12, 13, 14}));
  EXPECT_EQ(output[0], json({{"payload", 12}, {"headers", {{"n", "2"}}}}));
  EXPECT_EQ(rig.calls.back().input["max_messages"], 1) << "no more than are wanted are in the journal";
  EXPECT_EQ(rig.calls.back().input["positions"], json({{"0", 4}}));
}

TEST(AsyncapiSubscription, AFilterLooksAtEachMessage) {
  EXPECT_EQ(payloads(subscribed("filter: '${ .payload % 2 == 1 }', consume: { amount: 2 }").output()), json({13, 15}));
  EXPECT_EQ(payloads(subscribed("filter: .headers.n == \"5\", consume: { amount: 1 }").output()), json({15}));
}

TEST(AsyncapiSubscription, WhileAndUntilLookAtWhatWasConsumed) {
  EXPECT_EQ(payloads(subscribed("consume: { until: '${ length == 4 }' }").output()), json({12, 13, 14, 15}));
  EXPECT_EQ(payloads(subscribed("consume: { while: '${ .[-1].payload < 13 }' }").output()), json({12, 13}));
}

TEST(AsyncapiSubscription, EndsWithItsTime) {
  interpreter_rig rig = subscribed("consume: { amount: 100, for: { hours: 1 } }");
  EXPECT_EQ(payloads(rig.output()), json({12, 13, 14, 15, 16, 17, 18})) << "what failed for a while was tried again";
  EXPECT_EQ(payloads(subscribed("consume: { until: 'false', for: PT5S }", {{}}).output()), json::array());
}

TEST(AsyncapiSubscription, TimeThatIsNotNeededIsNotWaitedFor) {
  const std::string rest = "  - rest: { wait: { hours: 2 } }\n";
  interpreter_rig rig = subscribed("consume: { amount: 1, for: { hours: 1 } }", {{1, 2, 3}}, rest);
  rig.output();
  EXPECT_THAT(rig.history, Not(Contains(HasSubstr("TimerFired /do/0"))));
  const auto canceled = std::find(rig.history.begin(), rig.history.end(), "TimerCanceled");
  EXPECT_THAT(std::vector<std::string>(canceled, rig.history.end()), Contains("TimerStarted /do/1/rest"));
}

TEST(AsyncapiSubscription, ForeachMakesItsOutputs) {
  interpreter_rig rig = subscribed("consume: { until: '$context.seen == 3' }, foreach: { item: m, at: n, "
                                   "do: [ { a: { set: '${ { sum: ($m.payload + $n) } }' } } ], output: { as: .sum }, "
                                   "export: { as: '{ seen: ($n + 1) }' } }");
  EXPECT_EQ(rig.output(), json({12, 14, 16}));
}

TEST(AsyncapiSubscription, AForeachIsNotCutOff) {
  const std::string slow = "foreach: { do: [ { a: { wait: { hours: 2 } } } ], output: { as: .payload } }";
  EXPECT_EQ(subscribed("consume: { amount: 9, for: PT1H }, " + slow).output(), json::array({12}));
}

TEST(AsyncapiSubscription, ForeachMayEndItAndTheWorkflow) {
  const std::string until_13 = "consume: { amount: 9 }, foreach: { do: [ { a: { set: '${ .payload }' } }, "
                               "{ b: { if: '${ . == 13 }', set: '${ 99 }', then: ";
  const std::string never = "  - never: { set: '${ 0 }' }\n";
  EXPECT_EQ(subscribed(until_13 + "exit } } ] }").output(), json({12, 99}));
  EXPECT_EQ(subscribed(until_13 + "exit } } ] }", {{10, 11, 12, 13}}, never).output(), 0);
  EXPECT_EQ(subscribed(until_13 + "end } } ] }", {{10, 11, 12, 13}}, never).output(), json({12, 99}));
}

TEST(AsyncapiSubscription, ErrorsOfForeachAreTheTasks) {
  interpreter_rig rig = subscribed("consume: { amount: 9, for: PT1H }, foreach: { do: [ { a: { raise: { error: "
                                   "{ type: https://x.example/e, status: 418, title: no } } } } ] }");
  const json error = rig.error();
  EXPECT_EQ(error["status"], 418);
  EXPECT_EQ(error["instance"], "/do/0/it/with/subscription/foreach/do/0/a");
  EXPECT_THAT(rig.history, Contains(HasSubstr("TimerCanceled")));
}

TEST(AsyncapiSubscription, ALostPlaceIsAnError) {
  interpreter_rig rig(file_with("channel: orders, subscription: { consume: { amount: 1 } }"));
  rig.with("http", [](const json&) { return version_2; });
  rig.with("kafka.receive", [](const json& request) -> json {
    if (!request.contains("positions")) return {{"messages", json::array()}, {"positions", {{"0", 2}}}};
    throw application_error("KafkaPositionGone", "deleted", std::nullopt, true);
  });
  EXPECT_EQ(rig.error()["title"], "Gone");
}

TEST(AsyncapiSubscription, ManyMessagesAreSeveralTurns) {
  topic many;
  for (int i = 0; i < 6'000; ++i) many.messages.push_back(i);
  many.at_once = 100;
  interpreter_rig rig(file_with("channel: orders, subscription: { filter: .payload == 5999, consume: { amount: 1 } }"));
  rig.with("http", [](const json&) { return version_2; });
  rig.with("kafka.receive", [many](const json& request) { return many.receive(request); });
  environment once{registry()};
  EXPECT_EQ(payloads(rig.run_in(once).output), json({5999}));
  bool breathed = false;
  for (const history_event& event : once.history("flow-1")) breathed = breathed || event.type == "TimerStarted";
  EXPECT_TRUE(breathed);
}

TEST(AsyncapiSubscription, TellsIdsWhereTheDocumentSaysTheyAre) {
  interpreter_rig rig(file_with("operation: place, subscription: { consume: { amount: 1 } }"));
  rig.with("http", [](const json&) { return version_3; });
  rig.with("kafka.receive", [from = topic{{1, 2, {{"trace", "t-1"}}}}](const json& request) {
    EXPECT_EQ(request["topic"], "orders.placed");
    return from.receive(request);
  });
  EXPECT_EQ(rig.output()[0]["correlationId"], "t-1");
}

}  // namespace
}  // namespace evermill::interpreter
