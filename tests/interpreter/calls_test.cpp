// call: what the http and grpc backends are asked for, functions, and what is refused.
#include "interpreter_rig.hpp"

namespace evermill::interpreter {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

const std::string spec = "https://serverlessworkflow.io/spec/1.0.0/errors/";
const json echo_input = {{"id", 7}, {"name", "Ada Lovelace"}};

/// One call, and what its backend was given.
json asked(const std::string& with, const std::string& kind = "http", const std::string& more = {}) {
  interpreter_rig rig(file_of("  - it: { call: " + kind + ", with: " + with + " }\n", more));
  rig.given(echo_input).with(kind == "grpc" ? "grpc" : "http", [](const json& request) { return request; });
  if (kind == "grpc") rig.with("http", [](const json&) { return "syntax = \"proto3\";"; });
  return rig.output();
}

TEST(CallHttp, AsksWithAllThatIsGiven) {
  const json request = asked("{ method: post, endpoint: 'https://x.example/{id}', query: { n: '${ .name }', all: '${ true }' }, headers: { X-Id: '${ .id }' }, body: { who: '${ .name }' }, output: response, redirect: true }");
  EXPECT_EQ(request, json::parse(R"({"method": "POST", "url": "https://x.example/7", "query": {"n": "Ada Lovelace", "all": true},
      "headers": {"X-Id": "7"}, "body": {"who": "Ada Lovelace"}, "output": "response", "redirect": true, "authentication": null})"));
}

TEST(CallHttp, AnEndpointMayBeComputed) {
  EXPECT_EQ(asked("{ method: get, endpoint: '${ \"https://x.example/\\(.id)\" }' }")["url"], "https://x.example/7");
  const json error = interpreter_rig(file_of("  - it: { call: http, with: { method: get, endpoint: '${ .id }' } }\n")).given(echo_input).error();
  EXPECT_EQ(error["type"], spec + "expression");
}

TEST(CallHttp, AnswersThatTellNoSuccessAreErrorsOfCommunication) {
  interpreter_rig rig(file_of(R"(
  - attempt:
      try: [ { it: { call: http, with: { method: get, endpoint: https://x.example } } } ]
      catch: { errors: { with: { type: https://serverlessworkflow.io/spec/1.0.0/errors/communication, status: 404 } }, do: [ { n: { set: '${ $error }' } } ] }
)"));
  rig.with("http", [](const json&) -> json {
    throw application_error("HttpStatus", "GET https://x.example: 404", json_payload(R"({"status": 404, "body": "no such pet"})"), true);
  });
  const json error = rig.output();
  EXPECT_EQ(error["title"], "Not Found");
  EXPECT_EQ(error["instance"], "/do/0/attempt/try/0/it");
  EXPECT_THAT(error["detail"].get<std::string>(), HasSubstr("no such pet"));
}

TEST(CallHttp, OtherFailuresHaveTheirTypes) {
  const auto error_of = [](const char* type) {
    interpreter_rig rig(file_of("  - it: { call: http, with: { method: get, endpoint: https://x.example } }\n"));
    rig.with("http", [type](const json&) -> json { throw application_error(type, "why"); });
    const json error = rig.error();
    EXPECT_THAT(rig.calls, SizeIs(1)) << "what is tried again is said in the file";
    return error;
  };
  EXPECT_EQ(error_of("HttpConnection")["type"], spec + "communication");
  EXPECT_EQ(error_of("HttpConnection")["status"], 503);
  EXPECT_EQ(error_of("HttpTimeout")["type"], spec + "timeout");
  EXPECT_EQ(error_of("InvalidPayload")["type"], spec + "configuration");
  EXPECT_EQ(error_of("HttpAuthentication")["type"], spec + "authentication");
  EXPECT_EQ(error_of("SecretNotFound")["type"], spec + "authorization");
  EXPECT_EQ(error_of("GrpcNotFound")["status"], 404);
  EXPECT_EQ(error_of("GrpcUnknown")["type"], spec + "communication");
}

TEST(Authentication, IsHandedOnAsTheBackendTakesIt) {
  const auto of = [](const std::string& policy, const std::string& more = {}) {
    return asked("{ method: get, endpoint: { uri: https://x.example, authentication: " + policy + " } }", "http", more)["authentication"];
  };
  EXPECT_EQ(of("{ basic: { username: u, password: '${ .name }' } }"), json({{"kind", "basic"}, {"username", "u"}, {"password", "Ada Lovelace"}}));
  EXPECT_EQ(of("{ bearer: { token: t } }"), json({{"kind", "bearer"}, {"token", "t"}}));
  EXPECT_EQ(of("{ digest: { username: u, password: p } }")["kind"], "digest");
  const json oauth = of("{ oauth2: { authority: https://id.example, grant: client_credentials, client: { id: c, secret: s }, scopes: [ api ] } }");
  EXPECT_EQ(oauth["kind"], "oauth2");
  EXPECT_EQ(oauth["client"]["secret"], "s");
  EXPECT_EQ(oauth["scopes"], json({"api"}));
  EXPECT_EQ(of("{ basic: { use: shop } }", "use: { secrets: [ shop ] }\n"),
            json({{"kind", "basic"}, {"username", "\uE000secret:shop.username\uE001"}, {"password", "\uE000secret:shop.password\uE001"}}));
}

TEST(Authentication, OfACallIsKnownToItsOutput) {
  interpreter_rig rig(file_of("  - it: { call: http, with: { method: get, endpoint: { uri: https://x.example, authentication: { bearer: { token: t } } } }, output: { as: '$authorization' } }\n"));
  rig.with("http", [](const json&) { return 1; });
  EXPECT_EQ(rig.output(), json({{"scheme", "Bearer"}, {"parameter", "t"}}));
}

TEST(CallGrpc, AsksWithTheTextOfTheProto) {
  const json request = asked("{ proto: { endpoint: https://x.example/a.proto }, service: { name: Pets, host: x.example, port: 50051 }, method: Get, arguments: { id: '${ .id }' } }", "grpc");
  EXPECT_EQ(request["proto"], "syntax = \"proto3\";");
  EXPECT_EQ(request["service"], "Pets");
  EXPECT_EQ(request["host"], "x.example");
  EXPECT_EQ(request["port"], 50051);
  EXPECT_EQ(request["method"], "Get");
  EXPECT_EQ(request["arguments"], json({{"id", 7}}));
}

TEST(CallGrpc, AProtoMayBeAFileOfTheMachine) {
  const std::string call = "  - it: { call: grpc, with: { proto: { endpoint: 'file://PATH' }, service: { name: P, host: x.example }, method: Get } }\n";
  const auto at = [&](const std::string& path) { return std::string(call).replace(call.find("PATH"), 4, path); };
  const auto read = [](const std::string& text, int code) {
    return [=](const json&) { return json({{"exit_code", code}, {"stdout_text", text}, {"stderr_text", "cat: no"}}); };
  };
  interpreter_rig rig(file_of(at("/protos/a%20b.proto")));
  rig.with("shell", read("syntax = \"proto3\";", 0)).with("grpc", [](const json& request) { return request; });
  EXPECT_EQ(rig.output()["proto"], "syntax = \"proto3\";");
  EXPECT_EQ(rig.calls[0].input["argv"], json({"cat", "--", "/protos/a b.proto"}));
  interpreter_rig missing(file_of(at("/protos/none.proto")));
  const json error = missing.with("shell", read("", 1)).error();
  EXPECT_EQ(error["type"], spec + "configuration");
  EXPECT_EQ(error["instance"], "/do/0/it");
  EXPECT_THAT(error["detail"].get<std::string>(), HasSubstr("file:///protos/none.proto can't be read: cat: no"));
  EXPECT_THAT(interpreter_rig(file_of(at("app/greet.proto"))).error()["detail"].get<std::string>(), HasSubstr("write file:///PATH"));
}

/// What an operation of a description is asked for.
json described(const std::string& document, const std::string& operation, const std::string& parameters) {
  interpreter_rig rig(file_of("  - it: { call: openapi, with: { document: { endpoint: https://api.example/v1/doc }, operationId: " + operation + ", parameters: " + parameters + " } }\n"));
  rig.given(echo_input).with("http", [document](const json& request) -> json {
    if (request["url"] == "https://api.example/v1/doc") return document;
    return request;
  });
  return rig.output();
}

const std::string openapi = R"(
openapi: 3.0.0
servers: [ { url: 'https://{region}.example/api/', variables: { region: { default: eu } } } ]
components: { parameters: { verbose: { name: verbose, in: query } } }
paths:
  /pets/{petId}:
    parameters: [ { name: petId, in: path, required: true } ]
    get: { operationId: getPet, parameters: [ { $ref: '#/components/parameters/verbose' }, { name: X-Trace, in: header }, { name: sid, in: cookie } ] }
    put: { operationId: putPet, requestBody: { content: {} } }
)";

TEST(CallOpenapi, PutsParametersWhereTheyBelong) {
  const json request = described(openapi, "getPet", "{ petId: '${ .name }', verbose: true, X-Trace: 5, sid: s }");
  EXPECT_EQ(request["method"], "GET");
  EXPECT_EQ(request["url"], "https://eu.example/api/pets/Ada%20Lovelace");
  EXPECT_EQ(request["query"], json({{"verbose", true}}));
  EXPECT_EQ(request["headers"], json({{"X-Trace", "5"}, {"Cookie", "sid=s"}}));
  EXPECT_EQ(request["body"], nullptr);
}

TEST(CallOpenapi, WhatIsNoParameterIsTheBody) {
  EXPECT_EQ(described(openapi, "putPet", "{ petId: 1, name: Rex }")["body"], json({{"name", "Rex"}}));
  EXPECT_EQ(described(openapi, "putPet", "{ petId: 1, body: [ 1 ] }")["body"], json::parse("[1]"));
}

TEST(CallOpenapi, KnowsVersionTwo) {
  const std::string swagger = R"({"swagger": "2.0", "host": "pets.example", "basePath": "/v2", "schemes": ["http", "https"], "paths":
      {"/pet": {"post": {"operationId": "add", "parameters": [{"name": "body", "in": "body"}, {"name": "q", "in": "query"}]}}}})";
  const json request = described(swagger, "add", "{ body: { a: 1 }, q: x }");
  EXPECT_EQ(request["url"], "https://pets.example/v2/pet");
  EXPECT_EQ(request["method"], "POST");
  EXPECT_EQ(request["body"], json({{"a", 1}}));
}

TEST(CallOpenapi, WhatDoesNotFitIsAnErrorOfConfiguration) {
  for (const char* with : {"getCat, parameters: {}", "getPet, parameters: {}", "getPet, parameters: { petId: 1, colour: red }"}) {
    interpreter_rig rig(file_of(std::string("  - it: { call: openapi, with: { document: { endpoint: https://api.example/d }, operationId: ").append(with).append(" } }\n")));
    rig.with("http", [](const json&) { return openapi; });
    EXPECT_EQ(rig.error()["type"], spec + "configuration") << with;
  }
}

TEST(CallOfAgents, IsRefused) {
  const json error = interpreter_rig(file_of("  - it: { call: mcp, with: { method: tools/list, transport: { http: { endpoint: https://x.example } } } }\n")).error();
  EXPECT_EQ(error["title"], "Not available");
  EXPECT_THAT(error["detail"].get<std::string>(), HasSubstr("MCP"));
}

TEST(CallFunction, OfTheFileIsATaskWithTheArgumentsAsItsInput) {
  interpreter_rig rig(file_of("  - it: { call: double, with: { n: '${ .id }' } }\n", "use: { functions: { double: { set: '${ .n * 2 }' } } }\n"));
  EXPECT_EQ(rig.given(echo_input).output(), 14);
}

TEST(CallFunction, OfTheProgramIsAnActivity) {
  interpreter_rig rig(file_of("  - it: { call: pack, with: { id: '${ .id }' } }\n  - all: { call: pack }\n"));
  rig.given(echo_input).with("pack", [](const json& input) { return json::array({input}); });
  EXPECT_EQ(rig.output(), json::parse(R"([[{"id": 7}]])"));
}

const std::string function_file = "input: { schema: { document: { type: object } } }\nset: '${ { greeting: \"hello \\(.who)\" } }'\n";

TEST(CallFunction, OfACatalogIsFetched) {
  interpreter_rig rig(file_of("  - it: { call: 'greet:1.0.0@mine', with: { who: Ada } }\n  - again: { call: 'greet:1.0.0@mine', with: { who: '${ .greeting }' } }\n",
                              "use: { catalogs: { mine: { endpoint: https://github.com/me/catalog } } }\n"));
  rig.with("http", [](const json& request) -> json {
    EXPECT_EQ(request["url"], "https://raw.githubusercontent.com/me/catalog/refs/heads/main/functions/greet/1.0.0/function.yaml");
    return function_file;
  });
  EXPECT_EQ(rig.output(), json({{"greeting", "hello hello Ada"}}));
  EXPECT_THAT(rig.calls, SizeIs(1)) << "once for each run";
}

TEST(CallFunction, BehindAnAddressIsFetched) {
  interpreter_rig rig(file_of("  - it: { call: 'https://functions.example/greet', with: { who: Ada } }\n"));
  rig.with("http", [](const json& request) -> json {
    EXPECT_EQ(request["url"], "https://functions.example/greet/function.yaml");
    return function_file;
  });
  EXPECT_EQ(rig.output(), json({{"greeting", "hello Ada"}}));
}

TEST(CallFunction, ThatIsNoneIsAnError) {
  interpreter_rig rig(file_of("  - it: { call: 'https://functions.example/greet.yaml' }\n"));
  rig.with("http", [](const json&) { return "{ sett: 1 }"; });
  EXPECT_EQ(rig.error()["type"], spec + "configuration");
  EXPECT_EQ(interpreter_rig(file_of("  - it: { call: 'greet:1.0.0@default' }\n")).error()["type"], spec + "configuration");
}

}  // namespace
}  // namespace evermill::interpreter
