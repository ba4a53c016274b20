// call: evermill.ask, tasks for people.
#include "interpreter_rig.hpp"

namespace evermill::interpreter {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const json report = {{"lines", 3}, {"who", "ann"}};

/// Completes the task that is open, if it is still. Requests may be repeated.
void complete(environment& in, const json& answer) {
  in.settle();
  for (const auto& each : in.human_tasks()) in.complete_human_task(each.task_id, "bob", json_payload(answer.dump()), true);
}

interpreter_rig asking(const std::string& with) {
  interpreter_rig rig(file_of("  - approve: { call: evermill.ask, with: " + with + " }\n"));
  rig.given(report);
  return rig;
}

TEST(Ask, GivesWhatThePersonAnswers) {
  auto rig = asking("{ title: Approve the report, assignee: '${ .who }', candidateGroups: 'finance, managers', question: '${ { lines } }', form: { type: object, required: [ok] } }");
  rig.meanwhile([](environment& in) {
    in.settle();
    for (const auto& each : in.human_tasks()) {
      EXPECT_EQ(each.name, "approve");
      EXPECT_EQ(each.title, "Approve the report");
      EXPECT_EQ(each.assignee, "ann");
      EXPECT_THAT(each.candidate_groups, ElementsAre("finance", "managers"));
      EXPECT_EQ(in.describe_human_task(each.task_id).question.value().data, R"({"lines":3})");
      EXPECT_THROW(in.complete_human_task(each.task_id, "bob", json_payload("{}"), true), engine_error) << "not as the form says";
    }
    complete(in, {{"ok", true}});
  });
  EXPECT_EQ(rig.output(), json({{"ok", true}}));
}

TEST(Ask, NeedsNothing) {
  interpreter_rig rig(file_of("  - approve: { call: evermill.ask }\n"));
  rig.meanwhile([](environment& in) { complete(in, "yes"); });
  EXPECT_EQ(rig.output(), "yes");
}

TEST(Ask, AnnouncesAndReminds) {
  auto rig = asking("{ question: '${ .lines }', timeout: P1D, announce: [ { tell: { call: tell } } ], remind: { every: PT1H, do: [ { again: { call: remind, with: { of: '${ .taskId }' } } } ] } }");
  rig.with("tell", [](const json& notice) -> json {
    EXPECT_EQ(notice["name"], "approve");
    EXPECT_EQ(notice["title"], "approve");
    EXPECT_EQ(notice["question"], 3);
    EXPECT_TRUE(notice["due"].is_string());
    EXPECT_FALSE(notice["taskId"].get<std::string>().empty());
    return "told";
  });
  rig.with("remind", [](const json& input) -> json {
    EXPECT_FALSE(input["of"].get<std::string>().empty());
    throw application_error("Gone", "nobody at home", std::nullopt, true);  // is nobody's concern
  });
  rig.meanwhile([](environment& in) {
    in.settle();
    in.advance(150min);
    complete(in, true);
  });
  EXPECT_EQ(rig.output(), true);
  ASSERT_THAT(rig.calls, SizeIs(3));
  EXPECT_EQ(rig.calls[0].activity, "tell");
  EXPECT_EQ(rig.calls[2].activity, "remind");
}

TEST(Ask, WhatIsNotAnsweredInTimeIsAnErrorOfTimeout) {
  auto rig = asking("{ timeout: PT1H, remind: { every: PT25M, do: [ { again: { call: remind } } ] } }");
  rig.with("remind", [](const json&) { return nullptr; });
  rig.meanwhile([](environment& in) {
    in.settle();
    in.advance(1h);
    in.settle();
    EXPECT_THAT(in.human_tasks(), IsEmpty());
  });
  const json error = rig.error();
  EXPECT_EQ(error["status"], 408);
  EXPECT_EQ(error["instance"], "/do/0/approve");
  EXPECT_THAT(rig.calls, SizeIs(2));
}

TEST(Ask, IsWithdrawnWhereItCanNotBeAnnounced) {
  auto rig = asking("{ announce: [ { tell: { call: tell } } ] }");
  rig.with("tell", [](const json&) -> json { throw application_error("Gone", "no mail", std::nullopt, true); });
  EXPECT_EQ(rig.error()["instance"], "/do/0/approve/with/announce/0/tell");
  EXPECT_THAT(rig.history, Contains(HasSubstr("HumanTaskCanceled")));
}

TEST(Ask, EndsWithTheTimeoutOfTheTask) {
  interpreter_rig rig(file_of("  - approve: { call: evermill.ask, with: { remind: { every: PT1M, do: [ { again: { set: { a: 1 } } } ] } }, timeout: { after: PT1H } }\n"));
  rig.meanwhile([](environment& in) {
    in.settle();
    in.advance(1h);
    EXPECT_THAT(in.human_tasks(), IsEmpty());
  });
  EXPECT_EQ(rig.error()["status"], 408);
  EXPECT_THAT(rig.history, Contains(HasSubstr("HumanTaskCanceled")));
}

}  // namespace
}  // namespace evermill::interpreter
