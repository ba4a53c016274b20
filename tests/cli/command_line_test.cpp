#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/environment.hpp"
#include "evermill/context.hpp"

namespace evermill::cli {
namespace {

using ::testing::HasSubstr;

task<std::string> greet(context, std::string name) { co_return "hello " + name; }

class CommandLine : public ::testing::Test {
 protected:
  CommandLine() {
    definitions_.add("greet", greet);
    std::string name = (std::filesystem::path(::testing::TempDir()) / "evermill-cli-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    scratch_ = name;
  }
  ~CommandLine() override { std::filesystem::remove_all(scratch_); }

  int run(std::vector<std::string> arguments) {
    out_.str("");
    err_.str("");
    environment env{.in = in_, .out = out_, .err = err_, .definitions = definitions_, .program = "prog",
                    .data_directory = scratch_ / "data"};
    return run_command_line(env, std::move(arguments));
  }
  bool data_made() const { return std::filesystem::exists(scratch_ / "data"); }
  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }

  registry definitions_;
  std::filesystem::path scratch_;
  std::istringstream in_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(CommandLine, ExplainsEachCommandWithExamples) {
  EXPECT_EQ(run({"--help"}), 0);
  const std::string all = out();
  for (const char* command : {"run", "start", "list", "describe", "history", "signal", "cancel", "terminate", "taint", "export",
                              "import", "replay", "verify", "validate", "graph", "bench"}) {
    EXPECT_THAT(all, HasSubstr(std::string("\n  ") + command + " ")) << command;
    EXPECT_EQ(run({command, "--help"}), 0) << command;
    EXPECT_THAT(out(), HasSubstr(std::string("prog ") + command)) << command;
    EXPECT_THAT(out(), ::testing::ContainsRegex("Examples?:\n  ")) << command;
    const std::string name = command;
    if (name == "replay" || name == "validate" || name == "graph") continue;  // they take paths
    EXPECT_THAT(out(), HasSubstr("--data")) << command;
  }
}

TEST_F(CommandLine, LoadsPlugins) {
  const std::string libraries = EVERMILL_PLUGIN_LIBRARIES;
  EXPECT_EQ(run({"list", "--plugin", libraries + "/no_plugin.so"}), 2);
  EXPECT_THAT(err(), HasSubstr("no_plugin.so\": the library is no evermill plugin"));
  EXPECT_EQ(run({"list", "--plugin", libraries + "/good_plugin.so", "--queue", "nowhere://here"}), 2);
  EXPECT_THAT(err(), HasSubstr("nowhere://here is nowhere"));
}

TEST_F(CommandLine, PrintsItsVersion) {
  EXPECT_EQ(run({"--version"}), 0);
  EXPECT_THAT(out(), HasSubstr("evermill "));
}

TEST_F(CommandLine, RefusesBadUsageWithTwo) {
  EXPECT_EQ(run({}), 2);
  EXPECT_THAT(err(), HasSubstr("Commands:"));
  EXPECT_EQ(run({"run"}), 2);
  EXPECT_EQ(run({"signal", "id", "name"}), 2);
  EXPECT_THAT(err(), HasSubstr("See \"prog signal --help\""));
  EXPECT_EQ(run({"list", "--nonsense"}), 2);
}

TEST_F(CommandLine, SuggestsTheCommandThatWasMeant) {
  EXPECT_EQ(run({"descirbe", "x"}), 2);
  EXPECT_THAT(err(), HasSubstr("did you mean \"describe\"?"));
}

TEST_F(CommandLine, NamesTheRegisteredWorkflowsAndTouchesNothing) {
  EXPECT_EQ(run({"run", "gret"}), 2);
  EXPECT_THAT(err(), HasSubstr("did you mean \"greet\"?"));
  EXPECT_THAT(err(), HasSubstr("Registered here: greet"));
  EXPECT_FALSE(data_made());
}

TEST_F(CommandLine, TakesTheDataDirectoryBeforeTheCommandToo) {
  EXPECT_EQ(run({"--data", (scratch_ / "other").string(), "list"}), 2);
  EXPECT_THAT(err(), HasSubstr((scratch_ / "other").string()));
}

TEST_F(CommandLine, MeasuresWithBench) {
  EXPECT_EQ(run({"bench", "--workload", "start", "--instances", "10", "--json"}), 0) << err();
  EXPECT_THAT(out(), HasSubstr("\"durability\":\"fsync\""));
  EXPECT_EQ(run({"bench", "--workload", "none"}), 2);
}

TEST_F(CommandLine, RefusesBadInputBeforeAnythingHappens) {
  EXPECT_EQ(run({"run", "greet", "--input", "{"}), 2);
  EXPECT_THAT(err(), HasSubstr("--input is not JSON: line 1"));
  EXPECT_FALSE(data_made());
}

TEST_F(CommandLine, DoesNotMakeADirectoryToLookAt) {
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"list"}, {"describe", "x"}, {"history", "x"}, {"signal", "x", "s", "1"}, {"cancel", "x"}, {"taint", "x"}, {"verify"}, {"export", "x"}}) {
    EXPECT_EQ(run(command), 2) << command.front();
    EXPECT_THAT(err(), HasSubstr("does not exist")) << command.front();
  }
  EXPECT_FALSE(data_made());
}

