// `validate` and `graph`. What is told of which file is tested in tests/dsl.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>
#include <vector>

#include "cli/environment.hpp"
#include "evermill/registry.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string good_file =
    "document: { dsl: '1.0.3', namespace: a, name: b, version: 1.0.0 }\ndo: [ { first: { wait: PT1S } } ]\n";
const std::string bad_file =
    "document: { dsl: '1.0.3', namespace: a, name: b, version: 1.0.0 }\ndo: [ { first: { wiat: PT1S } } ]\nx: 1\n";

class WorkflowFiles : public ::testing::Test {
 protected:
  int run(std::vector<std::string> arguments, const std::string& input = {}) {
    std::istringstream in(input);
    std::ostringstream out, err;
    environment env{
        .in = in, .out = out, .err = err, .definitions = definitions_, .program = "prog", .data_directory = "/nonexistent"};
    const int code = run_command_line(env, std::move(arguments));
    out_ = out.str();
    err_ = err.str();
    return code;
  }
  std::string file(const std::string& name, const std::string& text) {
    const std::string path = (directory_.path() / name).string();
    std::ofstream(path) << text;
    return path;
  }

  registry definitions_;
  tests::temporary_directory directory_;
  std::string out_;
  std::string err_;
};

TEST_F(WorkflowFiles, ValidOnesEndWithZero) {
  EXPECT_EQ(run({"validate", file("good.yaml", good_file)}), 0) << out_ << err_;
  EXPECT_EQ(out_, "1 file: valid\n");
  EXPECT_EQ(run({"validate", "-"}, good_file), 0);
}

TEST_F(WorkflowFiles, AllProblemsOfAllFilesAreTold) {
  const std::string bad = file("bad.yaml", bad_file);
  EXPECT_EQ(run({"validate", bad, file("good.yaml", good_file), "-"}, bad_file), 1);
  EXPECT_THAT(out_,
              HasSubstr(bad + ":2:18: error: a task has no property \"wiat\"; did you mean \"wait\"? [unknown-property]\n"));
  EXPECT_THAT(out_, HasSubstr(bad + ":3:1: warning: "));
  EXPECT_THAT(out_, HasSubstr("standard input:2:18: error: "));
  EXPECT_THAT(out_, HasSubstr("3 files: 2 errors, 2 warnings\n"));
}

TEST_F(WorkflowFiles, AsJsonEachProblemIsALine) {
  EXPECT_EQ(run({"validate", "--json", file("bad.yaml", bad_file)}), 1);
  std::istringstream lines(out_);
  std::string first, second, counts;
  std::getline(lines, first);
  std::getline(lines, second);
  std::getline(lines, counts);
  const auto problem = nlohmann::json::parse(first);
  EXPECT_EQ(problem.at("line"), 2);
  EXPECT_EQ(problem.at("column"), 18);
  EXPECT_EQ(problem.at("rule"), "unknown-property");
  EXPECT_EQ(problem.at("pointer"), "/do/0/first/wiat");
  EXPECT_EQ(nlohmann::json::parse(counts), nlohmann::json::parse(R"({"files":1,"errors":1,"warnings":1})"));
}

TEST_F(WorkflowFiles, MayCallWhatTheProgramHas) {
  const std::string path = file("calls.yaml", "document: { dsl: '1.0.3', namespace: a, name: b, version: 1.0.0 }\ndo: [ { a: { call: pack } } ]\n");
  EXPECT_EQ(run({"validate", path}), 1);
  definitions_.add(activity<nlohmann::json(nlohmann::json)>{.name = "pack"}, [](const nlohmann::json& in) { return in; });
  EXPECT_EQ(run({"validate", path}), 0) << out_;
}

TEST_F(WorkflowFiles, WhatCantBeReadEndsWithTwo) {
  EXPECT_EQ(run({"validate", "/nonexistent/file.yaml"}), 2);
  EXPECT_THAT(err_, HasSubstr("can't be read"));
  EXPECT_EQ(run({"validate", "/"}), 2);
  EXPECT_THAT(err_, HasSubstr("is a directory"));
  EXPECT_EQ(run({"validate"}), 2);
}

