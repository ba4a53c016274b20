// registry: which code the names of workflows and activities stand for.
//
//   evermill::registry registry;
//   registry.add("fulfil_order", fulfil_order);
//   registry.add(charge_card, [](const Charge& charge) { return Receipt{…}; });
//   registry.add(resize, [](evermill::activity_context& attempt, const Image& image) { … });
#pragma once

#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "activity_context.hpp"
#include "codec.hpp"
#include "context.hpp"
#include "exceptions.hpp"
#include "handles.hpp"
#include "payload.hpp"
#include "task.hpp"

namespace evermill {

namespace detail {

struct registry_data;

/// A workflow's outermost coroutine, not yet resumed. Owned by whoever has it.
struct root_coroutine {
  std::coroutine_handle<> coroutine;
  promise_base* promise = nullptr;
  /// Of the finished coroutine: what it returned, encoded; nothing for void. Throws what it threw.
  std::optional<payload> (*take)(std::coroutine_handle<>) = nullptr;
};

template <class R>
root_coroutine make_root(task<R> workflow) {
  const std::coroutine_handle<promise<R>> handle = workflow.release();
  const auto take = [](std::coroutine_handle<> erased) -> std::optional<payload> {
    auto& finished = std::coroutine_handle<promise<R>>::from_address(erased.address()).promise();
    if constexpr (std::is_void_v<R>) {
      finished.take();
      return std::nullopt;
    } else {
      return codec<R>::encode(finished.take());
    }
  };
  return {handle, &handle.promise(), take};
}

}  // namespace detail

struct workflow_definition {
  std::string name;
  const void* function = nullptr;  ///< the registered function
  /// Decodes the input and makes the coroutine. Throws payload_error.
  std::function<detail::root_coroutine(context, const payload& input)> start;
  const detail::registry_data* owner = nullptr;  ///< where the names of children are looked up
};

struct activity_definition {
  using outcome = std::variant<std::optional<payload>, failure>;
  std::string name;
  /// Runs one attempt; thread-safe where the function is. Does not throw: an exception comes back as a failure of kind
  /// application (type: application_error's, or the exception's C++ type), canceled, or invalid_payload.
  std::function<outcome(activity_context&, const payload& input)> run;
};

/// Copies are cheap and independent: adding to one does not change another. Reading is thread-safe. A definition keeps
/// its address until the last registry that has it is gone or is added to.
class registry {
 public:
  registry();

  /// A workflow: task<R> f(context) or task<R> f(context, A). std::invalid_argument: the name is empty or taken.
  template <class R>
  void add(std::string_view name, task<R> (*workflow)(context)) {
    add_workflow({std::string(name), reinterpret_cast<const void*>(workflow),
                  [workflow](context ctx, const payload&) { return detail::make_root(workflow(ctx)); }});
  }
  template <class R, class A>
  void add(std::string_view name, task<R> (*workflow)(context, A)) {
    add_workflow(
        {std::string(name), reinterpret_cast<const void*>(workflow), [workflow](context ctx, const payload& input) {
           return detail::make_root(workflow(ctx, codec<std::remove_cv_t<A>>::decode(input)));
         }});
  }
  template <class R>
  void add(const child_workflow<R()>& handle, task<R> (*workflow)(context)) {
    add(handle.name, workflow);
  }
  template <class R, class A>
  void add(const child_workflow<R(A)>& handle, task<R> (*workflow)(context, A)) {
    add(handle.name, workflow);
  }

  /// An activity: `f` is called with the input, and before it the activity_context where it takes that. It is called
  /// from several threads at once. std::invalid_argument: the name is empty or taken.
  template <class R, class A, class F>
  void add(const activity<R(A)>& handle, F f) {
    add_activity(
        {std::string(handle.name), [f = std::move(f)](activity_context& attempt, const payload& input) mutable {
           return guarded([&]() -> std::optional<payload> {
             A argument = codec<A>::decode(input);
             if constexpr (std::is_invocable_v<F&, activity_context&, A>) {
               return returned<R>([&]() -> decltype(auto) { return f(attempt, std::move(argument)); });
             } else {
               static_assert(std::is_invocable_v<F&, A>,
                             "evermill: the function must take (A) or (activity_context&, A)");
               return returned<R>([&]() -> decltype(auto) { return f(std::move(argument)); });
             }
           });
         }});
  }
  template <class R, class F>
  void add(const activity<R()>& handle, F f) {
    add_activity({std::string(handle.name), [f = std::move(f)](activity_context& attempt, const payload&) mutable {
                    return guarded([&]() -> std::optional<payload> {
                      if constexpr (std::is_invocable_v<F&, activity_context&>) {
                        return returned<R>([&]() -> decltype(auto) { return f(attempt); });
                      } else {
                        static_assert(std::is_invocable_v<F&>,
                                      "evermill: the function must take () or (activity_context&)");
                        return returned<R>([&]() -> decltype(auto) { return f(); });
                      }
                    });
                  }});
  }

  /// Untyped: what the typed functions are made of. std::invalid_argument: the name is empty or taken.
  void add_workflow(workflow_definition definition);
  void add_activity(activity_definition definition);

  /// Null when there is none.
  const workflow_definition* find_workflow(std::string_view name) const;
  const activity_definition* find_activity(std::string_view name) const;
  /// Sorted.
  std::vector<std::string> workflow_names() const;
  std::vector<std::string> activity_names() const;

  /// The name under which a function was registered first. std::invalid_argument: it was not.
  template <class R, class... A>
  const std::string& name_of(task<R> (*workflow)(A...)) const {
    return name_of(reinterpret_cast<const void*>(workflow));
  }
  const std::string& name_of(const void* function) const;

 private:
  template <class Body>
  static activity_definition::outcome guarded(Body&& body) {
    try {
      return body();
    } catch (...) {
      return detail::current_failure();
    }
  }
  template <class R, class Call>
  static std::optional<payload> returned(Call&& call) {
    if constexpr (std::is_void_v<R>) {
      call();
      return std::nullopt;
    } else {
      const R result = call();
      return codec<R>::encode(result);
    }
  }
  detail::registry_data& writable();

  std::shared_ptr<detail::registry_data> data_;
};

}  // namespace evermill
