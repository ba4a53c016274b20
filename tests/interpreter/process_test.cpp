// run: what task backends are asked for, and what the task gives.
#include "interpreter_rig.hpp"

namespace evermill::interpreter {
namespace {

using ::testing::HasSubstr;

const json ended_well = {{"exit_code", 0}, {"stdout_text", "out"}, {"stderr_text", "err"}};
const json ended_badly = {{"exit_code", 3}, {"stdout_text", "out"}, {"stderr_text", "no such file"}};

interpreter_rig shell_rig(const std::string& more, const json& result) {
  interpreter_rig rig(file_of("  - it:\n      run:\n        shell: { command: 'echo $1', arguments: [ '${ .a }', '2' ], environment: { K: '${ .a }' }, stdin: '${ . }' }\n" + more));
  rig.given({{"a", "x"}}).with("shell", [result](const json&) { return result; });
  return rig;
}

TEST(RunShell, AsksForTheCommandWithItsArguments) {
  interpreter_rig rig = shell_rig("", ended_well);
  EXPECT_EQ(rig.output(), "out");
  ASSERT_EQ(rig.calls.size(), 1U);
  const json& input = rig.calls[0].input;
  EXPECT_EQ(input["argv"], json::parse(R"(["/bin/sh", "-c", "echo $1", "sh", "x", "2"])"));
  EXPECT_EQ(input["env"], json({{"K", "x"}}));
  EXPECT_EQ(input["stdin_text"], R"({"a":"x"})");
  EXPECT_EQ(input["check"], false);
  EXPECT_EQ(rig.history[1], "ActivityTaskScheduled shell /do/0/it");
}

TEST(RunShell, GivesWhatReturnSays) {
  EXPECT_EQ(shell_rig("        return: stderr\n", ended_well).output(), "err");
  EXPECT_EQ(shell_rig("        return: code\n", ended_badly).output(), 3);
  EXPECT_EQ(shell_rig("        return: none\n", ended_well).output(), nullptr);
  EXPECT_EQ(shell_rig("        return: all\n", ended_badly).output(), json({{"code", 3}, {"stdout", "out"}, {"stderr", "no such file"}}));
}

TEST(RunShell, ThatFailsIsAnErrorUnlessItsCodeIsAskedFor) {
  const json error = shell_rig("", ended_badly).error();
  EXPECT_EQ(error["type"], "https://serverlessworkflow.io/spec/1.0.0/errors/runtime");
  EXPECT_THAT(error["detail"].get<std::string>(), HasSubstr("exit code 3: no such file"));
}

TEST(RunShell, ThatNobodyWaitsForGivesTheInput) {
  EXPECT_EQ(shell_rig("        await: false\n", ended_well).output(), json({{"a", "x"}}));
}

TEST(RunContainer, TakesVolumesFromExpressions) {
  for (const char* volumes : {"'${ .volumes }'", "{ /a: '${ .volumes[\"/a\"] }' }"}) {
    interpreter_rig rig(file_of("  - it: { run: { container: { image: alpine, volumes: " + std::string(volumes) + " } } }\n"));
    rig.given({{"volumes", {{"/a", "/b:ro"}}}}).with("docker", [](const json&) { return ended_well; });
    EXPECT_EQ(rig.output(), "out") << volumes;
    EXPECT_EQ(rig.calls[0].input["volumes"], json({{"/a", "/b:ro"}})) << volumes;
  }
  interpreter_rig wrong(file_of("  - it: { run: { container: { image: alpine, volumes: '${ .a }' } } }\n"));
  EXPECT_THAT(wrong.given({{"a", 1}}).error()["detail"].get<std::string>(), HasSubstr("`volumes` must be an object, not 1"));
}

TEST(RunContainer, AsksForIt) {
  interpreter_rig rig(file_of(R"(
  - it:
      run:
        container: { image: 'alpine:3', name: box, command: cat, ports: { '80': 8080 }, volumes: { /a: '/b:ro' }, environment: { A: b },
                     stdin: text, arguments: [ x ], pullPolicy: always, lifetime: { cleanup: eventually, after: PT1H } }
)"));
  rig.with("docker", [](const json&) { return ended_well; });
  EXPECT_EQ(rig.output(), "out");
  EXPECT_EQ(rig.calls[0].input, json::parse(R"({"image": "alpine:3", "name": "box", "command": "cat", "ports": {"80": 8080},
      "volumes": {"/a": "/b:ro"}, "environment": {"A": "b"}, "stdin_text": "text", "arguments": ["x"], "pull_policy": "always",
      "lifetime": {"cleanup": "eventually", "after_ms": 3600000}, "check": false})"));
}

TEST(RunScript, AsksForIt) {
  interpreter_rig rig(file_of("  - it: { run: { script: { language: python, code: 'print 1', arguments: [ a ], environment: { A: b }, stdin: t } } }\n"));
  rig.with("script", [](const json&) { return ended_well; });
  EXPECT_EQ(rig.output(), "out");
  EXPECT_EQ(rig.calls[0].input, json::parse(R"({"language": "python", "source": "print 1", "arguments": ["a"],
      "environment": {"A": "b"}, "stdin_text": "t", "check": false})"));
}

TEST(RunScript, MayNameItsArguments) {
  interpreter_rig rig(file_of("  - it: { run: { script: { language: js, code: 'log(text)', arguments: { text: '${ .a }', n: 1 } } } }\n"));
  rig.given({{"a", "hello"}}).with("script", [](const json&) { return ended_well; });
  EXPECT_EQ(rig.output(), "out");
  EXPECT_EQ(rig.calls[0].input["arguments"], json::parse(R"({"text": "hello", "n": 1})"));
}

TEST(RunScript, FromElsewhereIsFetched) {
  interpreter_rig rig(file_of("  - it: { run: { script: { language: js, source: { endpoint: https://scripts.example/a.js } } } }\n"));
  rig.with("http", [](const json&) { return "console.log(1)"; }).with("script", [](const json& input) {
    return json({{"exit_code", 0}, {"stdout_text", input["source"]}});
  });
  EXPECT_EQ(rig.output(), "console.log(1)");
}

const std::string child_file =
    "document: { dsl: '1.0.3', namespace: tests, name: child, version: VERSION }\ndo: [ { a: { set: { v: VERSION, n: '${ .n * 2 }' } } } ]\n";

std::string child(const std::string& version) {
  std::string text = child_file;
  for (std::size_t at = text.find("VERSION"); at != std::string::npos; at = text.find("VERSION")) text.replace(at, 7, version);
  return text;
}

interpreter_rig child_rig(const std::string& version, const std::string& more = {}) {
  interpreter_rig rig(file_of("  - it: { run: { workflow: { namespace: tests, name: child, version: " + version + ", input: { n: '${ .n }' } }" + more + " } }\n"));
  rig.input.workflows = {child("1.9.0"), child("1.10.0"), child("1.10.0-rc.1")};
  rig.given({{"n", 4}});
  return rig;
}

TEST(RunWorkflow, GivesItsOutput) {
  EXPECT_EQ(child_rig("1.9.0").output(), json({{"v", "1.9.0"}, {"n", 8}}));
}

TEST(RunWorkflow, OfTheLatestVersion) { EXPECT_EQ(child_rig("latest").output()["v"], "1.10.0"); }

TEST(RunWorkflow, ThatNobodyWaitsForGivesTheInput) { EXPECT_EQ(child_rig("latest", ", await: false").output(), json({{"n", 4}})); }

TEST(RunWorkflow, ThatIsNotThereIsAnError) {
  const json error = child_rig("7.0.0").error();
  EXPECT_EQ(error["type"], "https://serverlessworkflow.io/spec/1.0.0/errors/configuration");
  EXPECT_THAT(error["detail"].get<std::string>(), HasSubstr("child"));
}

TEST(RunWorkflow, ItsErrorIsTheTasksError) {
  interpreter_rig rig(file_of("  - it: { run: { workflow: { namespace: tests, name: child, version: 1.0.0 } } }\n"));
  rig.input.workflows = {"document: { dsl: '1.0.3', namespace: tests, name: child, version: 1.0.0 }\n"
                         "do: [ { fail: { raise: { error: { type: https://x.example/e, status: 418, title: Teapot } } } } ]\n"};
  EXPECT_EQ(rig.error(), json({{"type", "https://x.example/e"}, {"status", 418}, {"title", "Teapot"}, {"instance", "/do/0/it"}}));
}

}  // namespace
}  // namespace evermill::interpreter
