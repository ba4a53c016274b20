/// @file
/// What a workflow does with the world: everything it asks for is journaled and comes back the same in every replay.
///
/// A workflow's own code must be deterministic: time, randomness and I/O only through its context. The same events must
/// lead to the same calls in the same order, or the execution stops as stuck.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "evermill/codec.hpp"
#include "evermill/future.hpp"
#include "evermill/handlers.hpp"
#include "evermill/handles.hpp"
#include "evermill/human_task.hpp"
#include "evermill/lock.hpp"
#include "evermill/runtime.hpp"
#include "evermill/task.hpp"

namespace evermill {

namespace detail {
/// GCC 12 destroys such a temporary twice when its full expression has a co_await.
template <class A>
inline constexpr bool await_safe = std::is_lvalue_reference_v<A> || std::is_trivially_destructible_v<A> ||
                                   !std::is_aggregate_v<std::remove_cvref_t<A>>;

template <class... In>
constexpr void check_await_safe() {
  static_assert((await_safe<In> && ...),
                "pass the fields, or a named value: GCC 12 destroys aggregate temporaries next to co_await twice");
}

template <class A, class... In>
payload encode_input(In&&... in) {
  check_await_safe<In...>();
  if constexpr (sizeof...(In) == 1 && (std::is_same_v<std::remove_cvref_t<In>, A> && ...)) {
    return codec<A>::encode(in...);
  } else {
    const A input{std::forward<In>(in)...};
    return codec<A>::encode(input);
  }
}

/// What a wait with a timeout gives.
template <class T>
struct timed_value {
  using type = std::optional<T>;
};
template <>
struct timed_value<void> {
  using type = bool;
};

struct [[nodiscard("co_await it: nothing after continue_as_new may run")]] never {
  static constexpr bool durable = true;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  void await_resume() const noexcept {}
};
}  // namespace detail

/// Passed by value as the first parameter of every workflow coroutine, and on to its parts; valid for the life of the run.
/// Used by the workflow's own code only: never in a step, an activity or another thread.
///
/// Asking happens at the call, in program order; awaiting the future only waits. Delays are counted from `now()`. All
/// throw payload_error where the input can't be encoded, std::length_error where it is larger than max_payload_bytes, and
/// std::invalid_argument for a name that can't be (handles.hpp).
///
/// A cancel request for the execution makes every future that is open at that moment throw canceled_error, once, but for
/// those of shielded contexts; what is asked for afterwards works as always, so that the code can clean up. (An activity whose
/// end is waited for throws when that has come, or gives its result: activity_cancellation.)
class context {
 public:
  /// For evermill itself: code gets its context as a parameter.
  explicit context(detail::runtime& rt, std::uint32_t scope = 0, std::uint32_t label = 0) noexcept
      : runtime_(&rt), scope_(scope), label_(label) {}

  /// Schedules an activity. Its argument is built from `fields`, or is given as one named value. The future gives its
  /// result, or throws activity_error when the last attempt that its retry policy allows has failed.
  /// Throws std::invalid_argument for a task queue's name that can't be, and for a jitter that is not from 0 to 1.
  template <class R, class A, class... In>
  future<R> call(const activity<R(A)>& what, In&&... fields) const {
    return {*runtime_, detail::schedule_activity(entered(), what.name, what.options,
                                                 detail::encode_input<A>(std::forward<In>(fields)...))};
  }
  /// The same for an activity without an argument.
  template <class R>
  future<R> call(const activity<R()>& what) const {
    return {*runtime_, detail::schedule_activity(entered(), what.name, what.options, payload{})};
  }

  /// Starts a child workflow: an execution of its own, with an id made from this run's. The future gives its result, or
  /// throws child_workflow_error when it fails, is canceled, terminated or timed out. The child goes on when its future is
  /// dropped; when its parent ends first it is terminated, unless its options say otherwise. A function must be registered
  /// (else std::invalid_argument); what a handle names need not be registered here: the child then waits for its code.
  template <class R, class A, class... In>
  future<R> start(task<R> (*child)(context, A), In&&... fields) const {
    return start_with({}, child, std::forward<In>(fields)...);
  }
  /// The same for a workflow without an argument.
  template <class R>
  future<R> start(task<R> (*child)(context)) const {
    return start_with({}, child);
  }
  /// The same by name.
  template <class R, class A, class... In>
  future<R> start(const child_workflow<R(A)>& child, In&&... fields) const {
    return start_with({}, child, std::forward<In>(fields)...);
  }
  /// The same by name, without an argument.
  template <class R>
  future<R> start(const child_workflow<R()>& child) const {
    return start_with({}, child);
  }

