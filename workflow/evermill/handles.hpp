/// @file
/// Names with types: what activities, signals and child workflows are called by. Declare them constexpr, in a header that
/// caller and implementation share; the name's characters must live as long as the program (a literal).
///
/// A name is 1 to 512 bytes of UTF-8 without control characters; a command with another one throws std::invalid_argument.
/// Names are stored in journals: one that running executions use must not be renamed.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string_view>
#include <type_traits>

namespace evermill {

namespace detail {
template <class T>
inline constexpr bool is_view = (std::is_pointer_v<T> && !std::is_function_v<std::remove_pointer_t<T>>) ||
                                std::is_same_v<T, std::string_view>;
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

/// Up to eight types of failures, as application_error names them. The characters must live as long as the program.
class error_types {
 public:
  static constexpr std::size_t capacity = 8;  ///< the most that it can hold
  /// None.
  constexpr error_types() = default;
  /// More than `capacity`: does not compile in a constant, throws std::length_error elsewhere.
  constexpr error_types(std::initializer_list<std::string_view> names) {
    if (names.size() > capacity) throw std::length_error("at most eight error types");
    for (const std::string_view name : names) names_[size_++] = name;
  }
  constexpr const std::string_view* begin() const noexcept { return names_.data(); }        ///< the first name
  constexpr const std::string_view* end() const noexcept { return names_.data() + size_; }  ///< after the last name
  constexpr std::size_t size() const noexcept { return size_; }                             ///< how many there are

