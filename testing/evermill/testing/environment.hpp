/// @file
/// Tests workflows with the real engine and without its real time: waits are skipped, activities replaced, crashes made.
///
///     evermill::testing::environment env(registry);
///     env.replace(charge_card, [](const charge& what) { return "charged " + std::to_string(what.cents); });
///     auto order = env.start(fulfil_order, wanted);
///     order.signal(approval, "alice");
///     EXPECT_EQ(order.result(), "…");        // at once, also where the workflow sleeps for a month
///
/// Everything runs on the test's own thread, and only inside the calls below: activities and steps one after the other,
/// in the order in which they were asked for; time goes on when nothing else can happen. The same test takes the same
/// course every time. An environment stays on the thread that made it. docs/testing.md is a guide.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "evermill/codec.hpp"
#include "evermill/engine.hpp"
#include "evermill/handles.hpp"
#include "evermill/registry.hpp"
#include "evermill/task.hpp"

namespace evermill::storage {
class key_value_store;
}

/// Tests of workflows in virtual time.
namespace evermill::testing {

/// A moment of the environment's time, UTC.
using time_point = std::chrono::sys_time<std::chrono::microseconds>;

/// How an environment is set up.
struct environment_options {
  /// When the test begins, for `ctx.now`: 2026-01-01 00:00 UTC unless said.
  time_point start_time{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
  /// Of run ids and of what `ctx.random` and `ctx.uuid` give.
  std::uint64_t seed = 1;
  /// false: `result` does not make time go on; `advance` does.
  bool skip_time = true;
  /// The workflow leaves memory after each of its turns and is replayed for the next one: what does not decide the same
  /// in every replay is stuck at once.
  bool replay_every_turn = false;
  /// As engine_options::partitions, but 0 is refused with engine_error (invalid_argument).
  std::uint16_t partitions = 1;
  /// Empty: kept in memory. Otherwise a directory as the engine's, to look at it or to keep it as a journal to replay.
  std::filesystem::path data_directory;
  /// Where log lines go, also those of `ctx.log`. Null: nowhere.
  std::shared_ptr<spdlog::logger> logger;
};

/// The test asks for what can't come: an execution that can't go on, an activity without code.
class environment_error : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// One attempt that was started.
struct activity_call {
  std::string activity_type;    ///< the activity's name
  std::string workflow_id;      ///< of the execution that called it
  std::uint32_t attempt = 1;    ///< 1 is the first
  std::string idempotency_key;  ///< the same for every attempt of one activity
  payload input;                ///< its argument; empty where it takes none
  time_point time;              ///< when it was started
};

template <class R>
class execution;

/// For evermill's own tests: gives each process its store. `before` is the one of the process before, which has died; null
/// for the first.
using store_opener =
    std::function<std::unique_ptr<storage::key_value_store>(std::unique_ptr<storage::key_value_store> before)>;

/// One process after the other with evermill in it, on the test's thread and in virtual time: environment.hpp has an
/// example.
class environment {
 public:
  /// `definitions` is copied. Throws engine_error (storage, locked, invalid_argument) where the options can't be.
  explicit environment(registry definitions, environment_options options = {});
  /// For evermill's own tests: on stores of their own instead of `options.data_directory`.
  environment(registry definitions, environment_options options, store_opener open);
  ~environment();
  environment(const environment&) = delete;
  environment& operator=(const environment&) = delete;

  /// @name Executions
  /// What the engine's functions of these names do. Requests return when they are durable; nothing else happens in them. All
  /// throw engine_error as the engine does.
  /// @{

  /// Starts a registered workflow.
  template <class R>
  execution<R> start(task<R> (*workflow)(context), start_options options = {});
  /// The same with an input.
  template <class R, class A>
  execution<R> start(task<R> (*workflow)(context, A), const std::type_identity_t<A>& input, start_options options = {});
  /// By name.
  template <class R, class A>
  execution<R> start(const child_workflow<R(A)>& workflow, const std::type_identity_t<A>& input,
      start_options options = {});
  /// By name, without an input.
  template <class R>
  execution<R> start(const child_workflow<R()>& workflow, start_options options = {});
  /// A handle on an execution that exists, for example a child.
  template <class R>
  execution<R> find(std::string workflow_id);

