// Three days of waiting for people, in virtual time.
#include "approval.hpp"

#include <evermill/testing/environment.hpp>
#include <evermill/testing/matchers.hpp>
#include <gtest/gtest.h>

namespace {

using namespace evermill::testing;

const expense lunch{"ann", 1250};

void be_silent(environment& env) {
  env.replace(tell, [](const evermill::human_task_notice&) {});
}

TEST(HumanApproval, PaysWhatIsApproved) {
  environment env(definitions());
  be_silent(env);
  auto running = env.start(reimburse, lunch);
  env.answer(approve, {true, ""});
  EXPECT_EQ(running.result(), "paid 1250 cents to ann");
  EXPECT_EQ(env.attempts(tell), 1);
}

TEST(HumanApproval, RejectsWithAComment) {
  environment env(definitions());
  be_silent(env);
  auto running = env.start(reimburse, lunch);
  env.answer(approve, {false, "too dear"});
  EXPECT_EQ(running.result(), "rejected: too dear");
  EXPECT_EQ(env.attempts(pay), 0);
}

TEST(HumanApproval, RemindsEachDayAndGivesUpOnTheThird) {
  environment env(definitions());
  be_silent(env);
  const auto began = env.now();
  EXPECT_EQ(env.start(reimburse, lunch).result(), "rejected: nobody answered");
  EXPECT_EQ(env.now() - began, 72h);
  EXPECT_GE(env.attempts(tell), 3) << "the announcement, and a reminder a day";
  EXPECT_TRUE(env.human_tasks().empty());
}

TEST(HumanApproval, RefusesAnAnswerThatDoesNotFitTheForm) {
  environment env(definitions());
  be_silent(env);
  auto running = env.start(reimburse, lunch);
  env.settle();
  const std::string task = env.human_tasks().at(0).task_id;
  EXPECT_THROW(env.complete_human_task(task, "bob", evermill::json_payload(R"({"approved": "yes"})")),
               evermill::engine_error);
  env.complete_human_task(task, "bob", evermill::json_payload(R"({"approved": true})"));
  EXPECT_EQ(running.result(), "paid 1250 cents to ann");
}

TEST(HumanApproval, ComesToTheSameEndWhereverItCrashes) {
  const auto test = [](environment& env) {
    be_silent(env);
    auto running = env.start(reimburse, lunch, {.id = "expense-1"});
    env.answer(approve, {true, ""});
    EXPECT_EQ(running.result(), "paid 1250 cents to ann");
  };
  EXPECT_GT(crash_after_every_commit(definitions(), test), 4);
}

}  // namespace
