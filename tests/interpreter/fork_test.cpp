// fork: branches beside each other.
#include "interpreter_rig.hpp"

namespace evermill::interpreter {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;

TEST(Fork, GivesWhatEachBranchGivesInTheirOrder) {
  interpreter_rig rig(file_of(R"(
  - both:
      fork:
        branches:
          - slow: { do: [ { nap: { wait: PT3H } }, { set-it: { set: '"slow"' } } ] }
          - fast: { do: [ { nap: { wait: PT1H } }, { set-it: { set: '"fast"' } } ] }
          - now: { set: '${ .n }' }
)"));
  environment in{registry()};
  const auto began = in.now();
  EXPECT_EQ(rig.given({{"n", 1}}).run_in(in).output, json::parse(R"(["slow", "fast", 1])"));
  EXPECT_EQ(in.now() - began, 3h) << "they run beside each other";
  EXPECT_EQ(rig.output(), json::parse(R"(["slow", "fast", 1])"));
}

TEST(Fork, TheFirstOfACompetitionWinsAndTheOthersEnd) {
  interpreter_rig rig(file_of(R"(
  - race:
      fork:
        compete: true
        branches:
          - slow: { do: [ { nap: { wait: PT3H } }, { set-it: { set: '"slow"' } } ] }
          - fast: { do: [ { nap: { wait: PT1H } }, { set-it: { set: '"fast"' } } ] }
)"));
  EXPECT_EQ(rig.output(), "fast");
  EXPECT_THAT(rig.history, Contains("TimerCanceled"));
}

TEST(Fork, AnErrorEndsTheOtherBranches) {
  interpreter_rig rig(file_of(R"(
  - both:
      fork:
        branches:
          - slow: { wait: P9D }
          - broken: { do: [ { nap: { wait: PT1H } }, { fail: { raise: { error: { type: https://x.example/e, status: 400 } } } } ] }
)"));
  EXPECT_EQ(rig.error()["instance"], "/do/0/both/fork/branches/1/broken/do/1/fail");
  EXPECT_THAT(rig.history, Contains("TimerCanceled"));
}

TEST(Fork, ABranchMayEndTheWorkflow) {
  interpreter_rig rig(file_of(R"(
  - both:
      fork:
        branches:
          - slow: { wait: P9D }
          - quick: { do: [ { nap: { wait: PT1H } }, { stop: { set: '"stopped"', then: end } } ] }
  - after: { set: '"after"' }
)"));
  EXPECT_EQ(rig.output(), "stopped");
}

TEST(Fork, WithoutBranchesGivesNothing) {
  EXPECT_EQ(interpreter_rig(file_of("  - none: { fork: { branches: [] } }\n")).output(), json::array());
}

TEST(Fork, BranchesMayCallTheSameFunction) {
  interpreter_rig rig(file_of(R"(
  - both: { fork: { branches: [ { a: { call: nap, with: { n: 1 } } }, { b: { call: nap, with: { n: 2 } } } ] } }
)", "use: { functions: { nap: { do: [ { sleep: { wait: PT1H } }, { double: { set: '${ .n * 2 }' } } ] } } }\n"));
  EXPECT_EQ(rig.output(), json::parse("[2, 4]"));
}

TEST(Fork, CallsOfAllBranchesAreOpenTogether) {
  interpreter_rig rig(file_of(R"(
  - all:
      fork:
        branches:
          - a: { call: ask, with: { n: 1 } }
          - b: { call: ask, with: { n: 2 } }
)"));
  rig.with("ask", [](const json& input) { return input["n"].get<int>() * 10; });
  EXPECT_EQ(rig.output(), json::parse("[10, 20]"));
  EXPECT_EQ(rig.history[1], "ActivityTaskScheduled ask /do/0/all/fork/branches/0/a");
  EXPECT_EQ(rig.history[2], "ActivityTaskScheduled ask /do/0/all/fork/branches/1/b");
}

}  // namespace
}  // namespace evermill::interpreter