  /// By name, without types.
  started_execution start(std::string_view workflow_type, payload input, start_options options);
  /// As engine::signal.
  void signal(std::string_view workflow_id, std::string_view signal_name, payload input, std::string_view request_id = {});
  /// Asks the execution's code. Time stands still.
  payload query(std::string_view workflow_id, std::string_view query_name, payload input);
  /// Has the execution's code do it, and makes everything happen until it is done. Throws update_failed, and what `wait`
  /// throws.
  std::optional<payload> update(std::string_view workflow_id, std::string_view update_name, payload input,
                                std::string_view update_id = {});
  /// As engine::cancel.
  void cancel(std::string_view workflow_id, std::string_view reason = {});
  /// As engine::terminate.
  void terminate(std::string_view workflow_id, std::string_view reason = {});
  /// The end of an activity that is completed from elsewhere, as engine::complete_activity.
  void complete_activity(std::string_view token, payload result = {});
  /// Its attempt has failed, as engine::fail_activity.
  void fail_activity(std::string_view token, const failure& why);
  /// Its attempt was canceled, as engine::cancel_activity.
  void cancel_activity(std::string_view token);
  /// Its attempt is alive, as engine::heartbeat_activity. True: it is to stop.
  bool heartbeat_activity(std::string_view token, std::optional<payload> details = {});
  /// Makes everything happen up to the end of the execution. Throws environment_error where it can't come to an end:
  /// what it waits for is said.
  execution_end wait(std::string_view workflow_id);
  /// As engine::describe.
  execution_description describe(std::string_view workflow_id) const;
  /// All of them, in the order of engine::list.
  std::vector<listed_execution> list() const;
  /// The events of the current run.
  std::vector<history_event> history(std::string_view workflow_id) const;

  /// @}
  /// @name Human tasks and locks
  /// @{

  /// All open tasks that pass the filter. Nothing happens in it: `settle` first where a task is to be opened yet.
  std::vector<human_task_summary> human_tasks(const human_task_filter& filter = {}) const;
  /// As engine::describe_human_task.
  human_task_description describe_human_task(std::string_view task_id) const;
  /// As engine::claim_human_task.
  void claim_human_task(std::string_view task_id, std::string_view by, bool force = false);
  /// As engine::release_human_task.
  void release_human_task(std::string_view task_id, std::string_view by, bool force = false);
  /// As engine::delegate_human_task.
  void delegate_human_task(std::string_view task_id, std::string_view by, std::string_view assignee, bool force = false);
  /// As engine::complete_human_task: the answer is checked against the task's form.
  void complete_human_task(std::string_view task_id, std::string_view by, payload answer, bool force = false);
  /// Settles; then the only open task of this name gets this answer, and is taken away from whoever has it. Throws
  /// environment_error where none is open, or several are, and engine_error (invalid_argument) where the answer does not fit
  /// the task's form.
  template <class A, class... Q>
  void answer(const human_task<A(Q...)>& which, const std::type_identity_t<A>& value) {
    answer(which.name, codec<A>::encode(value));
  }
  /// All locks and semaphores of the namespace that somebody holds or waits for.
  std::vector<lock_description> locks(std::string_view name_space = {}) const;

  /// @}
  /// @name Time
  /// @{

  /// The environment's time; no clock is read.
  time_point now() const;
  /// Makes everything happen that can happen without time going on. Throws environment_error where that has no end (250,000
  /// messages and activities).
  void settle();
  /// Lets time go on by this much and makes everything happen meanwhile.
  void advance(std::chrono::microseconds by);

  /// @}
  /// @name Activities
  /// @{

  /// From now on this function does the activity, whether or not one is registered. It takes what `registry.add` takes,
  /// is called on the test's thread and may use what it captures by reference.
  template <class Signature, class F>
  void replace(const activity<Signature>& which, F function) {
    registry only;
    only.add(which, std::move(function));
    replace(which.name, std::move(only));
  }
  /// From now on attempts of it do not end by themselves: only when they are canceled, when their start-to-close or
  /// heartbeat time is over, or with their process. `replace` ends that for later attempts.
  template <class Signature>
  void hang(const activity<Signature>& which) {
    hang(which.name);
  }

  /// Every attempt that was started, in order; also in the processes before a crash. Grows with later ones.
  const std::vector<activity_call>& calls() const;
  /// How many attempts of it were started.
  template <class Signature>
  std::size_t attempts(const activity<Signature>& which) const {
    std::size_t count = 0;
    for (const activity_call& call : calls()) count += call.activity_type == which.name ? 1 : 0;
    return count;
  }
  /// What it was called with, attempt by attempt.
  template <class R, class A>
  std::vector<A> inputs(const activity<R(A)>& which) const {
    std::vector<A> found;
    for (const activity_call& call : calls()) {
      if (call.activity_type == which.name) found.push_back(codec<A>::decode(call.input));
    }
    return found;
  }

  /// @}
  /// @name Crashes
  /// @{

  /// The process dies here, and another one goes on from the journal: running attempts and everything in memory are
  /// lost.
  void crash();
  /// The process dies right after its `count`-th commit from now on; another one goes on. A request that was under way
  /// then is sent again unless it is durable. Throws std::invalid_argument for 0.
  void crash_after_commit(std::uint64_t count);
  /// How many commits were made so far.
  std::uint64_t commits() const;
  /// How many processes died so far.
  std::uint64_t crashes() const;

