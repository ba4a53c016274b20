// do, set, switch, for, `if`, `then`: what is done, and in which order.
#include "interpreter_rig.hpp"

namespace evermill::interpreter {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Set, GivesWhatIsWritten) {
  interpreter_rig rig(file_of("  - one: { set: { a: 1, b: '${ .n + 1 }', c: [ '${ .n }', text ] } }\n"));
  EXPECT_EQ(rig.given({{"n", 4}}).output(), json::parse(R"({"a": 1, "b": 5, "c": [4, "text"]})"));
}

TEST(Set, MayBeAnExpression) {
  EXPECT_EQ(interpreter_rig(file_of("  - one: { set: '${ .n }' }\n")).given({{"n", 4}}).output(), 4);
}

TEST(Set, NeedsNoEventOfTheJournal) {
  interpreter_rig rig(file_of("  - a: { set: { n: 1 } }\n  - b: { set: { n: '${ .n + 1 }' } }\n  - c: { set: { n: '${ .n + 1 }' } }\n"));
  EXPECT_EQ(rig.output(), json({{"n", 3}}));
  EXPECT_THAT(rig.history, ElementsAre("WorkflowExecutionStarted evermill.dsl", "WorkflowExecutionCompleted"));
}

TEST(Do, PassesEachOutputOn) {
  interpreter_rig rig(file_of(R"(
  - outer:
      do:
        - a: { set: { colors: '${ .colors + ["a"] }' } }
        - b: { set: { colors: '${ .colors + ["b"] }' } }
  - c: { set: { colors: '${ .colors + ["c"] }' } }
)"));
  EXPECT_EQ(rig.output(), json::parse(R"({"colors": ["a", "b", "c"]})"));
}

TEST(Then, LeadsToATask) {
  interpreter_rig rig(file_of(R"(
  - a: { set: '${ . + ["a"] }', then: c }
  - b: { set: '${ . + ["b"] }', then: end }
  - c: { set: '${ . + ["c"] }', then: b }
)"));
  EXPECT_EQ(rig.given(json::array()).output(), json::parse(R"(["a", "c", "b"])"));
}

TEST(Then, GoesRoundUntilASwitchLeadsOut) {
  interpreter_rig rig(file_of(R"(
  - more: { set: { n: '${ .n + 1 }' } }
  - enough:
      switch:
        - no: { when: .n < 10, then: more }
        - yes: { then: end }
)"));
  EXPECT_EQ(rig.given({{"n", 0}}).output(), json({{"n", 10}}));
}

TEST(Then, ExitEndsTheListAndWhatItBelongsTo) {
  interpreter_rig rig(file_of(R"(
  - inner:
      do:
        - a: { set: { at: a }, then: exit }
        - b: { set: { at: b } }
  - after: { set: { was: '${ .at }' } }
)"));
  EXPECT_EQ(rig.output(), json({{"was", "a"}}));
}

TEST(Then, EndEndsTheWorkflowFromWithin) {
  interpreter_rig rig(file_of(R"(
  - inner:
      do:
        - a: { set: { at: a }, then: end }
  - after: { set: { at: after } }
)"));
  EXPECT_EQ(rig.output(), json({{"at", "a"}}));
}

TEST(If, SkipsATaskWithItsThen) {
  interpreter_rig rig(file_of(R"(
  - a: { if: .go, set: { done: true }, then: end }
  - b: { set: { done: false } }
)"));
  EXPECT_EQ(rig.given({{"go", false}}).output(), json({{"done", false}}));
  EXPECT_EQ(rig.given({{"go", true}}).output(), json({{"done", true}}));
}

TEST(Switch, TakesTheFirstCaseThatHolds) {
  const std::string file = file_of(R"(
  - choose:
      switch:
        - other: { then: other }
        - red: { when: .color == "red", then: red }
        - also-red: { when: .color == "red", then: other }
  - red: { set: { was: red }, then: end }
  - other: { set: { was: other } }
)");
  EXPECT_EQ(interpreter_rig(file).given({{"color", "red"}}).output(), json({{"was", "red"}}));
  EXPECT_EQ(interpreter_rig(file).given({{"color", "blue"}}).output(), json({{"was", "other"}}));
}

TEST(Switch, GoesOnWhereNothingHolds) {
  interpreter_rig rig(file_of(R"(
  - choose: { switch: [ { red: { when: .color == "red", then: red } } ], then: end }
  - red: { set: { was: red } }
)"));
  EXPECT_EQ(rig.given({{"color", "blue"}}).output(), json({{"color", "blue"}}));
}

TEST(For, HasItemAndIndexAndPassesOutputsOn) {
  interpreter_rig rig(file_of(R"(
  - all:
      for: { each: color, in: .colors, at: i }
      do:
        - add: { set: { colors: '${ .colors }', seen: '${ (.seen // []) + [{ c: $color, i: $i }] }' } }
      output: { as: .seen }
)"));
  EXPECT_EQ(rig.given(json::parse(R"({"colors": ["red", "blue"]})")).output(),
            json::parse(R"([{"c": "red", "i": 0}, {"c": "blue", "i": 1}])"));
}

TEST(For, EndsWhenWhileDoesNotHold) {
  interpreter_rig rig(file_of(R"(
  - all:
      for: { in: '[1, 2, 3, 4]' }
      while: '. < 3 and $item < 4'
      do: [ { add: { set: '${ . + $item }' } } ]
)"));
  EXPECT_EQ(rig.given(0).output(), 3);
}

TEST(For, OfWhatIsNoListIsAnError) {
  interpreter_rig rig(file_of("  - all: { for: { in: .n }, do: [ { a: { set: { a: 1 } } } ] }\n"));
  const json error = rig.given({{"n", 3}}).error();
  EXPECT_EQ(error["type"], "https://serverlessworkflow.io/spec/1.0.0/errors/expression");
  EXPECT_EQ(error["status"], 400);
  EXPECT_EQ(error["instance"], "/do/0/all");
  EXPECT_THAT(error["detail"].get<std::string>(), HasSubstr("list"));
}

TEST(For, LeavesByExitAndEnd) {
  const auto file = [](const std::string& then) {
    return file_of("  - all:\n      for: { in: '[1, 2, 3]' }\n      do: [ { a: { set: '${ $item }', then: " + then +
                   " } } ]\n  - after: { set: '${ . + 10 }' }\n");
  };
  EXPECT_EQ(interpreter_rig(file("exit")).output(), 11);
  EXPECT_EQ(interpreter_rig(file("end")).output(), 1);
}

TEST(For, ALongOneIsSeveralTurns) {
  interpreter_rig rig(file_of(R"(
  - all: { for: { in: '[range(20000)]' }, do: [ { add: { set: '${ . + 1 }' } } ] }
)"));
  environment in{registry()};
  EXPECT_EQ(rig.given(0).run_in(in).output, 20000);
  std::size_t timers = 0;
  for (const history_event& event : in.history("flow-1")) timers += event.type == "TimerFired" ? 1 : 0;
  EXPECT_GE(timers, 4U);
  EXPECT_LE(timers, 40U);
}

TEST(Wait, IsADurableTimerThatNamesItsTask) {
  interpreter_rig rig(file_of("  - nap: { wait: { hours: 5 } }\n  - then: { set: '${ . + 1 }' }\n"));
  EXPECT_EQ(rig.given(1).output(), 2);
  EXPECT_THAT(rig.history, Contains("TimerStarted /do/0/nap"));
}

}  // namespace
}  // namespace evermill::interpreter