TEST_F(WorkflowFiles, AreDrawn) {
  const std::string good = file("good.yaml", good_file);
  EXPECT_EQ(run({"graph", good}), 0);
  EXPECT_THAT(out_, HasSubstr("flowchart TD\n"));
  EXPECT_EQ(run({"graph", good, "--format", "svg"}), 0);
  EXPECT_THAT(out_, StartsWith("<svg "));
  EXPECT_EQ(run({"graph", good, "--format", "png"}), 2);
}

TEST_F(WorkflowFiles, WithErrorsAreNotDrawn) {
  EXPECT_EQ(run({"graph", file("bad.yaml", bad_file)}), 2);
  EXPECT_EQ(out_, "");
  EXPECT_THAT(err_, HasSubstr("wiat"));
}

// --- running them

class RunningFiles : public WorkflowFiles {
 protected:
  int run(std::vector<std::string> arguments, const std::string& input = {}) {
    arguments.insert(arguments.end(), {"--data", (directory_.path() / "data").string()});
    return WorkflowFiles::run(std::move(arguments), input);
  }
  std::string flow(const std::string& name, const std::string& tasks, const std::string& more = {}) {
    return file(name + ".yaml", "document: { dsl: '1.0.3', namespace: tests, name: " + name + ", version: 1.0.0 }\n" + more + "do:\n" + tasks);
  }
  nlohmann::json last_line_of_err() const {
    std::string text = err_;
    while (text.ends_with('\n')) text.pop_back();
    return nlohmann::json::parse(text.substr(text.rfind('\n') + 1));
  }
};

TEST_F(RunningFiles, PrintTheirOutput) {
  const std::string path = flow("greet", "  - hi: { run: { shell: { command: 'printf \"hello $1\"', arguments: [ '${ .name }' ] } } }\n");
  EXPECT_EQ(run({"run", path, "--input", R"({"name":"Ada"})"}), 0) << err_;
  EXPECT_EQ(out_, "\"hello Ada\"\n");
}

TEST_F(RunningFiles, ThatFailPrintTheStandardsError) {
  const std::string path = flow("fails", "  - fail: { raise: { error: { type: https://x.example/e, status: 418, title: Teapot, detail: short } } }\n");
  EXPECT_EQ(run({"run", path, "--json"}), 1);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(nlohmann::json::parse(err_), nlohmann::json::parse(R"({"type": "https://x.example/e", "status": 418, "title": "Teapot",
      "detail": "short", "instance": "/do/0/fail"})"));
}

TEST_F(RunningFiles, WithProblemsAreNotStarted) {
  EXPECT_EQ(run({"run", file("bad.yaml", bad_file)}), 1);
  EXPECT_THAT(err_, HasSubstr("bad.yaml:2:18: error: "));
  EXPECT_FALSE(std::filesystem::exists(directory_.path() / "data"));
  EXPECT_EQ(run({"run", flow("unknown", "  - a: { call: packk }\n")}), 1);
  EXPECT_THAT(err_, HasSubstr("no function \"packk\""));
  EXPECT_EQ(run({"run", "./not-there.yaml"}), 2);
}

TEST_F(RunningFiles, AreResumedAsTheyWereStarted) {
  const std::string path = flow("wait", "  - a: { set: { n: 1 } }\n");
  EXPECT_EQ(run({"run", path, "--id", "w-1"}), 0) << err_;
  flow("wait", "  - a: { set: { n: 2 } }\n");
  EXPECT_EQ(run({"run", path, "--id", "w-1"}), 0) << err_;
  EXPECT_EQ(out_, "{\"n\":1}\n") << "the file has changed; what it was started with has not";
}

