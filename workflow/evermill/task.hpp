// task<T>: the coroutine type of workflows and of the parts they are made of.
//
//   evermill::task<std::string> fulfil_order(evermill::context ctx, Order order) { …; co_return "done"; }
//
// A task does nothing until it is awaited. Its function takes its parameters by value: they live in the coroutine as
// long as it does, which can be years; what a reference, pointer or view refers to does not. It can await durable
// things only: what a context hands out, all(), race(), and other tasks.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "detail/runtime.hpp"

namespace evermill {

template <class T = void>
class task;

namespace detail {

/// Marks what a workflow may await: its completion comes from the journal.
template <class A>
concept durable = requires {
  typename A::durable_awaitable;
};

struct promise_base {
  runtime* run = nullptr;
  std::coroutine_handle<> continuation;
  std::exception_ptr error;

  struct wake_continuation {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h) const noexcept {
      promise_base& promise = h.promise();
      if (promise.continuation) promise.run->ready.push(promise.continuation);
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() noexcept { return {}; }
  wake_continuation final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { error = std::current_exception(); }

  /// Rvalues only, and by value: GCC 12 copies what is awaited through a reference.
  template <class A>
  std::remove_cvref_t<A> await_transform(A&& awaitable) {
    static_assert(durable<std::remove_cvref_t<A>>,
                  "evermill: a workflow can co_await only what a context hands out, all(), race() and tasks: anything "
                  "else would not be the same in a replay");
    static_assert(!std::is_lvalue_reference_v<A>, "evermill: a future or task is awaited once: co_await std::move(it)");
    return std::move(awaitable);
  }
};

template <class T>
struct promise : promise_base {
  std::optional<T> value;

  task<T> get_return_object() noexcept;
  template <class U>
  requires std::is_constructible_v<T, U&&>
  void return_value(U&& result) { value.emplace(std::forward<U>(result)); }
  T take() {
    if (error) std::rethrow_exception(error);
    return std::move(*value);
  }
};

template <>
struct promise<void> : promise_base {
  task<void> get_return_object() noexcept;
  void return_void() noexcept {}
  void take() {
    if (error) std::rethrow_exception(error);
  }
};

template <class T>
inline constexpr bool is_span = false;
template <class T, std::size_t Extent>
inline constexpr bool is_span<std::span<T, Extent>> = true;
template <class T>
inline constexpr bool is_string_view = false;
template <class Char, class Traits>
inline constexpr bool is_string_view<std::basic_string_view<Char, Traits>> = true;
template <class T>
inline constexpr bool is_object_pointer = std::is_pointer_v<T> && !std::is_function_v<std::remove_pointer_t<T>>;

}  // namespace detail

/// Move-only; owns the coroutine.
template <class T>
class [[nodiscard]] task {
 public:
  using promise_type = detail::promise<T>;
  using handle = std::coroutine_handle<promise_type>;
  using durable_awaitable = void;
  using value_type = T;

  explicit task(handle h) noexcept : handle_(h) {}
  task(task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const {
    if (!handle_) detail::throw_moved_from();
    return false;
  }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> awaiting) {
    detail::promise_base& own = handle_.promise();
    own.continuation = awaiting;
    own.run = static_cast<detail::promise_base&>(awaiting.promise()).run;
    own.run->ready.push(handle_);
  }
  T await_resume() { return handle_.promise().take(); }

  /// Gives the coroutine up to the caller, who destroys it.
  handle release() noexcept { return std::exchange(handle_, {}); }

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

template <class T, class... Parameters>
struct std::coroutine_traits<evermill::task<T>, Parameters...> {
  static_assert((!std::is_reference_v<Parameters> && ...),
                "evermill: a task takes its parameters by value: what a reference refers to may be gone when the "
                "coroutine goes on (a lambda or member function has a hidden one: use a free function)");
  static_assert((!evermill::detail::is_object_pointer<Parameters> && ...),
                "evermill: a task takes its parameters by value: what a pointer points to may be gone when the "
                "coroutine goes on, and is not there in a replay");
  static_assert((!evermill::detail::is_string_view<std::remove_cv_t<Parameters>> && ...),
                "evermill: a task takes std::string, not std::string_view: the text may be gone when the coroutine "
                "goes on");
  static_assert((!evermill::detail::is_span<std::remove_cv_t<Parameters>> && ...),
                "evermill: a task takes std::vector, not std::span: the elements may be gone when the coroutine goes "
                "on");
  using promise_type = evermill::detail::promise<T>;
};
