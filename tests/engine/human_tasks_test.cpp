// Human tasks through the engine: who may do what, what is refused, what waits for its code.
#include "engine/human_tasks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evermill/engine.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr human_task<std::string(std::string)> review{
    .name = "review",
    .options = {.candidate_groups = "editors, authors", .form_schema = R"({"type": "string", "minLength": 2})"}};

task<std::string> publishes(context ctx, std::string text) {
  const std::string verdict = co_await ctx.ask(review, text);
  co_return verdict;
}

registry definitions() {
  registry all;
  all.add("publishes", publishes);
  return all;
}

/// Returns the id of the task that the execution has open: its row is durable with the start.
std::string open_task(engine& in, const std::string& id) {
  in.start(publishes, "text of " + id, {.id = id});
  for (const human_task_summary& task : in.human_tasks()) {
    if (task.workflow_id == id) return task.task_id;
  }
  throw std::logic_error("no task is open");
}

template <class F>
std::pair<engine_errc, std::string> refusal_of(F&& act) {
  try {
    act();
  } catch (const engine_error& error) {
    return {error.code(), error.what()};
  }
  throw std::logic_error("it was not refused");
}

TEST(HumanTasks, AreDescribedAsTheyWereAsked) {
  engine in(definitions(), {.partitions = 2});
  const std::string id = open_task(in, "w-1");
  const human_task_description task = in.describe_human_task(id);
  EXPECT_EQ(task.title, "review") << "its name, where there is no title";
  EXPECT_EQ(task.assignee, "");
  EXPECT_THAT(task.candidate_groups, ElementsAre("editors", "authors"));
  EXPECT_EQ(task.question->data, "\"text of w-1\"");
  EXPECT_THAT(task.form_schema, HasSubstr("minLength"));
}

TEST(HumanTasks, BelongToOneAtATime) {
  engine in(definitions());
  const std::string id = open_task(in, "w-1");
  in.claim_human_task(id, "ann");
  in.claim_human_task(id, "ann");
  const auto [code, why] = refusal_of([&] { in.claim_human_task(id, "bob"); });
  EXPECT_EQ(code, engine_errc::conflict);
  EXPECT_THAT(why, HasSubstr("\"ann\""));
  EXPECT_EQ(refusal_of([&] { in.release_human_task(id, "bob"); }).first, engine_errc::conflict);
  in.delegate_human_task(id, "ann", "bob");
  EXPECT_EQ(in.describe_human_task(id).assignee, "bob");
  in.release_human_task(id, "carl", true);
  EXPECT_EQ(in.describe_human_task(id).assignee, "");
  in.claim_human_task(id, "dora");
  in.complete_human_task(id, "carl", json_payload("\"fine\""), true);
  EXPECT_EQ(in.find<std::string>("w-1").result(), "fine");
}

TEST(HumanTasks, AreAnsweredOnce) {
  engine in(definitions());
  const std::string id = open_task(in, "w-1");
  in.complete_human_task(id, "ann", json_payload("\"fine\""));
  for (const bool force : {false, true}) {
    const auto [code, why] = refusal_of([&] { in.complete_human_task(id, "ann", json_payload("\"bad\""), force); });
    EXPECT_EQ(code, engine_errc::closed);
    EXPECT_THAT(why, HasSubstr("completed or withdrawn"));
  }
  EXPECT_EQ(in.find<std::string>("w-1").result(), "fine");
}

TEST(HumanTasks, AnAnswerThatDoesNotFitTheFormHasNoEffect) {
  engine in(definitions());
  const std::string id = open_task(in, "w-1");
  for (const char* const answer : {"\"x\"", "7", "null"}) {
    const auto [code, why] = refusal_of([&] { in.complete_human_task(id, "ann", json_payload(answer)); });
    EXPECT_EQ(code, engine_errc::invalid_argument);
    EXPECT_THAT(why, HasSubstr("does not fit the form"));
  }
  EXPECT_EQ(in.human_tasks().size(), 1);
  in.complete_human_task(id, "ann", json_payload("\"good\""));
  EXPECT_EQ(in.find<std::string>("w-1").result(), "good");
}

