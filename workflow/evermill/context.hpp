// What a workflow does with the world: everything it asks for is journaled and comes back the same in every replay.
//
// A workflow's own code must be deterministic: time, randomness and I/O only through its context.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "evermill/codec.hpp"
#include "evermill/future.hpp"
#include "evermill/handles.hpp"
#include "evermill/runtime.hpp"
#include "evermill/task.hpp"

namespace evermill {

namespace detail {
/// GCC 12 destroys such a temporary twice when its full expression has a co_await.
template <class A>
inline constexpr bool await_safe = std::is_lvalue_reference_v<A> || std::is_trivially_destructible_v<A> ||
                                   !std::is_aggregate_v<std::remove_cvref_t<A>>;

template <class A, class... In>
payload encode_input(In&&... in) {
  static_assert((await_safe<In> && ...),
                "pass the fields, or a named value: GCC 12 destroys aggregate temporaries next to co_await twice");
  if constexpr (sizeof...(In) == 1 && (std::is_same_v<std::remove_cvref_t<In>, A> && ...)) {
    return codec<A>::encode(in...);
  } else {
    const A input{std::forward<In>(in)...};
    return codec<A>::encode(input);
  }
}

struct never {
  static constexpr bool durable = true;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  void await_resume() const noexcept {}
};
}  // namespace detail

/// Passed by value as the first parameter of every workflow coroutine; valid for the life of the run.
class context {
 public:
  explicit context(detail::runtime& rt) noexcept : runtime_(&rt) {}

  /// Schedules an activity. Its argument is built from `fields`, or is given as one named value.
  template <class R, class A, class... In>
  future<R> call(const activity<R(A)>& what, In&&... fields) const {
    return {*runtime_, detail::schedule_activity(*runtime_, what.name, what.options,
                                                 detail::encode_input<A>(std::forward<In>(fields)...))};
  }
  template <class R>
  future<R> call(const activity<R()>& what) const {
    return {*runtime_, detail::schedule_activity(*runtime_, what.name, what.options, payload{})};
  }

  /// Starts a child workflow; the future is its result. `id` names the child; without one it gets an id of its own.
  template <class R, class A, class... In>
  future<R> start(task<R> (*child)(context, A), In&&... fields) const {
    return start_as<R, A>({}, child, std::forward<In>(fields)...);
  }
  template <class R>
  future<R> start(task<R> (*child)(context)) const {
    return {*runtime_, detail::start_child(*runtime_, name_of(child), {}, payload{})};
  }
  template <class R, class A, class... In>
  future<R> start(const child_workflow<R(A)>& child, In&&... fields) const {
    return {*runtime_,
            detail::start_child(*runtime_, child.name, {}, detail::encode_input<A>(std::forward<In>(fields)...))};
  }
  template <class R, class A, class... In>
  future<R> start_as(std::string_view id, task<R> (*child)(context, A), In&&... fields) const {
    return {*runtime_,
            detail::start_child(*runtime_, name_of(child), id, detail::encode_input<A>(std::forward<In>(fields)...))};
  }

  /// A durable timer.
  template <class Rep, class Period>
  future<void> sleep(std::chrono::duration<Rep, Period> delay) const {
    return {*runtime_, detail::start_timer(*runtime_, std::chrono::ceil<std::chrono::microseconds>(delay))};
  }

  /// The oldest signal of this name that was not read yet, or the next one to come.
  template <class T>
  future<T> wait(const signal<T>& which) const {
    return {*runtime_, detail::wait_signal(*runtime_, which.name)};
  }
  /// The same; nothing when none comes in time.
  template <class T, class Rep, class Period>
  future<std::optional<T>> wait(const signal<T>& which, std::chrono::duration<Rep, Period> timeout) const {
    return {*runtime_,
            detail::wait_signal(*runtime_, which.name, std::chrono::ceil<std::chrono::microseconds>(timeout)), true};
  }

  /// Runs `f` once, off the workflow's thread, when everything decided before is durable; its result is journaled. After
  /// a crash it may run again. `f` must own what it uses: it runs while the workflow may go on.
  template <class F>
  auto step(std::string_view name, F&& f) const -> future<std::invoke_result_t<std::decay_t<F>&>> {
    static_assert(std::is_lvalue_reference_v<F> || std::is_trivially_destructible_v<std::decay_t<F>>,
                  "name the step's function first (auto f = [x] {…}; co_await ctx.step(\"name\", f);): GCC 12 destroys "
                  "closure temporaries next to co_await twice");
    using R = std::invoke_result_t<std::decay_t<F>&>;
    return {*runtime_, detail::schedule_step(*runtime_, name, [f = std::decay_t<F>(std::forward<F>(f))]() mutable {
              if constexpr (std::is_void_v<R>) {
                f();
                return payload{};
              } else {
                return codec<std::remove_cvref_t<R>>::encode(f());
              }
            })};
  }

  /// Ends this run and starts the next one of the same workflow with this input, in one commit. Signals that were not read
  /// are carried along. Await it: it does not return.
  template <class A>
  detail::never continue_as_new(const A& input) const {
    detail::continue_as_new(*runtime_, codec<A>::encode(input));
    return {};
  }
  detail::never continue_as_new() const {
    detail::continue_as_new(*runtime_, payload{});
    return {};
  }

  /// The time of the event that is being handled; never goes back.
  std::chrono::sys_time<std::chrono::microseconds> now() const { return detail::now(*runtime_); }
  std::uint64_t random() const { return detail::random(*runtime_); }
  std::string uuid() const { return detail::uuid(*runtime_); }
  /// Writes to the engine's log, once: not again in a replay.
  void log(std::string_view message) const { detail::write_log(*runtime_, message); }
  bool replaying() const { return detail::replaying(*runtime_); }
  bool cancel_requested() const { return detail::cancel_requested(*runtime_); }
  const std::string& workflow_id() const { return detail::workflow_id(*runtime_); }
  const std::string& run_id() const { return detail::run_id(*runtime_); }

 private:
  template <class F>
  const std::string& name_of(F* function) const {
    return detail::name_of_workflow(*runtime_, reinterpret_cast<const void*>(function));
  }

  detail::runtime* runtime_;
};

}  // namespace evermill
