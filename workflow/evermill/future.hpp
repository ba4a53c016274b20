// future<T>: something that was asked for and is on its way; all() and race() over several.
//
// Asking is what a context's function does; awaiting only waits. So activities that are called one after the other and
// awaited later run at the same time.
#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "codec.hpp"
#include "detail/runtime.hpp"

namespace evermill {

namespace detail {

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class T>
using non_void = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

struct operation_of;

/// What a completed operation gives; throws where it did not complete.
template <class T>
T take(operation& op) {
  if constexpr (is_optional<T>) {
    if (op.is == operation::state::timed_out) return std::nullopt;
    if (op.is == operation::state::completed && op.timed) return codec<typename T::value_type>::decode(op.result);
  }
  if (op.is != operation::state::completed) throw_outcome(op);
  if constexpr (!std::is_void_v<T>) return codec<T>::decode(op.result);
}

}  // namespace detail

/// Move-only. Dropping it does not cancel what was asked for: the result is ignored (a wait for a signal is given up,
/// the signal stays for the next). Await it at most once, as an rvalue.
template <class T>
class [[nodiscard]] future {
 public:
  using durable_awaitable = void;
  using value_type = T;

  future(detail::runtime& run, detail::operation& op) noexcept : run_(&run), op_(&op) { op.held_by_future = true; }
  future(future&& other) noexcept : run_(other.run_), op_(std::exchange(other.op_, nullptr)) {}
  future& operator=(future&& other) noexcept {
    if (this != &other) {
      drop();
      run_ = other.run_;
      op_ = std::exchange(other.op_, nullptr);
    }
    return *this;
  }
  ~future() { drop(); }

  /// Would awaiting it go on at once?
  bool ready() const { return operation().done(); }

  /// Asks for its end: an activity and a child are told, a timer and a wait are over. Awaiting it throws canceled_error
  /// at once, whatever comes later. Does nothing when it is ready.
  void cancel() {
    if (!operation().done()) run_->cancel(*op_);
  }

  bool await_ready() const { return operation().done(); }
  void await_suspend(std::coroutine_handle<> h) noexcept {
    op_->alone = {h, 1, false};
    op_->waiter = &op_->alone;
  }
  T await_resume() { return detail::take<T>(*op_); }

 private:
  friend struct detail::operation_of;

  detail::operation& operation() const {
    if (op_ == nullptr) detail::throw_moved_from();
    return *op_;
  }
  void drop() noexcept {
    if (op_ != nullptr) run_->release(*std::exchange(op_, nullptr));
  }

  detail::runtime* run_;
  detail::operation* op_;
};

namespace detail {

struct operation_of {
  template <class T>
  operation* operator()(const future<T>& f) const {
    return &f.operation();
  }
};

/// One coroutine that waits for several operations: for one of them or for all.
class group_wait {
 public:
  explicit group_wait(std::vector<operation*> operations) : operations_(std::move(operations)) {}
  group_wait(group_wait&& other) noexcept : operations_(std::move(other.operations_)) {}
  group_wait& operator=(group_wait&&) = delete;
  ~group_wait() { detach(); }

  std::size_t open() const noexcept;
  /// Wakes the coroutine when `how_many` more have completed, or one has failed where `wake_on_failure`.
  void suspend(std::coroutine_handle<> h, std::size_t how_many, bool wake_on_failure) noexcept;
  /// Waits for none of them any more.
  void detach() noexcept;
  /// Index of the one that completed first in the journal's order; `failed_only`: among those that did not complete
  /// well. operations().size() when there is none.
  std::size_t first(bool failed_only) const noexcept;
  const std::vector<operation*>& operations() const noexcept { return operations_; }

 private:
  std::vector<operation*> operations_;
  wait_group group_;
};

class race_awaitable {
 public:
  using durable_awaitable = void;
  explicit race_awaitable(std::vector<operation*> operations);

