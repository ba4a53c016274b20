// Handles: constants that name what a workflow talks to, with its types and policy.
//
//   inline constexpr evermill::activity<Receipt(Charge)> charge_card{
//       .name = "charge_card", .options = {.start_to_close = 10s, .retry = {.max_attempts = 5}}};
//   inline constexpr evermill::signal<Approval> approval{.name = "approval"};
//
// Names are looked up in the journal and in other processes: changing one changes the workflow.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace evermill {

/// How often and how soon a failed attempt of an activity is followed by another. The wait before attempt n+1 is
/// min(initial_interval * backoff_coefficient^(n-1), max_interval).
struct retry_policy {
  std::uint32_t max_attempts = 0;  ///< 0: no limit; 1: no retry
  std::chrono::microseconds initial_interval = std::chrono::seconds(1);
  double backoff_coefficient = 2.0;
  std::chrono::microseconds max_interval{0};  ///< 0: a hundred times the initial interval
};

struct activity_options {
  std::string_view task_queue;                  ///< "": the default queue
  std::chrono::microseconds start_to_close{0};  ///< limit of one attempt; 0: none
  retry_policy retry{};
};

// GCC 12 destroys an aggregate temporary next to a co_await twice; a trivial destructor makes that harmless.
static_assert(std::is_trivially_destructible_v<activity_options>);

/// An activity: work with side effects, done by a task backend, retried by its policy. R(A) or R().
template <class Signature>
struct activity;

template <class R, class A>
struct activity<R(A)> {
  std::string_view name;
  activity_options options{};

  /// The same activity with other options, for one call.
  constexpr activity with(activity_options other) const { return {name, other}; }
};

template <class R>
struct activity<R()> {
  std::string_view name;
  activity_options options{};

  constexpr activity with(activity_options other) const { return {name, other}; }
};

/// A message to a running workflow; kept in order until the code waits for it.
template <class T>
struct signal {
  std::string_view name;
};

/// A workflow known by name, whose code may be elsewhere. R(A) or R().
template <class Signature>
struct child_workflow;

template <class R, class A>
struct child_workflow<R(A)> {
  std::string_view name;
};

template <class R>
struct child_workflow<R()> {
  std::string_view name;
};

struct child_options {
  /// The child's workflow id. Empty: "<parent's id>/<run>.<event>", different for every start.
  std::string_view id;
};
static_assert(std::is_trivially_destructible_v<child_options>);

}  // namespace evermill