  /// The same with a workflow id of your choice, so that others can find and signal it. Where an execution with this id
  /// exists already, also one that has ended, the future throws child_workflow_error (failure_kind::already_exists).
  /// Throws std::invalid_argument where `id` is not 1 to 512 bytes of UTF-8 without control characters.
  template <class Child, class... In>
  auto start_as(std::string_view id, const Child& child, In&&... fields) const {
    if (id.empty()) throw std::invalid_argument("the child's workflow id is empty");
    return start_with({.id = id}, child, std::forward<In>(fields)...);
  }

  /// The same with all options; handles.hpp tells what each means. Throws std::invalid_argument for an id that can't be and
  /// for a negative timeout.
  template <class R, class A, class... In>
  future<R> start_with(const child_options& options, task<R> (*child)(context, A), In&&... fields) const {
    return start_named<R>(name_of(child), options, detail::encode_input<A>(std::forward<In>(fields)...));
  }
  /// The same for a workflow without an argument.
  template <class R>
  future<R> start_with(const child_options& options, task<R> (*child)(context)) const {
    return start_named<R>(name_of(child), options, payload{});
  }
  /// The same by name.
  template <class R, class A, class... In>
  future<R> start_with(const child_options& options, const child_workflow<R(A)>& child, In&&... fields) const {
    return start_named<R>(child.name, options, detail::encode_input<A>(std::forward<In>(fields)...));
  }
  /// The same by name, without an argument.
  template <class R>
  future<R> start_with(const child_options& options, const child_workflow<R()>& child) const {
    return start_named<R>(child.name, options, payload{});
  }

  /// A durable timer: due at `now() + delay`, rounded up to microseconds, also when no process runs then (it fires when
  /// one does). Zero or less: due at once.
  template <class Rep, class Period>
  future<void> sleep(std::chrono::duration<Rep, Period> delay) const {
    return {*runtime_, detail::start_timer(entered(), std::chrono::ceil<std::chrono::microseconds>(delay))};
  }

  /// The oldest signal of this name that was not read yet, or the next one to come: each signal is read once, and waits
  /// until it is read. Waits for the same name are served in the order in which they were asked for.
  template <class T>
  future<T> wait(const signal<T>& which) const {
    return {*runtime_, detail::wait_signal(entered(), which.name)};
  }
  /// The same; std::nullopt (false, for a signal without a value) when none has come within `timeout`.
  template <class T, class Rep, class Period>
  auto wait(const signal<T>& which, std::chrono::duration<Rep, Period> timeout) const {
    return future<typename detail::timed_value<T>::type>(
        *runtime_, detail::wait_signal(entered(), which.name, std::chrono::ceil<std::chrono::microseconds>(timeout)));
  }

  /// Sends a signal to another execution, whoever started it: once, and in order with what else this run sends to it. Nobody is
  /// told whether it arrives: where no execution with this id runs then it is lost. Throws std::invalid_argument where the id
  /// can't be (handles.hpp), or is a lock's.
  template <class T>
  void send(std::string_view workflow_id, const signal<T>& which, const std::type_identity_t<T>& value) const {
    detail::send_signal(entered(), workflow_id, which.name, codec<T>::encode(value), {}, {});
  }
  /// The same for a signal without a value.
  void send(std::string_view workflow_id, const signal<>& which) const {
    detail::send_signal(entered(), workflow_id, which.name, {}, {}, {});
  }
  /// The same; where no execution with this id runs, `workflow` is started with `input` and finds the signal.
  template <class R, class A, class T>
  void send_or_start(std::string_view workflow_id, const child_workflow<R(A)>& workflow, const std::type_identity_t<A>& input,
                     const signal<T>& which, const std::type_identity_t<T>& value) const {
    detail::send_signal(entered(), workflow_id, which.name, codec<T>::encode(value), workflow.name, codec<A>::encode(input));
  }

