// context: what a workflow's code can ask for.
//
// Whatever is not asked for here must be the same each time the code runs: no clocks, no random numbers, no threads, no
// I/O, no unordered iteration. See docs/workflows.md.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "codec.hpp"
#include "detail/runtime.hpp"
#include "future.hpp"
#include "handles.hpp"
#include "log_level.hpp"
#include "task.hpp"

namespace evermill {

namespace detail {

/// GCC 12 destroys a temporary of a class without constructors (an aggregate, a closure) twice when its full expression
/// contains a co_await. Harmless where the destructor is trivial.
template <class A>
inline constexpr bool safe_beside_await = std::is_lvalue_reference_v<A> || std::is_trivially_destructible_v<A> ||
                                          !std::is_aggregate_v<std::remove_cvref_t<A>>;
template <class F>
inline constexpr bool safe_closure = std::is_lvalue_reference_v<F> || std::is_trivially_destructible_v<F>;

/// A from one value of it, or from its fields.
template <class A, class... Fields>
payload encode_input(Fields&&... fields) {
  static_assert((safe_beside_await<Fields> && ...),
                "evermill: pass the fields, or a named value as it is (no std::move): GCC 12 destroys an aggregate "
                "temporary beside co_await twice");
  if constexpr (sizeof...(Fields) == 1 && (std::is_same_v<std::remove_cvref_t<Fields>, A> && ...)) {
    return codec<A>::encode(fields...);
  } else if constexpr (sizeof...(Fields) == 1 && (std::is_convertible_v<Fields, A> && ...)) {
    const A input(std::forward<Fields>(fields)...);
    return codec<A>::encode(input);
  } else if constexpr (std::is_aggregate_v<A>) {
    const A input{std::forward<Fields>(fields)...};
    return codec<A>::encode(input);
  } else {
    const A input(std::forward<Fields>(fields)...);
    return codec<A>::encode(input);
  }
}

class [[nodiscard]] continue_awaitable {
 public:
  using durable_awaitable = void;
  continue_awaitable(runtime& run, payload input) noexcept : run_(&run), input_(std::move(input)) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) { run_->continue_as_new(std::move(input_)); }
  void await_resume() const noexcept {}

 private:
  runtime* run_;
  payload input_;
};

}  // namespace detail

/// Lines about this instance in the engine's log; each is written once, not again in a replay.
class workflow_log {
 public:
  explicit workflow_log(detail::runtime& run) noexcept : run_(&run) {}
  void debug(std::string_view text) const { run_->log(log_level::debug, text); }
  void info(std::string_view text) const { run_->log(log_level::info, text); }
  void warn(std::string_view text) const { run_->log(log_level::warn, text); }
  void error(std::string_view text) const { run_->log(log_level::error, text); }

 private:
  detail::runtime* run_;
};

/// A handle on the run, passed by value; for the run's own coroutines only.
class context {
 public:
  explicit context(detail::runtime& run) noexcept : run_(&run) {}

  /// Schedules an activity. `input` is an A, or what an A is made of. Awaiting the future throws activity_error when
  /// the activity fails for good.
  template <class R, class A, class... Input>
  future<R> call(const activity<R(A)>& what, Input&&... input) const {
    return {*run_,
            *run_->call_activity(what.name, what.options, detail::encode_input<A>(std::forward<Input>(input)...))};
  }
  template <class R>
  future<R> call(const activity<R()>& what) const {
    return {*run_, *run_->call_activity(what.name, what.options, payload{})};
  }