TEST_F(CommandLine, RunsAnExecutionAndFindsItAgain) {
  ASSERT_EQ(run({"run", "greet", "--id", "g", "--input", "\"Ada\"", "--json"}), 0) << err();
  EXPECT_EQ(out(), "\"hello Ada\"\n");
  EXPECT_EQ(run({"run", "greet", "--id", "g", "--input", " \"Ada\" "}), 0);
  EXPECT_EQ(out(), "\"hello Ada\"\n");
  EXPECT_EQ(run({"run", "greet", "--id", "g"}), 0);
  EXPECT_EQ(run({"run", "greet", "--id", "g", "--input", "\"Bob\""}), 2);
  EXPECT_THAT(err(), HasSubstr("exists with another input"));
  EXPECT_EQ(run({"list"}), 0);
  EXPECT_THAT(out(), HasSubstr("completed"));
  EXPECT_EQ(run({"history", "g", "--json"}), 0);
  EXPECT_THAT(out(), HasSubstr("\"type\":\"WorkflowExecutionCompleted\""));
}

TEST_F(CommandLine, VerifiesADirectory) {
  ASSERT_EQ(run({"run", "greet", "--id", "g", "--input", "\"Ada\"", "--json"}), 0) << err();
  EXPECT_EQ(run({"verify"}), 0) << out();
  EXPECT_THAT(out(), HasSubstr("1 executions (0 open), 1 runs, 2 events"));
  EXPECT_THAT(out(), HasSubstr("no problems"));
  EXPECT_EQ(run({"verify", "--json"}), 0);
  EXPECT_THAT(out(), HasSubstr("\"problems\":0"));
  std::ofstream(scratch_ / "data" / "CURRENT", std::ios::trunc) << "nonsense\n";
  EXPECT_EQ(run({"verify"}), 1);
  EXPECT_THAT(out(), HasSubstr("PROBLEM "));
  EXPECT_THAT(out(), HasSubstr("1 problem\n"));
}

TEST_F(CommandLine, ExportsImportsAndReplays) {
  ASSERT_EQ(run({"run", "greet", "--id", "g", "--input", "\"Ada\"", "--json"}), 0) << err();
  EXPECT_EQ(run({"export"}), 2);
  EXPECT_THAT(err(), HasSubstr("--all"));
  EXPECT_EQ(run({"export", "other"}), 2);
  ASSERT_EQ(run({"export", "g"}), 0) << err();
  const std::string lines = out();
  const std::string file = (scratch_ / "g.jsonl").string();
  ASSERT_EQ(run({"export", "--all", "--output", file}), 0) << err();
  std::ifstream in(file);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), lines);
  EXPECT_EQ(run({"export", "--all", "--output", (scratch_ / "no" / "g.jsonl").string()}), 2);

  EXPECT_EQ(run({"import", file}), 2) << "it exists already";
  EXPECT_THAT(err(), HasSubstr("nothing was imported"));
  const std::string other = (scratch_ / "other").string();
  ASSERT_EQ(run({"import", file, "--data", other}), 0) << err();
  EXPECT_EQ(run({"export", "--all", "--data", other}), 0);
  EXPECT_EQ(out(), lines);
  EXPECT_EQ(run({"run", "greet", "--id", "g", "--data", other, "--json"}), 0);
  EXPECT_EQ(out(), "\"hello Ada\"\n");
  std::ofstream(scratch_ / "bad.jsonl") << lines << "nonsense\n";
  EXPECT_EQ(run({"import", (scratch_ / "bad.jsonl").string(), "--data", (scratch_ / "third").string()}), 2);
  EXPECT_THAT(err(), HasSubstr("bad.jsonl:5: it is not a JSON object"));

  EXPECT_EQ(run({"replay", file}), 0) << err();
  EXPECT_EQ(out(), "1 runs, 2 events: all replay\n");
  EXPECT_EQ(run({"replay", other, "--json"}), 0) << err();
  EXPECT_EQ(run({"replay", (scratch_ / "nothing").string()}), 2);
  const registry none;
  environment env{.in = in_, .out = out_, .err = err_, .definitions = none, .program = "prog"};
  out_.str("");
  EXPECT_EQ(run_command_line(env, {"replay", file}), 1);
  EXPECT_THAT(out(), HasSubstr("\"g\", run 1, event 1: no workflow named \"greet\" is registered"));
}

}  // namespace
}  // namespace evermill::cli