TEST_F(RunningFiles, FindWhatTheyRunBesideThem) {
  const std::string path = flow("parent", "  - it: { run: { workflow: { namespace: tests, name: child, version: latest } } }\n");
  EXPECT_EQ(run({"run", path}), 1);
  EXPECT_THAT(err_, HasSubstr("the workflow \"child\" of namespace \"tests\", version latest, is in none of the files beside this one"));
  flow("child", "  - a: { run: { workflow: { namespace: tests, name: grandchild, version: 1.0.0 } } }\n");
  flow("grandchild", "  - a: { set: { from: grandchild } }\n");
  EXPECT_EQ(run({"run", path}), 0) << err_;
  EXPECT_EQ(out_, "{\"from\":\"grandchild\"}\n");
}

TEST_F(RunningFiles, TellWhatIsWrongWithTheFileThatIsMissed) {
  const std::string path = flow("parent", "  - it: { run: { workflow: { namespace: tests, name: child, version: latest } } }\n");
  flow("child", "  - a: { wiat: PT1S }\n");
  flow("unrelated", "  - b: { wiat: PT1S }\n");
  EXPECT_EQ(run({"run", path}), 1);
  EXPECT_THAT(err_, HasSubstr("child.yaml:3:10: error: a task has no property \"wiat\"; did you mean \"wait\"?"));
  EXPECT_THAT(err_, HasSubstr("the workflow \"child\""));
  EXPECT_THAT(err_, ::testing::Not(HasSubstr("unrelated")));
}

TEST_F(RunningFiles, WithAScheduleMayBeRunOnce) {
  const std::string path = flow("nightly", "  - a: { set: { n: 1 } }\n", "schedule: { cron: '0 3 * * *' }\n");
  EXPECT_EQ(run({"run", path, "--once"}), 0) << err_;
  EXPECT_EQ(out_, "{\"n\":1}\n");
  EXPECT_EQ(run({"start", path, "--once", "--id", "n-1"}), 0) << err_;
  EXPECT_EQ(run({"run", path, "--id", "n-1"}), 0) << err_;
  EXPECT_EQ(out_, "{\"n\":1}\n");
  EXPECT_EQ(run({"run", "no_file", "--once"}), 2);
  EXPECT_EQ(run({"start", "no_file", "--once"}), 2);
  EXPECT_THAT(err_, HasSubstr("--once is for workflow files"));
}