  /// Starts a child workflow: a registered function, or by name. Awaiting throws child_workflow_error when it does not
  /// complete. std::invalid_argument: the function is not registered.
  template <class R, class A, class Input>
  future<R> start(task<R> (*child)(context, A), Input&& input, child_options options = {}) const {
    return {*run_, *run_->start_child(run_->name_of(reinterpret_cast<const void*>(child)), options.id,
                                      detail::encode_input<A>(std::forward<Input>(input)))};
  }
  template <class R>
  future<R> start(task<R> (*child)(context), child_options options = {}) const {
    return {*run_, *run_->start_child(run_->name_of(reinterpret_cast<const void*>(child)), options.id, payload{})};
  }
  template <class R, class A, class Input>
  future<R> start(const child_workflow<R(A)>& child, Input&& input, child_options options = {}) const {
    return {*run_, *run_->start_child(child.name, options.id, detail::encode_input<A>(std::forward<Input>(input)))};
  }
  template <class R>
  future<R> start(const child_workflow<R()>& child, child_options options = {}) const {
    return {*run_, *run_->start_child(child.name, options.id, payload{})};
  }

  /// Durable: it takes as long whether the process runs or not. Not more than zero: fires as soon as it can.
  future<void> sleep(std::chrono::microseconds duration) const { return {*run_, *run_->start_timer(duration)}; }

  /// The next signal of that name: one that has come and was not read, or one to come. Several waits are served in the
  /// order in which they were made.
  template <class T>
  future<T> wait(const signal<T>& which) const {
    return {*run_, *run_->wait_signal(which.name, std::nullopt)};
  }
  /// The same, or nothing when the time is over.
  template <class T>
  future<std::optional<detail::non_void<T>>> wait(const signal<T>& which, std::chrono::microseconds limit) const {
    return {*run_, *run_->wait_signal(which.name, limit)};
  }

  /// Runs `f` once, in this process but outside the workflow (another thread, once everything decided before is
  /// durable), and journals what it returns. For short things that need no retries: reading a file, asking the clock.
  /// After a crash it may run a second time where its result was not durable yet. `f` owns what it uses: a reference to
  /// a local may be gone. Awaiting throws step_error when it threw.
  template <class F>
  auto step(std::string_view name, F&& f) const {
    static_assert(detail::safe_closure<F>,
                  "evermill: name the closure first (auto f = [...] {...}; co_await ctx.step(\"...\", f)): GCC 12 "
                  "destroys a closure temporary beside co_await twice");
    using function = std::remove_cvref_t<F>;
    using R = std::remove_cvref_t<std::invoke_result_t<function&>>;
    return future<R>(*run_, *run_->run_step(name, [f = function(std::forward<F>(f))]() mutable -> payload {
      if constexpr (std::is_void_v<R>) {
        f();
        return {};
      } else {
        return codec<R>::encode(f());
      }
    }));
  }

  /// Ends this run and starts the next of the same workflow with a new journal: for loops that never end. To be
  /// awaited; never goes on. Signals that were not read and a cancel request go along.
  template <class Input>
  detail::continue_awaitable continue_as_new(Input&& input) const {
    static_assert(detail::safe_beside_await<Input>,
                  "evermill: pass a named value: GCC 12 destroys an aggregate temporary beside co_await twice");
    return {*run_, codec<std::remove_cvref_t<Input>>::encode(input)};
  }
  detail::continue_awaitable continue_as_new() const { return {*run_, payload{}}; }

  /// Time of the event being handled: the same in a replay, never going back.
  std::chrono::sys_time<std::chrono::microseconds> now() const noexcept { return run_->now(); }
  /// Uniform over all 64-bit numbers; not for secrets.
  std::uint64_t random() const { return run_->random(); }
  /// A random UUID (RFC 9562, version 4) as text.
  std::string uuid() const { return run_->uuid(); }

  workflow_log log() const noexcept { return workflow_log(*run_); }
  void log(log_level level, std::string_view text) const { run_->log(level, text); }

  const std::string& workflow_id() const noexcept { return run_->workflow_id(); }
  const std::string& run_id() const noexcept { return run_->run_id(); }
  /// For code outside the workflow's logic only (metrics); decisions must not depend on it.
  bool replaying() const noexcept { return run_->replaying(); }
  bool cancel_requested() const noexcept { return run_->cancel_requested(); }

 private:
  detail::runtime* run_;
};

}  // namespace evermill
