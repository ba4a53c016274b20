// Work that people do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evermill/context.hpp"
#include "scenario.hpp"

namespace evermill::semantics {
namespace {

using namespace std::chrono_literals;

constexpr activity<void(human_task_notice)> announce{.name = "announce"};
constexpr activity<std::string(std::string)> book{.name = "book"};
constexpr human_task<std::string(std::string)> approve{
    .name = "approve",
    .options = {.title = "Approve an expense",
                .candidate_groups = "finance, managers",
                .form_schema = R"({"type": "string", "enum": ["yes", "no"]})",
                .timeout = 24h},
    .prepare = announce};
constexpr human_task<std::string()> ignored{
    .name = "ignored", .options = {.timeout = 30ms, .remind_every = 20ms}, .remind = {.name = "remind"}};

constexpr child_workflow<std::string(std::string)> expense{.name = "expense"};
constexpr child_workflow<std::string()> hopeless{.name = "hopeless"};

void take_announcements(registry& all) {
  all.add(announce, [](const activity_context& about, const human_task_notice&) { record("announce", about); });
}

task<std::string> run_expense(context ctx, std::string what) {
  const std::string booked = co_await ctx.ask_then(approve, book, what);
  co_return booked;
}

/// Answers are refused that do not fit the form, or are somebody else's; the rest is done once.
void answer_expense(client& to, const std::string& id) {
  const auto open = to.task_of(id);
  if (!open) return;
  require(open->title == "Approve an expense" && open->candidate_groups.size() == 2, "the task is not listed as it was asked");
  const std::string task = open->task_id;
  const auto code_of = [](const std::function<void()>& act) {
    try {
      act();
    } catch (const engine_error& error) {
      return error.code();
    }
    throw std::runtime_error("a request was accepted that should not be");
  };
  const auto say = [&](const std::string& by, const char* answer) { to.complete(task, by, codec<std::string>::encode(answer)); };
  if (open->assignee.empty()) to.claim(task, "ann");
  if (open->assignee != "bob") to.delegate(task, "ann", "bob");
  require(code_of([&] { say("bob", "perhaps"); }) == engine_errc::invalid_argument, "an answer that does not fit");
  require(code_of([&] { say("ann", "yes"); }) == engine_errc::conflict, "an answer by somebody else");
  say("bob", "yes");
  require(code_of([&] { say("bob", "no"); }) == engine_errc::closed, "a second answer");
}

scenario completed() {
  return {
      .name = "HumanTask",
      .define =
          [](registry& all) {
            all.add(expense, run_expense);
            take_announcements(all);
            all.add(book, [](const activity_context& about, const std::string& answer) {
              record("book", about);
              return "booked: " + answer;
            });
          },
      .script =
          [](client& to) {
            to.start(expense, "lunch", "expense-1");
            to.until_event("expense-1", "ActivityTaskCompleted");  // it is announced
            answer_expense(to, "expense-1");
            to.wait("expense-1");
          },
      .check =
          [](const outcome& what) {
            const outcome::execution& done = what.of("expense-1");
            EXPECT_EQ(done.result(), "\"booked: yes\"");
            EXPECT_EQ(done.count("HumanTaskCreated"), 1);
            EXPECT_EQ(done.count("HumanTaskAssigned"), 2);
            EXPECT_EQ(done.count("HumanTaskCompleted"), 1);
            EXPECT_EQ(what.keys("announce"), 1);
            EXPECT_EQ(what.keys("book"), 1);
          },
  };
}

task<std::string> run_hopeless(context ctx) {
  std::string how = "answered";
  try {
    co_await ctx.ask(ignored);
  } catch (const human_task_expired&) {
    how = "expired";
  }
  co_return how;
}

scenario expired() {
  return {
      .name = "HumanTaskExpires",
      .define = [](registry& all) { all.add(hopeless, run_hopeless); },
      .script =
          [](client& to) {
            to.start(hopeless, "hopeless-1");
            to.wait("hopeless-1");
            require(to.human_tasks().empty(), "the task is open although its time is over");
          },
      .check =
          [](const outcome& what) {
            const outcome::execution& done = what.of("hopeless-1");
            EXPECT_EQ(done.result(), "\"expired\"");
            EXPECT_EQ(done.count("HumanTaskCanceled"), 1);
            EXPECT_EQ(done.count("ActivityTaskScheduled"), 1) << "one reminder";
          },
      .hanging = {"remind"},
  };
}

scenario withdrawn() {
  return {
      .name = "HumanTaskWithdrawn",
      .define =
          [](registry& all) {
            all.add(expense, run_expense);
            take_announcements(all);
          },
      .script =
          [](client& to) {
            for (const char* const id : {"canceled-1", "terminated-1"}) {
              to.start(expense, "dinner", id);
              to.until_event(id, "ActivityTaskCompleted");
            }
            to.cancel_once("canceled-1");
            to.terminate_once("terminated-1");
            to.wait("canceled-1");
            to.wait("terminated-1");
            require(to.human_tasks().empty(), "a task is open although its run has ended");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("canceled-1").end.status, execution_status::canceled);
            EXPECT_EQ(what.of("canceled-1").count("HumanTaskCanceled"), 1);
            EXPECT_EQ(what.of("terminated-1").end.status, execution_status::terminated);
            EXPECT_EQ(what.keys("announce"), 2);
          },
  };
}

}  // namespace

std::vector<scenario> human_task_scenarios() { return {completed(), expired(), withdrawn()}; }

}  // namespace evermill::semantics
