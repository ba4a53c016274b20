// `query ID progress`: what has become of each task.
#include "interpreter_rig.hpp"

namespace evermill::interpreter {
namespace {

using namespace std::chrono_literals;

json ask_progress(environment& in, std::uint64_t since = 0) {
  return json::parse(in.query("flow-1", "progress", json_payload(json{{"since", since}}.dump())).data);
}

/// The one with this pointer; null where nothing is told of it.
json task_in(const json& answer, const std::string& pointer) {
  for (const json& each : answer["tasks"]) {
    if (each["task"] == pointer) return each;
  }
  return nullptr;
}

fake failing_at_first(int failures) {
  return [left = std::make_shared<int>(failures)](const json&) -> json {
    if ((*left)-- > 0) throw application_error("Down", "not now");
    return "done";
  };
}

const std::string tasks = R"(
  - loop: { for: { in: '[1, 2, 3]' }, do: [ { each: { set: { n: '${ $item }' } } } ] }
  - never: { if: 'false', set: { n: 0 } }
  - again:
      try: [ { call: { call: work } } ]
      catch: { retry: { delay: PT10S, limit: { attempt: { count: 5 } } } }
  - caught:
      try: [ { bad: { raise: { error: { type: https://x.example/e, status: 409, title: Taken, detail: by Ada } } } } ]
      catch: { do: [ { mend: { set: { ok: true } } } ] }
)";

TEST(Progress, TellsWhatHasBecomeOfEachTask) {
  environment in{registry()};
  interpreter_rig rig(file_of(tasks));
  rig.with("work", failing_at_first(2));
  EXPECT_EQ(rig.run_in(in).status, execution_status::completed);
  const json answer = ask_progress(in);
  EXPECT_EQ(answer["phase"], "completed");
  const json loop = task_in(answer, "/do/0/loop");
  EXPECT_EQ(loop["phase"], "completed");
  EXPECT_EQ(loop["round"], 3);
  EXPECT_EQ(loop["rounds"], 3);
  const json each = task_in(answer, "/do/0/loop/do/0/each");
  EXPECT_EQ(each["times"], 3);
  EXPECT_GT(each["begun"], loop["part"]) << "it belongs to the last round";
  EXPECT_EQ(task_in(answer, "/do/1/never")["phase"], "skipped");
  const json again = task_in(answer, "/do/2/again");
  EXPECT_EQ(again["phase"], "completed");
  EXPECT_EQ(again["attempt"], 3);
  EXPECT_GE(again["until_us"].get<std::int64_t>() - again["since_us"].get<std::int64_t>(), 20'000'000) << "two pauses";
  EXPECT_EQ(task_in(answer, "/do/3/caught")["phase"], "completed");
  EXPECT_EQ(task_in(answer, "/do/3/caught/try/0/bad")["error"], "409 Taken: by Ada");
  EXPECT_EQ(task_in(answer, "/do/3/caught/catch/do/0/mend")["phase"], "completed");
}

TEST(Progress, IsTheSameAfterAReplay) {
  const auto answer_in = [](const testing::environment_options& how) {
    environment in(registry(), how);
    interpreter_rig rig(file_of(tasks));
    rig.with("work", failing_at_first(2));
    rig.run_in(in);
    return ask_progress(in);
  };
  testing::environment_options replaying;
  replaying.replay_every_turn = true;
  EXPECT_EQ(answer_in(replaying), answer_in({}));
}

TEST(Progress, TellsOnlyWhatIsNew) {
  environment in{registry(), {.skip_time = false}};
  interpreter_rig rig(file_of("  - first: { set: { n: 1 } }\n  - pause: { wait: PT1H }\n  - last: { set: { n: 2 } }\n"));
  in.start(dsl_workflow, rig.input, {.id = "flow-1"});
  in.advance(1s);
  const json before = ask_progress(in);
  EXPECT_EQ(before["phase"], "waiting");
  EXPECT_EQ(task_in(before, "/do/1/pause")["phase"], "waiting");
  EXPECT_EQ(task_in(before, "/do/2/last"), nullptr);
  const auto upto = before["upto"].get<std::uint64_t>();
  EXPECT_EQ(ask_progress(in, upto)["tasks"], json::array());
  in.advance(2h);
  const json after = ask_progress(in, upto);
  EXPECT_EQ(task_in(after, "/do/0/first"), nullptr);
  EXPECT_EQ(task_in(after, "/do/1/pause")["phase"], "completed");
  EXPECT_EQ(task_in(after, "/do/2/last")["phase"], "completed");
}

TEST(Progress, KnowsWhatWaitsForItsNextAttemptAndWhatWasCancelled) {
  environment in{registry(), {.skip_time = false}};
  interpreter_rig rig(file_of(R"(
  - both:
      fork:
        compete: true
        branches:
          - slow: { wait: P1D }
          - again: { try: [ { call: { call: work } } ], catch: { retry: { delay: PT10S } } }
)"));
  rig.with("work", failing_at_first(1));
  for (const auto& [name, function] : rig.fakes) {
    in.replace(activity<json(json)>{.name = name}, [function = function](const json& input) { return function(input); });
  }
  in.start(dsl_workflow, rig.input, {.id = "flow-1"});
  in.advance(1s);
  const json retrying = task_in(ask_progress(in), "/do/0/both/fork/branches/1/again");
  EXPECT_EQ(retrying["phase"], "retrying");
  EXPECT_EQ(retrying["until_us"].get<std::int64_t>() - retrying["since_us"].get<std::int64_t>(), 10'000'000);
  EXPECT_THAT(retrying["error"].get<std::string>(), ::testing::HasSubstr("not now"));
  in.advance(1min);
  const json answer = ask_progress(in);
  EXPECT_EQ(task_in(answer, "/do/0/both/fork/branches/1/again")["attempt"], 2);
  EXPECT_EQ(task_in(answer, "/do/0/both/fork/branches/0/slow")["phase"], "cancelled");
  EXPECT_EQ(task_in(answer, "/do/0/both")["phase"], "completed");
}

}  // namespace
}  // namespace evermill::interpreter