TEST(HumanTasks, AreListedByPagesAndFilters) {
  engine in(definitions(), {.partitions = 3});
  std::vector<std::string> ids;
  for (int i = 0; i < 7; ++i) ids.push_back(open_task(in, "w-" + std::to_string(i)));
  in.claim_human_task(ids[3], "ann");
  std::vector<std::string> found;
  for (auto page = in.human_tasks({}, "", 2); !page.empty(); page = in.human_tasks({}, found.back(), 2)) {
    EXPECT_LE(page.size(), 2);
    for (const auto& task : page) found.push_back(task.task_id);
  }
  EXPECT_THAT(found, ::testing::UnorderedElementsAreArray(ids));
  const auto count = [&](human_task_filter filter) { return in.human_tasks(filter).size(); };
  EXPECT_EQ(count({.assignee = "ann"}), 1);
  EXPECT_EQ(count({.unassigned = true}), 6);
  EXPECT_EQ(count({.group = "authors"}), 7);
  EXPECT_EQ(count({.group = "author"}), 0);
  EXPECT_EQ(count({.name = "other"}), 0);
}

TEST(HumanTasks, WhatIsNoTaskIsNamed) {
  engine in(definitions());
  for (const char* const id : {"", "w", "w/", "w/1", "w/1.", "w/.1", "/1.2", "w/0.2", "w/1.x", "w/1.2 "}) {
    EXPECT_EQ(refusal_of([&] { in.claim_human_task(id, "ann"); }).first, engine_errc::invalid_argument) << id;
  }
  EXPECT_EQ(refusal_of([&] { in.claim_human_task("nobody/1.2", "ann"); }).first, engine_errc::not_found);
  open_task(in, "w-1");
  EXPECT_EQ(refusal_of([&] { in.claim_human_task("w-1/1.9", "ann"); }).first, engine_errc::closed);
  EXPECT_EQ(refusal_of([&] { in.claim_human_task("w-1/9.2", "ann"); }).first, engine_errc::closed);
  EXPECT_EQ(refusal_of([&] { in.describe_human_task("w-1/9.2"); }).first, engine_errc::closed);
}

TEST(HumanTasks, AnAnswerWaitsForTheCodeAndKeepsOthersOut) {
  const tests::temporary_directory place;
  engine_options options{.data_directory = place.path() / "data", .partitions = 1};
  std::string id;
  {
    engine in(definitions(), options);
    id = open_task(in, "w-1");
  }
  options.mode = engine_mode::record;
  {
    engine without_code(registry(), options);
    without_code.claim_human_task(id, "ann");
    EXPECT_EQ(refusal_of([&] { without_code.claim_human_task(id, "bob"); }).first, engine_errc::conflict);
  }
  {
    engine without_code(registry(), options);
    EXPECT_EQ(refusal_of([&] { without_code.claim_human_task(id, "bob"); }).first, engine_errc::conflict)
        << "the claim is parked";
    without_code.complete_human_task(id, "ann", json_payload("\"fine\""));
    EXPECT_EQ(refusal_of([&] { without_code.complete_human_task(id, "ann", json_payload("\"bad\"")); }).first,
              engine_errc::closed);
  }
  {
    engine without_code(registry(), options);
    EXPECT_EQ(refusal_of([&] { without_code.complete_human_task(id, "ann", json_payload("\"bad\"")); }).first,
              engine_errc::closed);
  }
  options.mode = engine_mode::run;
  engine in(definitions(), options);
  EXPECT_EQ(in.find<std::string>("w-1").result(), "fine");
}

TEST(Forms, AreJsonSchemas) {
  const std::string form = R"({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "maximum": 3}}})";
  EXPECT_NO_THROW(check_answer(form, json_payload(R"({"n": 3})")));
  EXPECT_NO_THROW(check_answer("", json_payload("anything")));
  EXPECT_THAT(refusal_of([&] { check_answer(form, json_payload(R"({"n": 4})")); }).second, HasSubstr("<root>[n]: "));
  EXPECT_THAT(refusal_of([&] { check_answer(form, json_payload("{}")); }).second, HasSubstr("n"));
  EXPECT_THAT(refusal_of([&] { check_answer(form, {payload::content_type::bytes, {}, "1"}); }).second, HasSubstr("no JSON"));
  EXPECT_THAT(refusal_of([&] { check_answer("{", json_payload("1")); }).second, HasSubstr("the form of the human task"));
  EXPECT_THAT(refusal_of([&] { check_answer(R"({"type": 7})", json_payload("1")); }).second,
              HasSubstr("the form of the human task"));
}

}  // namespace
}  // namespace evermill
