// Futures of commands, and waiting for several of them.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "evermill/codec.hpp"
#include "evermill/runtime.hpp"
#include "evermill/task.hpp"

namespace evermill {

namespace detail {
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class T>
T take_value(cell& c, bool timed) {
  if (c.error) std::rethrow_exception(c.error);
  if constexpr (is_optional<T>) {
    if (timed) {
      if (!c.value) return std::nullopt;
      return codec<typename T::value_type>::decode(*c.value);
    }
  }
  if constexpr (!std::is_void_v<T>) return codec<T>::decode(c.value ? *c.value : payload{});
}
}  // namespace detail

/// A command that is recorded already; awaiting only waits. Throws what the command ended with: activity_error,
/// child_workflow_error, step_error, canceled_error, payload_error.
template <class T>
class [[nodiscard]] future {
 public:
  static constexpr bool durable = true;

  /// `timed`: T is std::optional and no value means that the time was up.
  future(detail::runtime& rt, detail::cell_ref c, bool timed = false) noexcept
      : runtime_(&rt), cell_(std::move(c)), timed_(timed) {}
  future(future&&) noexcept = default;
  future& operator=(future&&) noexcept = default;
  ~future() {
    if (cell_ && cell_->waiting == &waiter_) cell_->waiting = nullptr;
  }

  bool ready() const noexcept { return cell_->is != detail::cell::state::pending; }
  /// Asks that it end: a timer is canceled, an activity and a child are told. Awaiting it then throws canceled_error,
  /// unless it was ready before.
  void cancel() { detail::cancel(*runtime_, *cell_.get()); }

  bool await_ready() const noexcept { return ready(); }
  void await_suspend(std::coroutine_handle<> awaiting) noexcept {
    waiter_ = {awaiting, false};
    cell_->waiting = &waiter_;
  }
  T await_resume() {
    cell_->waiting = nullptr;
    return detail::take_value<T>(*cell_.get(), timed_);
  }

  const detail::cell_ref& shared_cell() const noexcept { return cell_; }

 private:
  detail::runtime* runtime_;
  detail::cell_ref cell_;
  detail::waiter waiter_;
  bool timed_;
};

namespace detail {

/// Waits until one of the cells is settled; gives the index of the one that was settled first, by the journal.
class race_awaiter {
 public:
  static constexpr bool durable = true;
  explicit race_awaiter(std::vector<cell_ref> cells) noexcept : cells_(std::move(cells)) {}

  bool await_ready() const noexcept { return first() < cells_.size(); }
  void await_suspend(std::coroutine_handle<> awaiting) noexcept {
    waiter_ = {awaiting, false};
    for (const cell_ref& c : cells_) c->waiting = &waiter_;
  }
  std::size_t await_resume() noexcept {
    for (const cell_ref& c : cells_) c->waiting = nullptr;
    return first();
  }

 private:
  std::size_t first() const noexcept {
    std::size_t best = cells_.size();
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      if (cells_[i]->is == cell::state::pending) continue;
      if (best == cells_.size() || cells_[i]->settled_as < cells_[best]->settled_as) best = i;
    }
    return best;
  }

  std::vector<cell_ref> cells_;
  waiter waiter_;
};

}  // namespace detail

/// The index of the future that is ready first, in the order of the journal. All stay as they are: await the winner next,
/// cancel the losers if they are not wanted.
template <class... T>
detail::race_awaiter race(const future<T>&... futures) {
  static_assert(sizeof...(T) > 0, "a race needs a future");
  std::vector<detail::cell_ref> cells;
  cells.reserve(sizeof...(T));
  (cells.push_back(futures.shared_cell()), ...);
  return detail::race_awaiter(std::move(cells));
}

template <class T>
detail::race_awaiter race(const std::vector<future<T>>& futures) {
  std::vector<detail::cell_ref> cells;
  cells.reserve(futures.size());
  for (const future<T>& f : futures) cells.push_back(f.shared_cell());
  return detail::race_awaiter(std::move(cells));
}

/// Every result, in the order of the futures; throws the first error in that order.
template <class T>
  requires(!std::is_void_v<T>)
task<std::vector<T>> all(std::vector<future<T>> futures) {
  std::vector<T> results;
  results.reserve(futures.size());
  for (future<T>& f : futures) {
    T result = co_await std::move(f);
    results.push_back(std::move(result));
  }
  co_return results;
}

inline task<void> all(std::vector<future<void>> futures) {
  for (future<void>& f : futures) co_await std::move(f);
}

template <class A, class B, class... More>
task<std::tuple<A, B, More...>> all(future<A> a, future<B> b, future<More>... more) {
  A first = co_await std::move(a);
  B second = co_await std::move(b);
  if constexpr (sizeof...(More) == 0) {
    co_return std::tuple<A, B>(std::move(first), std::move(second));
  } else {
    std::tuple<std::optional<More>...> rest;
    auto pending = std::tuple<future<More>...>(std::move(more)...);
    static_assert(sizeof...(More) <= 2, "all() takes up to four futures; use a vector for more");
    std::get<0>(rest) = co_await std::move(std::get<0>(pending));
    if constexpr (sizeof...(More) == 2) std::get<1>(rest) = co_await std::move(std::get<1>(pending));
    co_return std::apply(
        [&](auto&... values) { return std::tuple<A, B, More...>(std::move(first), std::move(second), std::move(*values)...); },
        rest);
  }
}

}  // namespace evermill
