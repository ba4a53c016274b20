// An expense that a person approves: announced, reminded of, answered through a form, and booked.
#pragma once

#include <evermill/context.hpp>
#include <evermill/registry.hpp>

#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

using namespace std::chrono_literals;

struct expense {
  std::string who;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(expense, who, cents)

struct verdict {
  bool approved = false;
  std::string comment;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(verdict, approved, comment)

inline constexpr evermill::activity<void(evermill::human_task_notice)> tell{.name = "tell"};
inline constexpr evermill::activity<std::string(expense)> pay{.name = "pay"};

inline constexpr evermill::human_task<verdict(expense)> approve{
    .name = "approve",
    .options = {.title = "Approve an expense",
                .candidate_groups = "finance",
                .form_schema = R"({"type": "object", "required": ["approved"], "additionalProperties": false,
                                   "properties": {"approved": {"type": "boolean"}, "comment": {"type": "string"}}})",
                .timeout = 72h,
                .remind_every = 24h},
    .prepare = tell,
    .remind = tell};

inline evermill::task<std::string> reimburse(evermill::context ctx, expense wanted) {
  verdict given;
  try {
    given = co_await ctx.ask(approve, wanted);
  } catch (const evermill::human_task_expired&) {
    given.comment = "nobody answered";
  }
  if (!given.approved) co_return "rejected: " + given.comment;
  auto account = co_await ctx.lock("company account");  // one payment at a time, whoever asks for it
  const std::string receipt = co_await ctx.call(pay, wanted);
  co_return receipt;
}

inline evermill::registry definitions() {
  evermill::registry registry;
  registry.add("reimburse", reimburse);
  registry.add(tell, [](const evermill::human_task_notice& task) {
    std::cerr << task.title << " (" << task.question.dump() << "): human_approval tasks complete " << task.task_id
              << " '{\"approved\": true}'\n";
  });
  registry.add(pay, [](const expense& what) { return "paid " + std::to_string(what.cents) + " cents to " + what.who; });
  return registry;
}