  bool await_ready() const noexcept { return wait_.open() < wait_.operations().size(); }
  void await_suspend(std::coroutine_handle<> h) noexcept { wait_.suspend(h, 1, false); }
  std::size_t await_resume() noexcept {
    wait_.detach();
    return wait_.first(false);
  }

 private:
  group_wait wait_;
};

/// Waits until all have completed or one has failed; throws what the first that failed throws.
class all_awaitable_base {
 public:
  using durable_awaitable = void;
  explicit all_awaitable_base(std::vector<operation*> operations) : wait_(std::move(operations)) {}

  bool await_ready() const noexcept { return wait_.open() == 0 || failed() != nullptr; }
  void await_suspend(std::coroutine_handle<> h) noexcept { wait_.suspend(h, wait_.open(), true); }

 protected:
  void finish() {
    wait_.detach();
    if (const operation* op = failed()) throw_outcome(*op);
  }
  operation& at(std::size_t i) const noexcept { return *wait_.operations()[i]; }

 private:
  const operation* failed() const noexcept {
    const std::size_t i = wait_.first(true);
    return i < wait_.operations().size() ? wait_.operations()[i] : nullptr;
  }
  group_wait wait_;
};

template <class T>
std::vector<operation*> operations_in(const std::vector<future<T>>& futures) {
  std::vector<operation*> operations;
  operations.reserve(futures.size());
  for (const future<T>& f : futures) operations.push_back(operation_of{}(f));
  return operations;
}

template <class T>
class all_of_vector : public all_awaitable_base {
 public:
  explicit all_of_vector(std::vector<future<T>> futures)
      : all_awaitable_base(operations_in(futures)), futures_(std::move(futures)) {}

  auto await_resume() {
    finish();
    if constexpr (!std::is_void_v<T>) {
      std::vector<T> values;
      values.reserve(futures_.size());
      for (std::size_t i = 0; i < futures_.size(); ++i) values.push_back(take<T>(at(i)));
      return values;
    }
  }

 private:
  std::vector<future<T>> futures_;
};

template <class... T>
class all_of_tuple : public all_awaitable_base {
 public:
  explicit all_of_tuple(future<T>... futures)
      : all_awaitable_base({operation_of{}(futures)...}), futures_(std::move(futures)...) {}

  std::tuple<non_void<T>...> await_resume() {
    finish();
    return take_all(std::index_sequence_for<T...>{});
  }

 private:
  template <class U>
  static non_void<U> take_one(operation& op) {
    if constexpr (std::is_void_v<U>) {
      return {};
    } else {
      return take<U>(op);
    }
  }
  template <std::size_t... I>
  std::tuple<non_void<T>...> take_all(std::index_sequence<I...>) {
    return {take_one<T>(at(I))...};
  }
  std::tuple<future<T>...> futures_;
};

}  // namespace detail

/// Awaits all of them: their values in the order of the vector (nothing for void). Throws the error of the first that
/// fails, in the journal's order, as soon as it does; the others go on and are ignored.
template <class T>
[[nodiscard]] detail::all_of_vector<T> all(std::vector<future<T>> futures) {
  return detail::all_of_vector<T>(std::move(futures));
}

/// The same for futures of several types: a tuple, with std::monostate for void.
template <class... T>
[[nodiscard]] detail::all_of_tuple<T...> all(future<T>... futures) {
  return detail::all_of_tuple<T...>(std::move(futures)...);
}

/// Awaits the first of them to complete, fail or be canceled, in the journal's order: its index. All stay yours, and
/// the losers open: await or cancel them. std::invalid_argument for no futures.
template <class... T>
[[nodiscard]] detail::race_awaitable race(future<T>&... futures) {
  return detail::race_awaitable({detail::operation_of{}(futures)...});
}

template <class T>
[[nodiscard]] detail::race_awaitable race(std::vector<future<T>>& futures) {
  return detail::race_awaitable(detail::operations_in(futures));
}

}  // namespace evermill
