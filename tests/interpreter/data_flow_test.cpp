// input, output, export; schemas; what the variables of expressions are.
#include "interpreter_rig.hpp"

namespace evermill::interpreter {
namespace {

using ::testing::HasSubstr;

const std::string spec = "https://serverlessworkflow.io/spec/1.0.0/errors/";

TEST(DataFlow, EveryStepOfATask) {
  interpreter_rig rig(file_of(R"(
  - a:
      input: { from: .items }
      set: '${ [.[] | . * 2] }'
      output: { as: '{ doubled: ., from: $input }' }
      export: { as: '$context + { kept: $output.doubled }' }
  - b: { set: { kept: '${ $context.kept }', was: '${ . }' } }
)"));
  EXPECT_EQ(rig.given(json::parse(R"({"items": [1, 2]})")).output(),
            json::parse(R"({"kept": [2, 4], "was": {"doubled": [2, 4], "from": [1, 2]}})"));
}

TEST(DataFlow, EveryStepOfTheWorkflow) {
  interpreter_rig rig(file_of("  - a: { set: { n: '${ .n }', raw: '${ $workflow.input.deep.n }' } }\n",
                              "input: { from: .deep }\noutput: { as: '{ out: ., context: $context }' }\n"));
  EXPECT_EQ(rig.given(json::parse(R"({"deep": {"n": 3}})")).output(),
            json::parse(R"({"out": {"n": 3, "raw": 3}, "context": {"n": 3}})"))
      << "the context is the workflow's input until something is exported";
}

TEST(DataFlow, WhatATaskIsInItsExpressions) {
  interpreter_rig rig(file_of(R"(
  - a:
      input: { from: .n }
      set: '${ { name: $task.name, reference: $task.reference, raw: $task.input, set: ($task.definition | has("set")), at: $task.startedAt.epoch.seconds } }'
      output: { as: '. + { raw_output: ($task.output | type), workflow: ($workflow.definition.document.name), id: $workflow.id, runtime: $runtime.name }' }
)"));
  const json output = rig.given({{"n", 3}}).output();
  EXPECT_EQ(output, json::parse(R"({"name": "a", "reference": "/do/0/a", "raw": {"n": 3}, "set": true, "at": 1767225600,
      "raw_output": "object", "workflow": "flow", "id": "flow-1", "runtime": "evermill"})"));
}

TEST(Schema, OfTheWorkflowsInput) {
  const std::string file = file_of("  - a: { set: '${ . }' }\n",
                                   "input: { schema: { document: { type: object, required: [ id ] } } }\n");
  EXPECT_EQ(interpreter_rig(file).given({{"id", 1}}).output(), json({{"id", 1}}));
  const json error = interpreter_rig(file).given({{"x", 1}}).error();
  EXPECT_EQ(error["type"], spec + "validation");
  EXPECT_EQ(error["status"], 400);
  EXPECT_THAT(error["detail"].get<std::string>(), HasSubstr("id"));
}

TEST(Schema, OfATasksInputOutputAndExport) {
  const auto error = [](const std::string& how) {
    return interpreter_rig(file_of("  - a: { set: { n: text }, " + how + " }\n")).given({{"n", "x"}}).error();
  };
  const std::string wants_number = "schema: { document: { type: object, properties: { n: { type: number } } } }";
  for (const std::string& how : {"input: { " + wants_number + " }", "output: { " + wants_number + " }", "export: { as: ., " + wants_number + " }"}) {
    EXPECT_EQ(error(how)["type"], spec + "validation") << how;
    EXPECT_EQ(error(how)["instance"], "/do/0/a");
  }
}

TEST(Schema, ElsewhereIsFetched) {
  interpreter_rig rig(file_of("  - a: { set: { n: 1 }, input: { schema: { resource: { endpoint: https://schemas.example/a.yaml } } } }\n"));
  rig.with("http", [](const json& request) -> json {
    EXPECT_EQ(request["url"], "https://schemas.example/a.yaml");
    return "{ type: object, required: [ id ] }";
  });
  EXPECT_EQ(rig.given({{"x", 1}}).error()["type"], spec + "validation");
  EXPECT_EQ(rig.given({{"id", 1}}).output(), json({{"n", 1}}));
}

TEST(Schema, InAnotherFormatIsRefused) {
  interpreter_rig rig(file_of("  - a: { set: { n: 1 }, input: { schema: { format: 'avro:1.11', resource: { endpoint: https://x.example/a } } } }\n"));
  EXPECT_EQ(rig.error()["type"], spec + "configuration");
}

TEST(Secrets, AreTextsThatBackendsReplace) {
  interpreter_rig rig(file_of("  - ask: { call: ask, with: { token: '${ \"Bearer \" + $secrets.shop.token }', all: '${ $secrets.whole }' } }\n",
                              "use: { secrets: [ shop, whole ] }\n"));
  rig.with("ask", [](const json& input) { return input; });
  EXPECT_EQ(rig.output(), json({{"token", "Bearer \uE000secret:shop.token\uE001"}, {"all", "\uE000secret:whole\uE001"}}));
}

TEST(Secrets, AreNotForTheInputToName) {
  interpreter_rig rig(file_of("  - ask: { call: ask, with: { whole: '${ .whole[0] }', joined: '${ .first + .rest }' } }\n",
                              "use: { secrets: [ shop ] }\n"));
  rig.with("ask", [](const json& input) { return input; });
  rig.given({{"whole", {"\uE000secret:shop\uE001"}}, {"first", "\uE000"}, {"rest", "secret:shop\uE001"}});
  EXPECT_EQ(rig.output(), json({{"whole", "\uFFFDsecret:shop\uE001"}, {"joined", "\uFFFDsecret:shop\uE001"}}));
}

TEST(Secrets, AreForAParentToHandOn) {
  interpreter_rig rig(file_of("  - it: { run: { workflow: { namespace: tests, name: child, version: 1.0.0, input: '${ {t: $secrets.shop.token} }' } } }\n",
                              "use: { secrets: [ shop ] }\n"));
  rig.input.workflows = {"document: { dsl: '1.0.3', namespace: tests, name: child, version: 1.0.0 }\n"
                         "do: [ { ask: { call: ask, with: { token: '${ .t }' } } } ]\n"};
  rig.with("ask", [](const json& input) { return input; });
  EXPECT_EQ(rig.output(), json({{"token", "\uE000secret:shop.token\uE001"}}));
}

TEST(Secrets, ThatAreNotDeclaredAreRefused) {
  const json error = interpreter_rig(file_of("  - ask: { set: '${ $secrets.shop.token }' }\n")).error();
  EXPECT_EQ(error["type"], spec + "authorization");
  EXPECT_EQ(error["status"], 403);
}

TEST(LooseMode, TriesEveryText) {
  interpreter_rig rig(file_of("  - a: { set: { n: '.n + 1', text: 'no jq at all' } }\n", "evaluate: { mode: loose }\n"));
  EXPECT_EQ(rig.given({{"n", 1}}).output(), json({{"n", 2}, {"text", "no jq at all"}}));
}

TEST(Definition, WithProblemsFailsWithAllOfThem) {
  const json error = interpreter_rig("document: { dsl: '1.0.3' }\ndo: [ { a: { wiat: PT1S } } ]\n").error();
  EXPECT_EQ(error["failed"], "InvalidDefinition");
  EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("wiat"));
  EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("namespace"));
}

}  // namespace
}  // namespace evermill::interpreter