  /// @}

  /// What the environment was made with; what is replaced is not in it.
  const registry& definitions() const;

 private:
  void replace(std::string_view name, registry replacement);
  void hang(std::string_view name);
  void answer(std::string_view name, payload value);

  class impl;
  std::unique_ptr<impl> impl_;
};

/// A handle on one execution, for as long as its environment lives. Copies are cheap. Functions that have the name of one of
/// the environment's do what that does, and throw what it throws; payload_error where what comes back is not of the handle's
/// type.
template <class R>
class execution {
 public:
  /// For evermill itself: environment::start and environment::find make them.
  execution(environment& in, started_execution started) : environment_(&in), started_(std::move(started)) {}

  /// The workflow id.
  const std::string& id() const noexcept { return started_.workflow_id; }
  /// Of the run that was started; "" for a handle of environment::find.
  const std::string& run_id() const noexcept { return started_.run_id; }
  /// Was there already what the start asked for? true for a handle of environment::find.
  bool existed() const noexcept { return started_.existed; }

  /// Makes everything happen up to its end. Throws workflow_failed where there is no result, and what
  /// environment::wait throws.
  R result() {
    execution_end end = environment_->wait(id());
    if (end.status != execution_status::completed) {
      throw workflow_failed(id(), std::string(to_string(end.status)), end.cause.value_or(failure{}));
    }
    if constexpr (!std::is_void_v<R>) return codec<R>::decode(end.result.value_or(payload{}));
  }
  /// Sends a signal with a value.
  template <class T>
  void signal(const evermill::signal<T>& which, const std::type_identity_t<T>& value) {
    environment_->signal(id(), which.name, codec<T>::encode(value));
  }
  /// Sends a signal without a value.
  void signal(const evermill::signal<>& which) { environment_->signal(id(), which.name, payload{}); }
  /// Asks the code a question with an argument.
  template <class Q, class A>
  Q query(const evermill::query<Q(A)>& which, const std::type_identity_t<A>& about) const {
    return codec<Q>::decode(environment_->query(id(), which.name, codec<A>::encode(about)));
  }
  /// Asks the code a question.
  template <class Q>
  Q query(const evermill::query<Q()>& which) const {
    return codec<Q>::decode(environment_->query(id(), which.name, payload{}));
  }
  /// Has the code do something with an argument, and makes everything happen until it is done.
  template <class U, class A>
  U update(const evermill::update<U(A)>& which, const std::type_identity_t<A>& what, std::string_view update_id = {}) {
    return decode_end<U>(environment_->update(id(), which.name, codec<A>::encode(what), update_id));
  }
  /// Has the code do something, and makes everything happen until it is done.
  template <class U>
  U update(const evermill::update<U()>& which, std::string_view update_id = {}) {
    return decode_end<U>(environment_->update(id(), which.name, payload{}, update_id));
  }
  /// Asks the execution to end itself.
  void cancel(std::string_view reason = {}) { environment_->cancel(id(), reason); }
  /// Ends it now; its code is not asked.
  void terminate(std::string_view reason = {}) { environment_->terminate(id(), reason); }
  /// Where it stands.
  execution_description describe() const { return environment_->describe(id()); }
  /// How far it has come.
  execution_status status() const { return describe().status; }
  /// The events of the current run.
  std::vector<history_event> history() const { return environment_->history(id()); }

 private:
  template <class U>
  static U decode_end(std::optional<payload> end) {
    if constexpr (!std::is_void_v<U>) return codec<U>::decode(end.value_or(payload{}));
  }

  environment* environment_;
  started_execution started_;
};

// --- implementation of the typed functions

template <class R>
execution<R> environment::start(task<R> (*workflow)(context), start_options options) {
  return {*this, start(definitions().name_of(workflow), payload{}, std::move(options))};
}

template <class R, class A>
execution<R> environment::start(task<R> (*workflow)(context, A), const std::type_identity_t<A>& input,
                                start_options options) {
  return {*this, start(definitions().name_of(workflow), codec<A>::encode(input), std::move(options))};
}

template <class R, class A>
execution<R> environment::start(const child_workflow<R(A)>& workflow, const std::type_identity_t<A>& input,
                                start_options options) {
  return {*this, start(workflow.name, codec<A>::encode(input), std::move(options))};
}

template <class R>
execution<R> environment::start(const child_workflow<R()>& workflow, start_options options) {
  return {*this, start(workflow.name, payload{}, std::move(options))};
}

template <class R>
execution<R> environment::find(std::string workflow_id) {
  return {*this, started_execution{std::move(workflow_id), {}, true}};
}

}  // namespace evermill::testing