 private:
  std::array<std::string_view, capacity> names_{};
  std::size_t size_ = 0;
};

/// How often and how soon an activity is tried again after an attempt that failed, ran too long (start_to_close), was not
/// heard of (heartbeat), or was lost with its process. Attempt n + 1 waits for
/// initial_interval * backoff_coefficient^(n - 1), at most max_interval, less jitter; after a lost attempt it does not wait.
struct retry_policy {
  std::uint32_t max_attempts = 0;                         ///< with the first one; 0: no limit
  std::chrono::microseconds initial_interval{1'000'000};  ///< before the second attempt; 0 or less: a second
  double backoff_coefficient = 2.0;                       ///< 1 or more; 0 or less: 2
  std::chrono::microseconds max_interval{0};              ///< 0: a hundred times the initial one
  /// 0 to 1: a wait of w becomes a random one between w * (1 - jitter) and w, so that what failed together does not come
  /// back together. Drawn once, and kept over restarts. With another value the call throws std::invalid_argument.
  double jitter = 0;
  /// Failures of these types are not tried again: `{"CardDeclined", "Fraud"}`. "*": none is, of whatever type; attempts that were
  /// lost with their process, or exceeded a limit, are.
  error_types non_retryable{};
};

/// The task queue of activities that name none.
inline constexpr std::string_view default_task_queue = "default";

/// What canceling an activity means: by its future, or by a cancel request for its execution.
enum class activity_cancellation : unsigned char {
  try_cancel = 0,  ///< the attempt is told to stop; the future throws canceled_error at once
  /// The attempt is told to stop, no other follows, and the future is settled by how it ends: with its result, with what
  /// it failed with, or with canceled_error.
  wait_cancellation_completed = 1,
  abandon = 2,  ///< the attempt is not told and goes on; the future throws canceled_error at once
};

/// Limits are more than 0, or 0 for none. When one is exceeded, the attempt is told to stop and its result does not count
/// any more.
struct activity_options {
  /// For one attempt, from its own start; then `retry` says whether another one follows (failure_kind::start_to_close).
  std::chrono::microseconds start_to_close{0};
  retry_policy retry{};  ///< by default an attempt that failed is tried again without limit, after 1, 2, 4 to 100 seconds
  /// For one attempt, from when it may be dispatched until it starts; ends the activity (failure_kind::schedule_to_start).
  std::chrono::microseconds schedule_to_start{0};
  /// For the activity with all its attempts and the waits between them, from the call; ends the activity
  /// (failure_kind::schedule_to_close). No attempt begins after it: where the next one would, the failure of the one
  /// before ends the activity.
  std::chrono::microseconds schedule_to_close{0};
  /// For one attempt, from its start or last heartbeat to the next one (activity_context::heartbeat); then `retry` says
  /// whether another one follows (failure_kind::heartbeat).
  std::chrono::microseconds heartbeat{0};
  /// What becomes of the attempt that runs, and of the future, when the activity is canceled.
  activity_cancellation cancellation = activity_cancellation::try_cancel;
  /// Which queue its attempts wait in: engine_options::task_queues. "": "default". The characters must live as long as the
  /// program.
  std::string_view task_queue{};
  /// Which version of the activity runs its attempts (implementation_options::version): where no process has it, they wait, visibly
  /// (`dispatched` of the description), for one that has. "": the one that was added last where an attempt starts. The characters
  /// must live as long as the program.
  std::string_view version{};
};
static_assert(std::is_trivially_destructible_v<activity_options>,
              "GCC 12 destroys aggregate temporaries next to co_await twice; options must not mind");

/// An activity with argument A and result R: activity<R(A)>, or activity<R()>; R may be void. For `ctx.call` and
/// `registry.add`. More than one argument: make them the fields of a struct; `ctx.call` takes the fields one by one.
template <class Signature>
struct activity;

/// An activity with an argument.
template <class R, class A>
struct activity<R(A)> {
  static_assert(detail::check_handle<R, A>());
  std::string_view name;       ///< what it is registered and journaled as
  activity_options options{};  ///< limits, retries, task queue; by default no limit and retries without end
  /// The same activity with other options, for one call: all of them are replaced.
  constexpr activity with(activity_options other) const { return {name, other}; }
};

/// An activity without an argument.
template <class R>
struct activity<R()> {
  static_assert(detail::check_handle<R>());
  std::string_view name;       ///< what it is registered and journaled as
  activity_options options{};  ///< limits, retries, task queue; by default no limit and retries without end
  /// The same activity with other options, for one call: all of them are replaced.
  constexpr activity with(activity_options other) const { return {name, other}; }
};

/// A signal that carries a T, or nothing (signal<>). For `ctx.wait` and `execution::signal`.
template <class T = void>
struct signal {
  static_assert(detail::check_handle<T>());
  std::string_view name;  ///< what it is sent and journaled as
};

/// A question to a running or ended execution, with argument A and answer R: query<R(A)>, or query<R()>. Answered from its
/// state, and journaled nowhere. For `ctx.on_query` and `execution::query`.
template <class Signature>
struct query;
/// A request to a running execution with argument A that is validated, done by its code, and answered with an R:
/// update<R(A)>, or update<R()>; R may be void. For `ctx.on_update` and `execution::update`.
template <class Signature>
struct update;

/// A query with an argument.
template <class R, class A>
struct query<R(A)> {
  static_assert(!std::is_void_v<R> && detail::check_handle<R, A>());
  std::string_view name;  ///< what it is asked by; one handler has it at a time
};
/// A query without an argument.
template <class R>
struct query<R()> {
  static_assert(!std::is_void_v<R> && detail::check_handle<R>());
  std::string_view name;  ///< what it is asked by; one handler has it at a time
};
/// An update with an argument.
template <class R, class A>
struct update<R(A)> {
  static_assert(detail::check_handle<R, A>());
  std::string_view name;  ///< what it is asked for and journaled by; one handler has it at a time
};
/// An update without an argument.
template <class R>
struct update<R()> {
  static_assert(detail::check_handle<R>());
  std::string_view name;  ///< what it is asked for and journaled by; one handler has it at a time
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
  /// What becomes of it when its parent ends first.
  parent_close_policy when_parent_closes = parent_close_policy::terminate;
  /// Where a child's id is taken and the policy starts nothing, its future throws child_workflow_error
  /// (failure_kind::already_exists), also for `use_existing`: an execution has one parent.
  workflow_id_reuse reuse = workflow_id_reuse::use_existing;
  /// How long all its runs together may take, from its start: it ends as timed out then. 0: no limit; a negative one makes the
  /// call throw std::invalid_argument.
  std::chrono::microseconds execution_timeout{0};
  std::chrono::microseconds run_timeout{0};  ///< the same for each of its runs
  /// Of its code; empty: the one that new executions get.
  std::string_view version{};
};
static_assert(std::is_trivially_destructible_v<child_options>);

/// A workflow by name: child_workflow<R(A)> or child_workflow<R()>. For starting one whose code is elsewhere, and for
/// `registry.add`, so that both sides agree on name and types.
template <class Signature>
struct child_workflow;

/// A workflow with an argument.
template <class R, class A>
struct child_workflow<R(A)> {
  static_assert(detail::check_handle<R, A>());
  std::string_view name;  ///< what it is registered and journaled as
};

/// A workflow without an argument.
template <class R>
struct child_workflow<R()> {
  static_assert(detail::check_handle<R>());
  std::string_view name;  ///< what it is registered and journaled as
};

}  // namespace evermill
