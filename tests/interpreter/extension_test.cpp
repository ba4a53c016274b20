// use.extensions: tasks before and after others.
#include "interpreter_rig.hpp"

namespace evermill::interpreter {
namespace {

using ::testing::ElementsAre;

std::vector<json> notes(const std::string& extension, const std::string& tasks, json* output = nullptr) {
  interpreter_rig rig(file_of(tasks, "use:\n  extensions:\n    - ours:\n        " + extension + "\n"));
  rig.given({{"n", 1}}).with("note", [](const json&) { return "noted"; }).with("ask", [](const json&) { return "answered"; });
  const json given = rig.output();
  if (output != nullptr) *output = given;
  std::vector<json> found;
  for (const fake_call& call : rig.calls) {
    if (call.activity == "note") found.push_back(call.input["what"]);
  }
  return found;
}

const std::string note_around = R"x({ before: [ { n: { call: note, with: { what: '${ "before " + $task.reference }' } } } ],
          after: [ { n: { call: note, with: { what: '${ "after \($task.name): \(.)" }' } } } ], )x";

TEST(Extension, IsDoneAroundTheTasksOfItsKind) {
  json output;
  EXPECT_THAT(notes(note_around + "extend: call }", "  - a: { set: '${ .n }' }\n  - b: { call: ask }\n", &output),
              ElementsAre("before /do/1/b", "after b: answered"));
  EXPECT_EQ(output, "answered") << "what an extension gives is not the task's output";
}

TEST(Extension, OfAllIsDoneAroundEveryTaskButItsOwn) {
  EXPECT_THAT(notes(note_around + "extend: all }", "  - outer: { do: [ { a: { set: '${ .n }' } } ] }\n"),
              ElementsAre("before /do/0/outer", "before /do/0/outer/do/0/a", "after a: 1", "after outer: 1"));
}

TEST(Extension, OfCompositeIsDoneAroundDo) {
  EXPECT_THAT(notes(note_around + "extend: composite }", "  - outer: { do: [ { a: { set: '${ .n }' } } ] }\n"),
              ElementsAre("before /do/0/outer", "after outer: 1"));
}

TEST(Extension, IsDoneWhereItsConditionHolds) {
  EXPECT_THAT(notes(note_around + "extend: set, when: '$task.set.keep == true' }",
                    "  - a: { set: { keep: true } }\n  - b: { set: { keep: false } }\n"),
              ElementsAre("before /do/0/a", "after a: {\"keep\":true}"));
}

TEST(Extension, MayAnswerInPlaceOfTheTask) {
  interpreter_rig rig(file_of("  - a: { call: ask, output: { as: .mocked } }\n",
                              "use: { extensions: [ { mock: { extend: call, before: [ { answer: { set: { mocked: 5 }, then: exit } } ] } } ] }\n"));
  EXPECT_EQ(rig.output(), 5);
}

}  // namespace
}  // namespace evermill::interpreter