  /// Waits until `holds()` is true: for state that signals, updates or other parts of the workflow change. It is called
  /// between steps of the workflow's own code, only looks, and owns what it uses (a shared_ptr by value).
  template <class F>
  future<void> until(F&& holds) const {
    static_assert(std::is_lvalue_reference_v<F> || std::is_trivially_destructible_v<std::decay_t<F>>,
                  "name the condition first (auto holds = [state] {…}; co_await ctx.until(holds);): GCC 12 destroys closure "
                  "temporaries next to co_await twice");
    return {*runtime_, detail::wait_until(entered(), [f = std::decay_t<F>(std::forward<F>(holds))]() mutable -> bool { return f(); })};
  }

  /// Runs `f` once, off the workflow's thread, when everything decided before is durable; its result is journaled, and
  /// the future gives it, or throws step_error where `f` threw (a step is not tried again). For short work with side
  /// effects or chance in it that is no activity of its own. When the process dies before the result is durable, `f` runs
  /// again. `f` owns what it uses (captures by value, no context): it runs while the workflow may go on or leave memory.
  template <class F>
  auto step(std::string_view name, F&& f) const {
    static_assert(std::is_lvalue_reference_v<F> || std::is_trivially_destructible_v<std::decay_t<F>>,
                  "name the step's function first (auto f = [x] {…}; co_await ctx.step(\"name\", f);): GCC 12 destroys "
                  "closure temporaries next to co_await twice");
    static_assert(std::is_copy_constructible_v<std::decay_t<F>>,
                  "a step's function must be copyable: it is kept until its result is durable");
    using result = std::invoke_result_t<std::decay_t<F>&>;
    static_assert(detail::owns_itself<std::remove_cvref_t<result>>,
                  "a step's result is a stored value: return the plain type, not a pointer or view");
    return future<std::remove_cvref_t<result>>(
        *runtime_, detail::schedule_step(entered(), name, [f = std::decay_t<F>(std::forward<F>(f))]() mutable {
          if constexpr (std::is_void_v<result>) {
            f();
            return payload{};
          } else {
            return codec<std::remove_cvref_t<result>>::encode(f());
          }
        }));
  }

  /// Opens a task for a person, calls its `prepare`, and waits for the answer, calling `remind` at its intervals. Throws
  /// human_task_expired after the timeout, activity_error where `prepare` fails, payload_error where the answer is no A. The
  /// task is withdrawn when this ends in any other way than by an answer.
  template <class A, class Q, class... In>
  task<A> ask(const human_task<A(Q)>& what, In&&... fields) const;
  /// The same for a task without a question.
  template <class A>
  task<A> ask(const human_task<A()>& what) const;
  /// The same, and then `process` is called with the answer; its result is the result.
  template <class R, class A, class Q, class... In>
  task<R> ask_then(const human_task<A(Q)>& what, const activity<R(A)>& process, In&&... fields) const;
  /// The same for a task without a question.
  template <class R, class A>
  task<R> ask_then(const human_task<A()>& what, const activity<R(A)>& process) const;

  /// For evermill itself: the command of `ask` alone. Sets the id under which the task is completed.
  future<payload> open_human_task(const detail::human_task_spec& spec, payload question, std::string& task_id) const {
    const detail::cell_ref task = detail::create_human_task(entered(), spec, std::move(question));
    task_id = detail::human_task_id(*runtime_, *task.get());
    return {*runtime_, task};
  }

  /// Waits for the lock of this name, which one run of all executions of the engine holds at a time:
  ///   auto held = co_await ctx.lock("printer-7");
  /// Those who wait get it in the order in which their requests reached the lock. It is released with `held`, or by the end
  /// of the run, whatever that is. A future that is dropped or canceled withdraws its request: race it against a timer to
  /// wait for some time only. Locks are not reentrant: asking for one that this run holds or waits for throws
  /// std::logic_error. Throws std::invalid_argument where `name` is not 1 to 480 bytes of UTF-8 without control characters.
  future<held_lock> lock(std::string_view name) const { return {*runtime_, detail::request_lock(entered(), name, 0)}; }
  /// The same for one of `permits` (1 or more, else std::invalid_argument) permits of a semaphore, whose name is no lock's.
  /// Where requests differ in `permits` the latest one's counts, so that a new version of the code may change it.
  future<held_lock> semaphore(std::string_view name, std::uint32_t permits) const {
    detail::check_permits(permits);
    return {*runtime_, detail::request_lock(entered(), name, permits)};
  }

