/// @file
/// Futures of commands, and waiting for several of them.
///
/// A command is recorded when it is called; its future is only where its outcome arrives. So commands whose futures are
/// awaited later run at the same time. A future belongs to one workflow run, is not copied, and is awaited once:
/// `co_await std::move(f)`, or directly `co_await ctx.call(…)`. One that is dropped lets its command go on; what the
/// command gives is journaled and otherwise ignored.
#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "evermill/codec.hpp"
#include "evermill/lock.hpp"
#include "evermill/runtime.hpp"
#include "evermill/task.hpp"

namespace evermill {

namespace detail {
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class T>
T take_value(const cell& c) {
  if (c.error) std::rethrow_exception(c.error);
  if constexpr (is_optional<T>) {
    if (c.timed) {
      if (!c.value) return std::nullopt;
      return codec<typename T::value_type>::decode(*c.value);
    }
  }
  if constexpr (std::is_same_v<T, bool>) {
    if (c.timed) return c.value.has_value();
  }
  if constexpr (std::is_same_v<T, held_lock>) {
    return held_lock::take(c);
  } else if constexpr (!std::is_void_v<T>) {
    return codec<T>::decode(c.value ? *c.value : payload{});
  }
}
}  // namespace detail

/// What a command will give. Awaiting it gives the value or throws what the command ended with:
///   activity_error         the activity failed and is not tried again
///   child_workflow_error   the child did not complete, or could not be started
///   step_error             the step's function threw
///   payload_error          the value is there but is no T
///   canceled_error         it was canceled: by `cancel`, or by a cancel request for the whole execution
/// Every function throws std::logic_error on a future that was awaited or moved from before.
template <class T>
class [[nodiscard("co_await it, or keep it to await it later")]] future {
 public:
  /// @cond
  static constexpr bool durable = true;
  /// @endcond
  using value_type = T;  ///< what awaiting it gives; for a wait with a timeout a std::optional or bool

  /// For evermill itself.
  future(detail::runtime& rt, detail::cell_ref c) noexcept : runtime_(&rt), cell_(std::move(c)) {}
  /// Only before it is awaited. Of what was moved from, nothing but destruction and assignment is allowed.
  future(future&&) noexcept = default;
  /// As the constructor; the command that this one stood for goes on unheard.
  future& operator=(future&& other) noexcept {
    if (this == &other) return *this;
    drop();
    runtime_ = other.runtime_;
    cell_ = std::move(other.cell_);
    return *this;
  }
  ~future() { drop(); }

  /// Has the command ended? Awaiting does not wait then. The same in every replay.
  bool ready() const { return shared_cell()->is != detail::cell::state::pending; }

  /// Asks that the command end, and settles the future at once: awaiting it throws canceled_error. Does nothing when it
  /// was ready before. A timer is canceled; a wait takes no signal any more; an activity's attempt is told to stop and
  /// is not tried again; a child gets a cancel request; a step runs to its end; a human task is withdrawn; a lock is not
  /// waited for any more. Nobody waits for them to obey, except where an activity's options say otherwise
  /// (activity_cancellation): such a future is settled by the activity's end.
  void cancel() { detail::cancel(*runtime_, *shared_cell().get()); }

  /// @cond
  bool await_ready() const { return ready(); }
  void await_suspend(std::coroutine_handle<> awaiting) noexcept {
    waiter_.coroutine = awaiting;
    cell_->waiting = &waiter_;
  }
  T await_resume() {
    cell_->waiting = nullptr;
    return detail::take_value<T>(*cell_.get());
  }

  const detail::cell_ref& shared_cell() const {
    if (!cell_) throw std::logic_error("a future is used that was awaited or moved from before");
    return cell_;
  }
  /// @endcond

 private:
  void drop() noexcept {
    if (cell_ && cell_->waiting == &waiter_) cell_->waiting = nullptr;
    if constexpr (std::is_same_v<T, held_lock>) {
      if (cell_) detail::drop_lock(*runtime_, *cell_.get());
    }
  }

  detail::runtime* runtime_;
  detail::cell_ref cell_;
  detail::waiter waiter_;
};

namespace detail {

/// Cells that one coroutine waits for together.
class cell_group {
 public:
  explicit cell_group(std::vector<cell_ref> cells) noexcept : cells_(std::move(cells)) {}
  cell_group(cell_group&&) noexcept = default;
  ~cell_group() { stop_waiting(); }

  std::size_t size() const noexcept { return cells_.size(); }
  const cell& operator[](std::size_t i) const noexcept { return *cells_[i].get(); }

  /// The coroutine goes on after `needed` more of them are settled, or after one has failed.
  void wait(std::coroutine_handle<> awaiting, std::size_t needed) noexcept {
    waiter_ = {awaiting, needed, false};
    for (const cell_ref& c : cells_) c->waiting = &waiter_;
  }
  void stop_waiting() noexcept {
    for (const cell_ref& c : cells_) {
      if (c->waiting == &waiter_) c->waiting = nullptr;
    }
  }
  std::size_t pending() const noexcept {
    std::size_t count = 0;
    for (const cell_ref& c : cells_) count += c->is == cell::state::pending;
    return count;
  }
  /// The one that was settled first, by the journal, of those (or of the failed ones); size() where there is none.
  std::size_t first_settled(bool failed_only) const noexcept {
    std::size_t best = cells_.size();
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      if (cells_[i]->is == cell::state::pending || (failed_only && !cells_[i]->error)) continue;
      if (best == cells_.size() || cells_[i]->settled_as < cells_[best]->settled_as) best = i;
    }
    return best;
  }