TEST_F(RunningFiles, TellWhatTakesTimeLineByLine) {
  const std::string path = flow("steps", R"(
  - quick: { set: { n: 1 } }
  - work: { run: { shell: { command: 'echo made' } } }
  - fail: { raise: { error: { type: https://x.example/e, status: 418, title: Teapot } } }
)");
  EXPECT_EQ(run({"run", path, "--id", "s-1"}), 1);
  EXPECT_THAT(err_, HasSubstr("/do/1/work: completed, "));
  EXPECT_THAT(err_, HasSubstr("/do/2/fail: faulted: 418 Teapot\n"));
  EXPECT_THAT(err_, ::testing::Not(HasSubstr("/do/0/quick")));
  EXPECT_EQ(last_line_of_err()["status"], 418) << "the error object comes last";
  for (const std::vector<std::string>& less : std::vector<std::vector<std::string>>{{"--progress", "none"}, {"--quiet"}, {"--json"}}) {
    std::vector<std::string> command{"run", path};
    command.insert(command.end(), less.begin(), less.end());
    EXPECT_EQ(run(command), 1);
    EXPECT_THAT(err_, ::testing::Not(HasSubstr("/do/1/work")));
    EXPECT_EQ(err_.find(": started") != std::string::npos, less.size() == 2) << "only --progress none announces it";
  }
}

TEST_F(RunningFiles, AreDrawnAndTheLastStateStays) {
  const std::string path = flow("drawn", "  - work: { run: { shell: { command: 'echo made' } } }\n  - mark: { set: '${ . }' }\n");
  EXPECT_EQ(run({"run", path, "--id", "d-1", "--progress", "screen"}), 0) << err_;
  EXPECT_EQ(out_, "\"made\\n\"\n");
  const std::string last = err_.substr(err_.rfind(path + " d-1"));
  EXPECT_THAT(last, HasSubstr("completed"));
  EXPECT_THAT(last, HasSubstr("✓ work  run echo made"));
  EXPECT_THAT(last, HasSubstr("✓ mark  set"));
}

TEST_F(RunningFiles, AreDescribedWithTheStandardsPhase) {
  const auto phase_of = [&](const std::string& id) {
    EXPECT_EQ(run({"describe", id, "--json"}), 0) << err_;
    return nlohmann::json::parse(out_).value("phase", "");
  };
  EXPECT_EQ(run({"run", flow("done", "  - a: { set: { n: 1 } }\n"), "--id", "done"}), 0) << err_;
  EXPECT_EQ(phase_of("done"), "completed");
  EXPECT_EQ(run({"describe", "done"}), 0);
  EXPECT_THAT(out_, HasSubstr("phase        completed\n"));
  EXPECT_EQ(run({"run", flow("bad", "  - a: { raise: { error: { type: https://x.example/e, status: 418 } } }\n"), "--id", "bad"}), 1);
  EXPECT_EQ(phase_of("bad"), "faulted");
  EXPECT_EQ(run({"start", flow("waits", "  - a: { wait: P1D }\n"), "--id", "waits"}), 0) << err_;
  EXPECT_EQ(phase_of("waits"), "waiting");
  EXPECT_EQ(run({"start", flow("works", "  - a: { run: { shell: { command: 'true' } } }\n"), "--id", "works"}), 0) << err_;
  EXPECT_EQ(phase_of("works"), "running");
  EXPECT_EQ(run({"terminate", "waits"}), 0) << err_;
  EXPECT_EQ(phase_of("waits"), "cancelled");
}

TEST_F(RunningFiles, TellTheirEvents) {
  const std::string path = flow("tells", "  - say: { emit: { event: { with: { source: https://x.example, type: said, data: 1 } } } }\n");
  EXPECT_EQ(run({"run", path, "--json", "--events", "json"}), 0) << err_;
  std::istringstream lines(err_);
  std::vector<std::string> types;
  for (std::string line; std::getline(lines, line);) types.push_back(nlohmann::json::parse(line).at("type"));
  EXPECT_THAT(types, ::testing::Contains("said"));
  EXPECT_EQ(types.front(), "io.serverlessworkflow.workflow.started.v1");
  EXPECT_EQ(types.back(), "io.serverlessworkflow.workflow.status-changed.v1");
}

TEST_F(RunningFiles, HearEventsFromOutside) {
  const std::string path = flow("hears", "  - hear: { listen: { to: { one: { with: { type: order.placed } } } } }\n");
  std::atomic<int> code{-1};
  std::ostringstream out, err;
  std::istringstream in;
  environment env{.in = in, .out = out, .err = err, .definitions = definitions_, .program = "prog", .data_directory = directory_.path() / "data"};
  std::thread waiting([&] { code = run_command_line(env, {"run", path, "--id", "h-1", "--json"}); });
  while (code < 0) {  // until it listens
    if (run({"emit", "order.placed", "--data-json", R"({"id":7})", "--id", "e-1"}) == 0 && err_.empty()) break;
  }
  waiting.join();
  EXPECT_EQ(code, 0) << err.str();
  EXPECT_EQ(out.str(), "[{\"id\":7}]\n");
}

TEST_F(RunningFiles, MayBeStartedOnly) {
  const std::string path = flow("later", "  - a: { set: '${ . + 1 }' }\n");
  EXPECT_EQ(run({"run", flow("first", "  - a: { set: { n: 1 } }\n")}), 0) << err_;  // makes the directory
  EXPECT_EQ(run({"start", path, "--id", "l-1", "--input", "4"}), 0) << err_;
  EXPECT_EQ(out_, "l-1\n");
  EXPECT_EQ(run({"run", path, "--id", "l-1"}), 0) << err_;
  EXPECT_EQ(out_, "5\n");
}

}  // namespace
}  // namespace evermill::cli
