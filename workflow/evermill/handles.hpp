// Names with types: what activities, signals and child workflows are called by. Declare them constexpr, in a header that
// caller and implementation share; the name's characters must live as long as the program (a literal).
//
// A name is 1 to 512 bytes of UTF-8 without control characters; a command with another one throws std::invalid_argument.
// Names are stored in journals: one that running executions use must not be renamed.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string_view>
#include <type_traits>

namespace evermill {

namespace detail {
template <class T>
inline constexpr bool is_view = std::is_pointer_v<T> || std::is_same_v<T, std::string_view>;
template <class T, std::size_t N>
inline constexpr bool is_view<std::span<T, N>> = true;
template <class T>
inline constexpr bool is_view<std::reference_wrapper<T>> = true;
template <class T>
inline constexpr bool is_view<std::initializer_list<T>> = true;

/// Does it hold what it is made of? A reference, pointer or view may outlive what it points to.
template <class T>
inline constexpr bool owns_itself = !std::is_reference_v<T> && !is_view<std::remove_cv_t<T>>;

template <class... T>
constexpr bool check_handle() {
  static_assert((owns_itself<T> && ...),
                "arguments and results are stored values: name the plain type, not a reference, pointer or view");
  return true;
}
}  // namespace detail

/// How often and how soon an activity is tried again after an attempt that failed, timed out, or was lost with its
/// process. Attempt n + 1 waits for initial_interval * backoff_coefficient^(n - 1), at most max_interval; after a lost
/// attempt it does not wait.
struct retry_policy {
  std::uint32_t max_attempts = 0;                         ///< with the first one; 0: no limit
  std::chrono::microseconds initial_interval{1'000'000};  ///< before the second attempt; more than 0
  double backoff_coefficient = 2.0;                       ///< 1 or more
  std::chrono::microseconds max_interval{0};              ///< 0: a hundred times the initial one
};

struct activity_options {
  /// An attempt that runs longer than this, counted from its own start, is told to stop and given up
  /// (failure_kind::start_to_close), and tried again as `retry` says. 0: no limit.
  std::chrono::microseconds start_to_close{0};
  retry_policy retry{};
};
static_assert(std::is_trivially_destructible_v<activity_options>,
              "GCC 12 destroys aggregate temporaries next to co_await twice; options must not mind");

/// An activity with argument A and result R: activity<R(A)>, or activity<R()>; R may be void. For `ctx.call` and
/// `registry.add`. More than one argument: make them the fields of a struct; `ctx.call` takes the fields one by one.
template <class Signature>
struct activity;

template <class R, class A>
struct activity<R(A)> {
  static_assert(detail::check_handle<R, A>());
  std::string_view name;
  activity_options options{};
  /// The same activity with other options, for one call: all of them are replaced.
  constexpr activity with(activity_options other) const { return {name, other}; }
};

template <class R>
struct activity<R()> {
  static_assert(detail::check_handle<R>());
  std::string_view name;
  activity_options options{};
  constexpr activity with(activity_options other) const { return {name, other}; }
};

/// A signal that carries a T, or nothing (signal<>). For `ctx.wait` and `execution::signal`.
template <class T = void>
struct signal {
  static_assert(detail::check_handle<T>());
  std::string_view name;
};

/// A question to a running or ended execution, with argument A and answer R: query<R(A)>, or query<R()>. Answered from its
/// state, and journaled nowhere. For `ctx.on_query` and `execution::query`.
template <class Signature>
struct query;
/// A request to a running execution with argument A that is validated, done by its code, and answered with an R:
/// update<R(A)>, or update<R()>; R may be void. For `ctx.on_update` and `execution::update`.
template <class Signature>
struct update;

template <class R, class A>
struct query<R(A)> {
  static_assert(!std::is_void_v<R> && detail::check_handle<R, A>());
  std::string_view name;
};
template <class R>
struct query<R()> {
  static_assert(!std::is_void_v<R> && detail::check_handle<R>());
  std::string_view name;
};
template <class R, class A>
struct update<R(A)> {
  static_assert(detail::check_handle<R, A>());
  std::string_view name;
};
template <class R>
struct update<R()> {
  static_assert(detail::check_handle<R>());
  std::string_view name;
};

/// What becomes of a child when its parent ends before it, in whatever way. (A run that continues as new has not ended.)
enum class parent_close_policy : unsigned char {
  terminate = 0,       ///< ended at once, without its code being asked
  request_cancel = 1,  ///< its code sees canceled_error and may clean up
  abandon = 2,         ///< goes on
};

/// What a start does where an execution with its workflow id exists already.
enum class workflow_id_reuse : unsigned char {
  use_existing = 0,        ///< the same start (definition and input) finds it, running or ended; another one is refused
  reject_duplicate = 1,    ///< refused
  allow_after_failure = 2, ///< starts a new one where the last has ended and did not complete; refused otherwise
  allow = 3,               ///< starts a new one where the last has ended; refused while it runs
  terminate_existing = 4,  ///< starts a new one; what runs is terminated in the same commit
};

/// How a child is started. Views must live until the call returns.
struct child_options {
  /// Its workflow id; empty: one made from this run's. 1 to 512 bytes of UTF-8 without control characters.
  std::string_view id{};
  parent_close_policy when_parent_closes = parent_close_policy::terminate;
  /// Where a child's id is taken and the policy starts nothing, its future throws child_workflow_error
  /// (failure_kind::already_exists), also for `use_existing`: an execution has one parent.
  workflow_id_reuse reuse = workflow_id_reuse::use_existing;
  /// How long all its runs together, and each of its runs, may take: it ends as timed out then. 0: no limit.
  std::chrono::microseconds execution_timeout{0};
  std::chrono::microseconds run_timeout{0};
  /// Of its code; empty: the one that new executions get.
  std::string_view version{};
};
static_assert(std::is_trivially_destructible_v<child_options>);

/// A workflow by name: child_workflow<R(A)> or child_workflow<R()>. For starting one whose code is elsewhere, and for
/// `registry.add`, so that both sides agree on name and types.
template <class Signature>
struct child_workflow;

template <class R, class A>
struct child_workflow<R(A)> {
  static_assert(detail::check_handle<R, A>());
  std::string_view name;
};

template <class R>
struct child_workflow<R()> {
  static_assert(detail::check_handle<R>());
  std::string_view name;
};

}  // namespace evermill
