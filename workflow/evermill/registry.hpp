/// @file
/// What a process can run: workflows and activities by name.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "evermill/activity_context.hpp"
#include "evermill/codec.hpp"
#include "evermill/context.hpp"
#include "evermill/exceptions.hpp"
#include "evermill/handles.hpp"
#include "evermill/root.hpp"
#include "evermill/task.hpp"

namespace evermill {

namespace detail {

struct registry_data;
struct registry_access;

/// Can an F be called with these, and is what it returns good for an R?
template <class R, class F, class... A>
inline constexpr bool runs_as = std::is_invocable_r_v<R, F, A...>;

}  // namespace detail

/// A workflow as the engine sees it: what registry::find_workflow gives.
struct workflow_definition {
  std::string name;                ///< unique together with `version`
  std::string version;             ///< "" for the one without
  const void* function = nullptr;  ///< the function that was added; tells functions apart, is not called
  /// Decodes the input and makes the coroutine, suspended at its start. Throws payload_error.
  std::function<std::unique_ptr<detail::root>(detail::runtime&, const payload& input)> start;
  /// Throws payload_error where `start` would.
  std::function<void(const payload& input)> check_input;
  const detail::registry_data* owner = nullptr;  ///< for evermill itself: where names of other workflows are looked up
};

/// An activity as the engine sees it: what registry::find_activity gives.
struct activity_definition {
  std::string name;     ///< unique together with `version`
  std::string version;  ///< "" for the one without
  /// The result (nothing for void) or why there is none. Does not throw.
  std::function<std::variant<std::optional<payload>, failure>(activity_context&, const payload& input)> run;
};

/// How a workflow is registered.
struct workflow_options {
  /// Which edition of the code it is: anything, for example what cmake's evermill_source_version made of its sources. An
  /// execution stays with the version it was started with; where that is not registered, it waits, visibly, as unserved. New
  /// executions get the version that was added last. "": the registry's default version, which is "" unless it was set; an
  /// execution that was started with "" runs on the version that was added last. A name as others (handles.hpp).
  std::string version;
};

/// How an activity is registered.
struct implementation_options {
  /// Which edition of the code it is, as workflow_options::version. A call that names a version (activity_options::version) runs on
  /// that one only; others run on the one that was added last. "": the registry's default version.
  std::string version;
};

/// Workflows and activities, unique by name and version. Adding one twice, or one whose name can't be
/// (handles.hpp; for a workflow also one that begins with "evermill."), throws std::invalid_argument. Copies share what they
/// hold. Fill it before it is given to an engine; not thread-safe until then, read-only after.
class registry {
 public:
  /// Holds nothing.
  registry();

  /// A workflow under a name. One function may have several names; as a child it is started under the first.
  template <class R, class A>
  void add(std::string name, task<R> (*workflow)(context, A), workflow_options options = {}) {
    add_workflow({std::move(name), std::move(options.version), reinterpret_cast<const void*>(workflow),
                  [workflow](detail::runtime& rt, const payload& input) -> std::unique_ptr<detail::root> {
                    return std::make_unique<detail::root_of<R>>(rt, workflow(context(rt), codec<A>::decode(input)));
                  },
                  [](const payload& input) { static_cast<void>(codec<A>::decode(input)); }});
  }
  /// The same for a workflow without an argument.
  template <class R>
  void add(std::string name, task<R> (*workflow)(context), workflow_options options = {}) {
    add_workflow({std::move(name), std::move(options.version), reinterpret_cast<const void*>(workflow),
                  [workflow](detail::runtime& rt, const payload&) -> std::unique_ptr<detail::root> {
                    return std::make_unique<detail::root_of<R>>(rt, workflow(context(rt)));
                  },
                  [](const payload&) {}});
  }
  /// The same under a handle's name, with its types checked.
  template <class R, class A>
  void add(const child_workflow<R(A)>& handle, task<R> (*workflow)(context, A), workflow_options options = {}) {
    add(std::string(handle.name), workflow, std::move(options));
  }
  /// The same under a handle's name, without an argument.
  template <class R>
  void add(const child_workflow<R()>& handle, task<R> (*workflow)(context), workflow_options options = {}) {
    add(std::string(handle.name), workflow, std::move(options));
  }

  /// An activity. `function` is called with (activity_context&, A), (A), (activity_context&) or () and returns an R. It is
  /// called through a const copy on threads of the engine's pool, several at a time, and may block. What it throws fails
  /// the attempt: application_error under its own type, anything else under the name of its class.
  template <class R, class A, class F>
  void add(const activity<R(A)>& handle, F function, implementation_options options = {}) {
    static_assert(detail::runs_as<R, const F&, activity_context&, A> || detail::runs_as<R, const F&, A>,
                  "the function of activity<R(A)> takes (activity_context&, A) or (A) and returns an R");
    const auto run = [function](activity_context& about, const payload& input) -> std::optional<payload> {
      if constexpr (std::is_invocable_v<const F&, activity_context&, A>) {
        return invoke<R>([&]() -> R { return function(about, codec<A>::decode(input)); });
      } else {
        return invoke<R>([&]() -> R { return function(codec<A>::decode(input)); });
      }
    };
    add_activity(handle.name, std::move(options.version), run);
  }
  /// The same for an activity without an argument.
  template <class R, class F>
  void add(const activity<R()>& handle, F function, implementation_options options = {}) {
    static_assert(detail::runs_as<R, const F&, activity_context&> || detail::runs_as<R, const F&>,
                  "the function of activity<R()> takes (activity_context&) or () and returns an R");
    const auto run = [function](activity_context& about, const payload&) -> std::optional<payload> {
      if constexpr (std::is_invocable_v<const F&, activity_context&>) {
        return invoke<R>([&]() -> R { return function(about); });
      } else {
        return invoke<R>([&]() -> R { return function(); });
      }
    };
    add_activity(handle.name, std::move(options.version), run);
  }

  /// Of all workflows and activities that are added without a version of their own, before or later. evermill::main sets it to
  /// the environment's EVERMILL_WORKFLOW_VERSION. Throws std::invalid_argument where one of them has that version already.
  void set_default_version(const std::string& version);

  /// Null where there is none. What is found lives as long as any copy of the registry. Without a version: the one that was
  /// added last.
  const workflow_definition* find_workflow(std::string_view name, std::string_view version = {}) const;
  /// The same for an activity.
  const activity_definition* find_activity(std::string_view name, std::string_view version = {}) const;
  /// Each name once, however many versions it has; in the order of the alphabet. Without those of evermill's own.
  std::vector<std::string> workflow_names() const;
  /// As workflow_names.
  std::vector<std::string> activity_names() const;

  /// The first name under which a workflow function was added. Throws std::invalid_argument when it was not.
  template <class R, class... A>
  const std::string& name_of(task<R> (*workflow)(context, A...)) const {
    return name_of_function(reinterpret_cast<const void*>(workflow));
  }

 private:
  friend struct detail::registry_access;

  template <class R, class F>
  static std::optional<payload> invoke(F&& call) {
    if constexpr (std::is_void_v<R>) {
      call();
      return std::nullopt;
    } else {
      return codec<R>::encode(call());
    }
  }
  void add_workflow(workflow_definition definition);
  void add_activity(std::string_view name, std::string version,
                    std::function<std::optional<payload>(activity_context&, const payload&)> run);
  const std::string& name_of_function(const void* function) const;

  std::shared_ptr<detail::registry_data> data_;
};

}  // namespace evermill
