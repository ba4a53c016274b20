// Names with types: what activities, signals and child workflows are called by. Declare them constexpr, in a header that
// caller and implementation share.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace evermill {

/// How often and how soon an activity is tried again.
struct retry_policy {
  std::uint32_t max_attempts = 0;                        ///< with the first; 0: no limit
  std::chrono::microseconds initial_interval{1'000'000};  ///< before the second attempt
  double backoff_coefficient = 2.0;                      ///< each further interval is this much longer
  std::chrono::microseconds max_interval{0};             ///< 0: a hundred times the initial one
};

struct activity_options {
  /// An attempt that runs longer is given up (StartToCloseTimeout) and tried again as `retry` says. 0: no limit.
  std::chrono::microseconds start_to_close{0};
  retry_policy retry{};
};
static_assert(std::is_trivially_destructible_v<activity_options>,
              "GCC 12 destroys aggregate temporaries next to co_await twice; options must not mind");

template <class Signature>
struct activity;

template <class R, class A>
struct activity<R(A)> {
  std::string_view name;
  activity_options options{};
  constexpr activity with(activity_options other) const { return {name, other}; }
};

template <class R>
struct activity<R()> {
  std::string_view name;
  activity_options options{};
  constexpr activity with(activity_options other) const { return {name, other}; }
};

template <class T>
struct signal {
  std::string_view name;
};

/// A workflow by name, for starting one whose code is elsewhere.
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

}  // namespace evermill