  /// Ends this run and starts the next one of the same workflow with this input, in one commit: for loops that would
  /// otherwise grow their journal without end. Await it: it does not return, and destructors of locals run. Signals that
  /// were not read and a cancel request are carried along; open timers and activities are canceled; children go on, but
  /// their results are lost to the next run. The workflow id stays, the run id changes. Throws payload_error where the
  /// input is not what the workflow takes.
  template <class A>
  detail::never continue_as_new(A&& input) const {
    detail::check_await_safe<A>();
    using given = std::decay_t<A>;
    constexpr bool text = std::is_same_v<given, const char*> || std::is_same_v<given, std::string_view>;
    detail::continue_as_new(*runtime_, codec<std::conditional_t<text, std::string, given>>::encode(std::conditional_t<text, std::string, const given&>(input)));
    return {};
  }
  /// The same for a workflow without an argument.
  detail::never continue_as_new() const {
    detail::continue_as_new(*runtime_, payload{});
    return {};
  }

  /// From now on, while the returned object lives, queries of this name are answered with what `f` gives: `f(argument)`, or
  /// `f()`. It is called between turns, only looks, and must not ask the context for anything: what does throws
  /// std::logic_error, and what `f` throws is what the caller gets. Throws std::invalid_argument where the name has a
  /// handler, or can't be one.
  template <class R, class A, class F>
  handler on_query(const query<R(A)>& which, F f) const {
    static_assert(detail::check_handler<R, F, A>());
    return {*runtime_, detail::add_query_handler(*runtime_, which.name, [f](const payload& input) mutable {
              return *detail::call_and_encode<R>(f, codec<A>::decode(input));
            })};
  }
  /// The same for a query without an argument.
  template <class R, class F>
  handler on_query(const query<R()>& which, F f) const {
    static_assert(detail::check_handler<R, F>());
    return {*runtime_, detail::add_query_handler(*runtime_, which.name, [f](const payload&) mutable {
              return *detail::call_and_encode<R>(f);
            })};
  }

  /// From now on, while the returned object lives, updates of this name are done by `f`, which is called with the argument
  /// and gives the result, or a task that gives it (a free coroutine, to which it passes the state as a shared_ptr): that
  /// runs beside the workflow and may ask for whatever a workflow may. `validate(argument)` refuses an update by throwing:
  /// nothing of it is journaled then. It must only look, as a query's function. What `f` throws is the update's failure; the
  /// workflow goes on. Updates that are not done when the run ends fail with the type "WorkflowEnded"; a run that continues
  /// as new hands them on to the next one. Throws std::invalid_argument where the name has a handler, or can't be one.
  template <class R, class A, class F, class V>
  handler on_update(const update<R(A)>& which, F f, V validate) const {
    static_assert(detail::check_handler<R, F, A>());
    detail::runtime* const rt = runtime_;
    return {*rt, detail::add_update_handler(
                     *rt, which.name,
                     {[validate](const payload& input) mutable { validate(codec<A>::decode(input)); },
                      [f, rt](const payload& input) mutable {
                        return detail::call_or_begin<R>(*rt, f, codec<A>::decode(input));
                      }})};
  }
  /// The same for an update that is never refused.
  template <class R, class A, class F>
  handler on_update(const update<R(A)>& which, F f) const {
    return on_update(which, std::move(f), [](const A&) {});
  }
  /// The same for an update without an argument; it is never refused.
  template <class R, class F>
  handler on_update(const update<R()>& which, F f) const {
    static_assert(detail::check_handler<R, F>());
    detail::runtime* const rt = runtime_;
    return {*rt, detail::add_update_handler(
                     *rt, which.name,
                     {[](const payload&) {}, [f, rt](const payload&) mutable { return detail::call_or_begin<R>(*rt, f); }})};
  }

