/// @file
/// Sagas: steps that are each undone when a later one fails, newest first.
///
///     task<std::string> book(context ctx, saga undo, trip what) {
///       hotel_booking hotel = co_await ctx.call(book_hotel, what);
///       undo.add(ctx, cancel_hotel, hotel);
///       flight_booking flight = co_await ctx.call(book_flight, what);      // fails: the hotel is canceled
///       …
///     }
///     task<std::string> book_trip(context ctx, trip what) { co_return co_await with_saga(ctx, book, what); }
///
/// After Garcia-Molina and Salem, "Sagas" (SIGMOD 1987).
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "evermill/context.hpp"
#include "evermill/task.hpp"

namespace evermill {

/// What has to be done to undo what was done. Copies are the same saga. Used by the workflow's own code.
class saga {
 public:
  /// Undone by this activity, with this argument, which is copied. Nothing happens before `compensate`.
  template <class R, class A>
  void add(context ctx, const activity<R(A)>& undo, const std::type_identity_t<A>& argument) {
    add([ctx, undo, argument] { return call(ctx, undo, argument); });
  }
  /// Undone by what this gives: a function that owns what it uses and returns a task<void>.
  template <class F>
  void add(F undo) {
    static_assert(std::is_same_v<std::invoke_result_t<F&>, task<void>>, "a compensation gives a task<void>");
    undo_->push_back(std::move(undo));
  }
  /// Nothing is undone any more: for when the point of no return is passed.
  void clear() noexcept { undo_->clear(); }
  /// How many steps would be undone.
  std::size_t size() const noexcept { return undo_->size(); }

  /// For evermill itself: takes the newest.
  std::function<task<void>()> take() {
    std::function<task<void>()> newest = std::move(undo_->back());
    undo_->pop_back();
    return newest;
  }

 private:
  template <class R, class A>
  static task<void> call(context ctx, activity<R(A)> undo, A argument) {
    future<R> done = ctx.call(undo, argument);
    co_await std::move(done);
  }

  std::shared_ptr<std::vector<std::function<task<void>()>>> undo_ =
      std::make_shared<std::vector<std::function<task<void>()>>>();
};

/// Undoes everything, newest first, one after the other; also what comes after a compensation that fails: the first failure
/// is thrown at the end. Compensations should be made with a shielded context, or a cancel request interrupts them.
inline task<void> compensate(saga undo) {
  std::exception_ptr failed;
  while (undo.size() > 0) {
    const std::function<task<void>()> next = undo.take();
    try {
      task<void> undoing = next();
      co_await std::move(undoing);
    } catch (...) {
      if (!failed) failed = std::current_exception();
    }
  }
  if (failed) std::rethrow_exception(failed);
}

/// Runs `body(context, saga, argument)`. Where it throws, for a cancel request too, everything that was added to the saga is
/// undone, and what it threw is thrown on; the failure of a compensation is thrown instead.
template <class R, class A>
task<R> with_saga(context ctx, task<R> (*body)(context, saga, A), std::type_identity_t<A> argument) {
  saga undo;
  std::exception_ptr failed;
  try {
    task<R> doing = body(ctx, undo, std::move(argument));
    if constexpr (std::is_void_v<R>) {
      co_await std::move(doing);
      co_return;
    } else {
      R result = co_await std::move(doing);
      co_return std::move(result);
    }
  } catch (...) {
    failed = std::current_exception();  // co_await is not allowed here
  }
  task<void> undoing = compensate(undo);
  co_await std::move(undoing);
  std::rethrow_exception(failed);
}

}  // namespace evermill
