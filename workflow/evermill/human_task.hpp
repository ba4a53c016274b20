/// @file
/// Work that a person does in the middle of a workflow.
///
///     struct request { std::string who; int cents = 0; };     // what is asked
///     struct verdict { bool approved = false; };              // what is answered
///     inline constexpr human_task<verdict(request)> approve{
///         .name = "approve", .options = {.title = "Approve an expense", .candidate_groups = "finance", .timeout = 48h},
///         .prepare = send_mail};
///     verdict given = co_await ctx.ask(approve, "ann", 1250);
///
/// Open tasks are listed, claimed, delegated and completed through the engine (engine.hpp) and the command line (`evermill
/// tasks`). An answer that does not fit `form_schema` is refused there, before anything happens.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>

#include "evermill/exceptions.hpp"
#include "evermill/handles.hpp"

namespace evermill {

/// How a human task is shown and who may do it. What the texts refer to must live during the call of `ask` only; what is not
/// UTF-8 in them is stored with U+FFFD in its place.
struct human_task_options {
  std::string_view title;             ///< for people; empty: the task's name
  std::string_view assignee;          ///< whose task it is from the beginning; empty: whoever claims it
  std::string_view candidate_groups;  ///< who may claim it, "finance, managers"; a hint, evermill knows no groups
  std::string_view form_schema;       ///< JSON Schema (draft 7) of the answer; empty: any answer
  std::chrono::microseconds timeout{0};       ///< from the call of `ask` on; 0: none
  std::chrono::microseconds remind_every{0};  ///< how often `remind` is called while the task is open; 0: never
};
static_assert(std::is_trivially_destructible_v<human_task_options>,
              "GCC 12 destroys aggregate temporaries next to co_await twice; options must not mind");

/// What `prepare` and `remind` are told.
struct human_task_notice {
  std::string task_id;           ///< for `evermill tasks` and engine::complete_human_task
  std::string workflow_id;       ///< of the execution that asks
  std::string name;              ///< the task's name
  std::string title;             ///< for people; the name where the workflow gave none
  std::string assignee;          ///< as the workflow gave it; a claim later does not change it
  std::string candidate_groups;  ///< as the workflow gave them: "finance, managers"
  std::string due;               ///< UTC, "2026-01-31T12:00:00Z"; empty: no timeout
  nlohmann::json question;       ///< null where it is not JSON
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(human_task_notice, task_id, workflow_id, name, title, assignee, candidate_groups, due,
                                   question)

/// A task for a person, with question Q and answer A: human_task<A(Q)>, or human_task<A()>. For `ctx.ask`.
template <class Signature>
struct human_task;

/// A task with a question.
template <class A, class Q>
struct human_task<A(Q)> {
  static_assert(detail::check_handle<A, Q>());
  std::string_view name;         ///< what it is listed and journaled as
  human_task_options options{};  ///< texts and times; by default nobody's, with any answer and no timeout
  /// Announces the task when it is open, for example by mail; nothing where it has no name. Where it fails for good the task
  /// is withdrawn, and `ask` throws its activity_error.
  activity<void(human_task_notice)> prepare{};
  /// Called every `options.remind_every` while the task is open; what becomes of it is nobody's concern. Nothing where it has
  /// no name.
  activity<void(human_task_notice)> remind{};
  /// The same task with other options, for one call: all of them are replaced.
  constexpr human_task with(human_task_options other) const { return {name, other, prepare, remind}; }
};

/// A task without a question.
template <class A>
struct human_task<A()> {
  static_assert(detail::check_handle<A>());
  std::string_view name;                        ///< what it is listed and journaled as
  human_task_options options{};                 ///< texts and times; by default nobody's, with any answer and no timeout
  activity<void(human_task_notice)> prepare{};  ///< as that of a task with a question
  activity<void(human_task_notice)> remind{};   ///< as that of a task with a question
  /// The same task with other options, for one call: all of them are replaced.
  constexpr human_task with(human_task_options other) const { return {name, other, prepare, remind}; }
};

/// In a workflow: nobody completed the human task within its timeout. It is withdrawn.
class human_task_expired : public error {
 public:
  /// For evermill itself.
  explicit human_task_expired(const std::string& task)
      : error("human task " + task + " was not completed in time",
              {failure_kind::timed_out, "HumanTaskExpired", "nobody completed it in time", {}, true, nullptr}) {}
};

}  // namespace evermill