  /// Changes code under which runs are open: `if (ctx.patched("2026-11 pay first")) { new } else { old }`. True where the
  /// code runs for the first time, which is journaled; in the replay of a run that passed here before the patch was made,
  /// false. The same id gives the same answer for the rest of the run. Throws std::invalid_argument for an id that can't be
  /// (handles.hpp).
  bool patched(std::string_view id) const { return detail::patched(entered(), id); }

  /// A context whose commands a cancel request for the execution, or for this context's scope, leaves alone: for work that
  /// must be finished, and for cleaning up.
  context shielded() const { return context(*runtime_, detail::new_scope(*runtime_, scope_, true), label_); }

  /// A context whose calls, children, timers, steps and signals are journaled with this label, which histories show: what the code
  /// calls them where a name says too little. It decides nothing. Throws std::invalid_argument where it is no name (handles.hpp).
  context labeled(std::string_view label) const { return context(*runtime_, scope_, detail::label_of(*runtime_, label)); }

  /// Runs a part of the workflow beside the code that goes on: `auto part = ctx.spawn(count(ctx, 3));`. It begins when the code that
  /// calls waits next. The future is ready when it has ended, and throws what it threw; what it gives it leaves in state that both
  /// have (a shared_ptr). Canceling the future, or dropping it, only means that nobody waits: give the part the context of a
  /// cancellation_scope to end it. Where the workflow ends first it is destroyed.
  future<void> spawn(task<void> part) const { return {*runtime_, detail::spawn(entered(), std::move(part))}; }

  /// For code whose turn hangs on something that a replay may see differently, as how long a computation took: the turn does not
  /// happen. Nothing of it becomes durable; the execution is set aside, visibly, with `why` (as after a turn that took too long), and
  /// decides it anew when it is tried again: by `evermill taint`, or by the next process.
  [[noreturn]] void refuse_turn(std::string_view why) const { detail::refuse_turn(*runtime_, why); }

  /// The time of the event that is being handled, UTC; stands still between two awaits, never goes back.
  std::chrono::sys_time<std::chrono::microseconds> now() const { return detail::now(*runtime_); }
  /// 64 random bits from the run's journaled seed; not for secrets.
  std::uint64_t random() const { return detail::random(*runtime_); }
  /// A random UUID (version 4) from the same source.
  std::string uuid() const { return detail::uuid(*runtime_); }

  /// Writes a line to the engine's log, with the instance, run and partition it is about. It is written once, after the
  /// turn it belongs to is durable, and not in a replay; a crash at that moment may lose it.
  void log(std::string_view message) const { log(log_level::info, message); }
  /// The same at another level than `info`.
  void log(log_level level, std::string_view message) const { detail::write_log(*runtime_, level, message); }

  /// Is the code being led through its journal again? For diagnosis: what is decided by it diverges.
  bool replaying() const { return detail::replaying(*runtime_); }
  /// Has somebody asked for the execution to be canceled? Stays true.
  bool cancel_requested() const { return detail::cancel_requested(*runtime_); }
  /// The execution's own id; the same in all its runs.
  const std::string& workflow_id() const { return detail::workflow_id(*runtime_); }
  /// This run's UUID; another one after continue_as_new.
  const std::string& run_id() const { return detail::run_id(*runtime_); }

 private:
  friend class cancellation_scope;

  template <class R>
  future<R> start_named(std::string_view type, const child_options& options, payload input) const {
    return {*runtime_, detail::start_child(entered(), type, options, std::move(input))};
  }
  template <class F>
  const std::string& name_of(F* function) const {
    return detail::name_of_workflow(*runtime_, reinterpret_cast<const void*>(function));
  }

  /// What is asked for next belongs to this context's scope.
  detail::runtime& entered() const {
    detail::enter(*runtime_, scope_, label_);
    return *runtime_;
  }

  detail::runtime* runtime_;
  std::uint32_t scope_ = 0;
  std::uint32_t label_ = 0;
};

}  // namespace evermill

#include "evermill/ask.hpp"
