/// @file
/// How a running workflow answers others: queries look at it, updates change it.
///
///     task<std::string> cart(context ctx) {
///       auto state = std::make_shared<cart_state>();
///       auto looking = ctx.on_query(total, [state] { return state->cents; });
///       auto adding = ctx.on_update(add_item, [state](item what) { return state->add(what); },
///                                   [](const item& what) { if (what.cents < 0) throw application_error("BadPrice", "…"); });
///       co_await ctx.wait(checkout);
///       …
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "evermill/codec.hpp"
#include "evermill/handles.hpp"
#include "evermill/root.hpp"
#include "evermill/runtime.hpp"
#include "evermill/task.hpp"

namespace evermill {

/// While it lives, its query or update is answered. Made by ctx.on_query and ctx.on_update; stays in the workflow's own
/// code, for example as a local of its coroutine.
class [[nodiscard("the handler is gone with it: keep it in a local, or call keep()")]] handler {
 public:
  /// For evermill itself.
  handler(detail::runtime& rt, std::uint64_t id) noexcept : runtime_(&rt), id_(id) {}
  /// What was moved from keeps nothing alive.
  handler(handler&& other) noexcept : runtime_(std::exchange(other.runtime_, nullptr)), id_(other.id_) {}
  /// Exchanges the two: what this one kept alive goes with `other`.
  handler& operator=(handler&& other) noexcept {
    std::swap(runtime_, other.runtime_);
    std::swap(id_, other.id_);
    return *this;
  }
  ~handler() {
    if (runtime_ != nullptr) detail::remove_handler(*runtime_, id_);
  }

  /// Stays for as long as the run, a query's also after its end. Its function must own what it uses then (a shared_ptr
  /// by value), as the workflow's locals are gone.
  void keep() && noexcept { runtime_ = nullptr; }

 private:
  detail::runtime* runtime_;
  std::uint64_t id_;
};

namespace detail {

template <class T>
struct task_result {
  static constexpr bool is_task = false;
  using type = T;
};
template <class T>
struct task_result<task<T>> {
  static constexpr bool is_task = true;
  using type = T;
};

/// Calls `f(arguments…)`; its value, encoded as an R.
template <class R, class F, class... A>
std::optional<payload> call_and_encode(F& f, A&&... arguments) {
  if constexpr (std::is_void_v<R>) {
    f(std::forward<A>(arguments)...);
    return std::nullopt;
  } else {
    return codec<R>::encode(f(std::forward<A>(arguments)...));
  }
}

/// The same where `f` may also be something that gives a task: then that is to be run.
template <class R, class F, class... A>
std::unique_ptr<root> call_or_begin(runtime& rt, F& f, A&&... arguments) {
  using returned = std::invoke_result_t<F&, A...>;
  if constexpr (task_result<returned>::is_task) {
    return std::make_unique<root_of<typename task_result<returned>::type>>(rt, f(std::forward<A>(arguments)...));
  } else {
    return std::make_unique<done_root>(call_and_encode<R>(f, std::forward<A>(arguments)...));
  }
}

template <class R, class F, class... A>
constexpr bool check_handler() {
  static_assert(std::is_invocable_v<F&, A...>, "the handler takes what its handle says");
  static_assert(std::is_same_v<typename task_result<std::invoke_result_t<F&, A...>>::type, R> ||
                    std::is_convertible_v<std::invoke_result_t<F&, A...>, R>,
                "the handler gives what its handle says");
  static_assert(std::is_copy_constructible_v<F>, "a handler must be copyable: evermill keeps it in a std::function");
  return true;
}

}  // namespace detail
}  // namespace evermill