 private:
  std::vector<cell_ref> cells_;
  waiter waiter_;
};

class [[nodiscard("co_await the race")]] race_awaiter {
 public:
  static constexpr bool durable = true;
  explicit race_awaiter(std::vector<cell_ref> cells) : cells_(std::move(cells)) {
    if (cells_.size() == 0) throw std::invalid_argument("a race of no futures has no winner");
  }
  bool await_ready() const noexcept { return cells_.pending() < cells_.size(); }
  void await_suspend(std::coroutine_handle<> awaiting) noexcept { cells_.wait(awaiting, 1); }
  std::size_t await_resume() noexcept {
    cells_.stop_waiting();
    return cells_.first_settled(false);
  }

 private:
  cell_group cells_;
};

template <class T>
std::vector<cell_ref> cells_of(const std::vector<future<T>>& futures) {
  std::vector<cell_ref> cells;
  cells.reserve(futures.size());
  for (const future<T>& f : futures) cells.push_back(f.shared_cell());
  return cells;
}
template <class... T>
std::vector<cell_ref> cells_of(const future<T>&... futures) {
  std::vector<cell_ref> cells;
  cells.reserve(sizeof...(T));
  (cells.push_back(futures.shared_cell()), ...);
  return cells;
}

/// The part of `all` that does not depend on what the futures give.
class all_awaiter {
 public:
  static constexpr bool durable = true;
  explicit all_awaiter(std::vector<cell_ref> cells) noexcept : cells_(std::move(cells)) {}
  bool await_ready() const noexcept { return cells_.pending() == 0 || cells_.first_settled(true) < cells_.size(); }
  void await_suspend(std::coroutine_handle<> awaiting) noexcept { cells_.wait(awaiting, cells_.pending()); }

 protected:
  void finish() {
    cells_.stop_waiting();
    const std::size_t failed = cells_.first_settled(true);
    if (failed < cells_.size()) std::rethrow_exception(cells_[failed].error);
  }

  cell_group cells_;
};

template <class T>
class [[nodiscard("co_await all of them")]] all_of_vector : public all_awaiter {
 public:
  using all_awaiter::all_awaiter;
  auto await_resume() {
    finish();
    if constexpr (!std::is_void_v<T>) {
      std::vector<T> values;
      values.reserve(cells_.size());
      for (std::size_t i = 0; i < cells_.size(); ++i) values.push_back(take_value<T>(cells_[i]));
      return values;
    }
  }
};

template <class T>
using value_of = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T>
value_of<T> value_or_monostate(const cell& c) {
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    return take_value<T>(c);
  }
}

template <class... T>
class [[nodiscard("co_await all of them")]] all_of_tuple : public all_awaiter {
 public:
  using all_awaiter::all_awaiter;
  auto await_resume() {
    finish();
    return take(std::index_sequence_for<T...>());
  }

 private:
  template <std::size_t... I>
  auto take(std::index_sequence<I...>) const {
    return std::tuple<value_of<T>...>{value_or_monostate<T>(cells_[I])...};
  }
};

template <class T>
inline constexpr bool is_future = false;
template <class T>
inline constexpr bool is_future<future<T>> = true;

template <class... F>
constexpr void check_named_futures() {
  static_assert(sizeof...(F) > 0, "there must be a future to wait for");
  static_assert((is_future<std::remove_cvref_t<F>> && ...), "only futures can be waited for together");
  static_assert((std::is_lvalue_reference_v<F> && ...),
                "name the futures first (auto a = ctx.call(…);) and pass them by name: the compiler may evaluate "
                "arguments in any order, and commands are journaled in the order in which they are asked for");
}

}  // namespace detail

/// Awaiting it gives the index of the future that is ready first, in the order of the journal; a failed or canceled one is
/// ready, too. The futures may be of any types, void among them, and stay as they are: await the winner next, and cancel
/// the losers that are not wanted any more. A cancel request makes all of them ready; the winner then throws
/// canceled_error when it is awaited. Throws std::invalid_argument for an empty vector.
template <class... F>
detail::race_awaiter race(F&&... futures) {
  detail::check_named_futures<F...>();
  return detail::race_awaiter(detail::cells_of(futures...));
}
/// The same for futures of one type: the index is that in the vector.
template <class T>
detail::race_awaiter race(const std::vector<future<T>>& futures) {
  return detail::race_awaiter(detail::cells_of(futures));
}

/// Awaiting it gives every value, in the order of the futures: a std::tuple, in which std::monostate stands for the value
/// of a future<void>. Throws as soon as one of them fails (of several that have failed, the first in the journal's
/// order); the others go on. The futures stay as they are, so the others can be canceled then.
template <class... F>
auto all(F&&... futures) {
  detail::check_named_futures<F...>();
  return detail::all_of_tuple<typename std::remove_cvref_t<F>::value_type...>(detail::cells_of(futures...));
}

/// The same for futures of one type: a std::vector of the values, in order; nothing for future<void>.
template <class T>
detail::all_of_vector<T> all(const std::vector<future<T>>& futures) {
  return detail::all_of_vector<T>(detail::cells_of(futures));
}
/// The same.
template <class T>
detail::all_of_vector<T> all(std::vector<future<T>>&& futures) {
  return detail::all_of_vector<T>(detail::cells_of(futures));
}
/// The same.
template <class T>
detail::all_of_vector<T> all(std::vector<future<T>>& futures) {
  return detail::all_of_vector<T>(detail::cells_of(futures));
}
/// The same.
template <class T>
detail::race_awaiter race(std::vector<future<T>>& futures) {
  return detail::race_awaiter(detail::cells_of(futures));
}

}  // namespace evermill
