/// @file
/// task<T>: what a workflow, or a part of one, returns.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "evermill/runtime.hpp"

namespace evermill {

class context;
template <class T>
class task;

namespace detail {

struct promise_base {
  runtime* rt = nullptr;
  std::coroutine_handle<> parent;
  std::exception_ptr error;

  // By value: GCC 12 copies what it is given by reference here.
  template <class A>
    requires std::remove_cvref_t<A>::durable
  std::remove_cvref_t<A> await_transform(A&& awaitable) noexcept {
    static_assert(!std::is_lvalue_reference_v<A>, "co_await takes a future or task over: write co_await std::move(it)");
    return std::move(awaitable);
  }
  template <class A>
  void await_transform(A&&) {
    static_assert(!std::is_same_v<A, A>,
                  "a workflow can only co_await what evermill gives it: nothing else would replay");
  }

  std::suspend_always initial_suspend() const noexcept { return {}; }

  struct at_end {
    bool await_ready() const noexcept { return false; }
    template <class P>
    void await_suspend(std::coroutine_handle<P> ended) const noexcept {
      // Not resumed from here: a loop of awaits would grow the stack.
      if (ended.promise().parent) make_ready(*ended.promise().rt, ended.promise().parent);
    }
    void await_resume() const noexcept {}
  };
  at_end final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { error = std::current_exception(); }
};

template <class T>
struct promise : promise_base {
  std::optional<T> value;
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  task<T> get_return_object() noexcept;
  T take() {
    if (error) std::rethrow_exception(error);
    return std::move(*value);
  }
};

template <>
struct promise<void> : promise_base {
  void return_void() const noexcept {}
  task<void> get_return_object() noexcept;
  void take() const {
    if (error) std::rethrow_exception(error);
  }
};

}  // namespace detail

/// A workflow, or a part of one: a coroutine that takes a context and values and gives a T. It starts when it is awaited,
/// is awaited once (`co_await part(ctx, 5)`, or `co_await std::move(it)` by name), and is destroyed with its task.
/// Awaiting gives its result or throws what it threw; where it was awaited or moved from before, std::logic_error.
///
/// Parameters must be values: the compiler refuses references, pointers and views, and with them member functions and
/// lambdas, whose object is a hidden reference. In its body only futures, tasks, `race`, `all` and `continue_as_new` can
/// be awaited.
template <class T = void>
class [[nodiscard("a task runs when it is awaited: co_await it")]] task {
 public:
  /// @cond
  static constexpr bool durable = true;
  using promise_type = detail::promise<T>;
  using handle = std::coroutine_handle<promise_type>;

  explicit task(handle h) noexcept : handle_(h) {}
  /// @endcond
  /// What was moved from can't be awaited.
  task(task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  /// Exchanges the two.
  task& operator=(task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~task() {
    if (handle_) handle_.destroy();
  }

  /// @cond
  struct awaiter {
    handle awaited;
    bool await_ready() const {
      if (!awaited) throw std::logic_error("a task is awaited that was awaited or moved from before");
      return false;
    }
    template <class P>
    void await_suspend(std::coroutine_handle<P> parent) const noexcept {
      awaited.promise().parent = parent;
      awaited.promise().rt = parent.promise().rt;
      make_ready(*parent.promise().rt, awaited);
    }
    T await_resume() const { return awaited.promise().take(); }
  };
  awaiter operator co_await() && noexcept { return {handle_}; }

  /// For the engine: the coroutine itself.
  handle coroutine() const noexcept { return handle_; }
  /// @endcond

 private:
  handle handle_;
};

template <class T>
task<T> detail::promise<T>::get_return_object() noexcept {
  return task<T>(std::coroutine_handle<promise<T>>::from_promise(*this));
}
inline task<void> detail::promise<void>::get_return_object() noexcept {
  return task<void>(std::coroutine_handle<promise<void>>::from_promise(*this));
}

}  // namespace evermill

/// @cond
template <class T, class... Args>
struct std::coroutine_traits<evermill::task<T>, Args...> {
  static_assert((evermill::detail::owns_itself<Args> && ...),
                "workflow coroutines are free functions that take values: a reference, pointer or view, and the object "
                "of a lambda or member function, may dangle across co_await");
  using promise_type = evermill::detail::promise<T>;
};
/// @endcond
