/// @file
/// The engine: runs registered workflows durably inside this process.
///
///     evermill::registry registry;
///     registry.add("fulfil_order", fulfil_order);
///     registry.add(charge_card, [](const Charge& c) { … });
///     evermill::engine engine(registry, {.data_directory = "data"});
///     auto order = engine.start(fulfil_order, Order{…}, {.id = "o-1"});
///     order.signal(approval, Approval{…});
///     std::string tracking = order.result();
///
/// All functions are thread-safe. Those that answer do so when the answer is durable, and throw engine_error where they
/// can't. Several engines may live in one process, each with a data directory of its own. An engine installs no signal
/// handlers and keeps no global state.
///
/// When the disk fails or is full, what is not durable is dropped, requests are answered `unavailable`, and the engine opens
/// its directory anew, again and again until it can. Callers of `wait` and `result` go on waiting where that succeeds at once;
/// where it fails, they get `unavailable` too.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "evermill/cluster_description.hpp"
#include "evermill/codec.hpp"
#include "evermill/engine_options.hpp"
#include "evermill/exceptions.hpp"
#include "evermill/execution_info.hpp"
#include "evermill/failure.hpp"
#include "evermill/handles.hpp"
#include "evermill/payload.hpp"
#include "evermill/registry.hpp"
#include "evermill/serving_info.hpp"
#include "evermill/task.hpp"

namespace evermill {

/// What is wrong, for code.
enum class engine_errc {
  invalid_argument,   ///< an id, name or option that can't be
  unknown_workflow,   ///< no workflow of that name is registered
  not_found,          ///< no instance has that workflow id, no open attempt that token, nobody has begun that cluster
  already_exists,     ///< the workflow id is taken by an execution with another definition or input
  closed,             ///< the execution has ended, or the human task is not open any more
  conflict,           ///< the human task belongs to somebody else
  locked,             ///< another process has the data directory open
  storage,            ///< the data directory can't be read or written, or holds something else
  overloaded,         ///< too much outside work is waiting; try again later
  refused,            ///< the workflow's code answered a query or an update with an error
  blocked,            ///< the execution takes no turns (stuck, unserved or turn_timeout): it can't answer
  unavailable,        ///< the engine is stopping, or has lost its storage and is opening it anew
};

/// What the engine throws; `what()` says it for people.
class engine_error : public std::runtime_error {
 public:
  /// `message` is what `what()` gives.
  engine_error(engine_errc code, const std::string& message) : std::runtime_error(message), code_(code) {}
  /// `retry_after` is what retry_after() gives.
  engine_error(engine_errc code, const std::string& message, std::chrono::milliseconds retry_after)
      : std::runtime_error(message), code_(code), retry_after_(retry_after) {}
  /// What is wrong, for code.
  engine_errc code() const noexcept { return code_; }
  /// When to try again, where that is known: of `overloaded`.
  const std::optional<std::chrono::milliseconds>& retry_after() const noexcept { return retry_after_; }

 private:
  engine_errc code_;
  std::optional<std::chrono::milliseconds> retry_after_;
};

/// A signal that is sent with a start.
struct start_signal {
  std::string name;  ///< 1 to 512 bytes of UTF-8 without control characters
  payload input;     ///< empty for a signal<>
};

/// How an execution is started. What can't be makes the start throw invalid_argument.
struct start_options {
  /// Names the instance: 1 to 512 bytes of UTF-8 without control characters, or made by in_namespace. Empty: a random UUID.
  std::string id;
  /// What becomes of a start whose id is taken; handles.hpp tells what each policy means.
  workflow_id_reuse reuse = workflow_id_reuse::use_existing;
  /// Names this request among those to its workflow id: repeated within a day, it starts nothing and finds what it started,
  /// whatever the policy. Empty: without.
  std::string request_id;
  /// How long all runs of the execution together may take: it ends as timed out then, its code is not asked. From the start; 0:
  /// no limit; not negative.
  std::chrono::microseconds execution_timeout{0};
  std::chrono::microseconds run_timeout{0};  ///< the same for each of its runs, from the run's start
  /// The version of the workflow's code (registry.hpp); empty: the one that is for new executions. One that is not registered:
  /// unknown_workflow.
  std::string version;
  /// Delivered with the start in one commit. Where an execution with the id runs, it gets the signal and nothing is started,
  /// whatever definition, input and policy the start has (but for `terminate_existing`). With `use_existing` one that has ended
  /// is followed by a new one.
  std::optional<start_signal> with_signal;
  /// The caller's span, as W3C Trace Context writes it in the headers traceparent and tracestate: the execution is a part of that
  /// trace, and passes it on to its activities and children. What is none is ignored. Where the same start was made before, that
  /// one's counts.
  std::string traceparent;
  std::string tracestate;  ///< with `traceparent`
};

/// What a start gives.
struct started_execution {
  std::string workflow_id;  ///< start_options::id, or the UUID that was made
  std::string run_id;       ///< of the run that was started or found; a UUID
  bool existed = false;  ///< the same start had been made before; nothing was started now
};

/// Counted since the engine was made; what is of the store, since it opened its directory, last time if it had to more than
/// once.
struct engine_statistics {
  std::uint64_t turns = 0;                 ///< that were taken
  std::uint64_t activities_completed = 0;  ///< that were ended by an attempt, well or not
  std::uint64_t late_results = 0;          ///< of older attempts; dropped
  std::uint64_t commits = 0;               ///< writes to the store; one may hold commits of several partitions
  std::uint64_t syncs = 0;                 ///< of the store's log
  std::uint64_t bytes_written = 0;         ///< to log and tables
  std::uint64_t bytes_on_disk = 0;         ///< of the tables now; the log is not counted
  std::size_t live_instances = 0;          ///< in memory now
  std::uint64_t events_published = 0;      ///< that the place they are published to has confirmed; some may count twice
  std::uint64_t events_lost = 0;           ///< given up before they were published: publish_options::limit
  /// "fsync": a power cut loses nothing acknowledged; "none" otherwise. Derived from how the store is really open. With a queue:
  /// "durable" or "none", and why, as the broker's settings say.
  std::string durability;
};

/// The id that engine functions take for what has the id `id` in a namespace of engine_options::namespaces: a workflow id, the id of
/// a human task or of a lock, an activity's token. In the default namespace ("default", "") it is `id` itself. Everything that an engine
/// tells of other namespaces has such ids. An empty `id` is for a start that is to make one, and for the beginning of a list of locks.
/// Throws engine_error (invalid_argument) for what can't be: ids of users never hold the control characters that tell namespaces apart,
/// so pass all of them through here.
std::string in_namespace(std::string_view name_space, std::string_view id);
/// An id and its namespace.
struct namespaced_id {
  std::string name_space;  ///< "default" where in_namespace did not make the id
  std::string id;          ///< as users know it
};
/// What in_namespace was given.
namespaced_id split_id(std::string_view id);

template <class R>
class execution;

/// Runs workflows. What engine.hpp says of threads and failures counts for all of it. Every function that asks for something
/// may throw engine_error: invalid_argument for a name, id or payload that can't be (max_payload_bytes), overloaded while more
/// than 100,000 requests wait in one partition, unavailable while the engine stops or has lost its storage.
class engine {
 public:
  /// Nothing: it is done, durably.
  using done_callback = std::function<void(std::optional<engine_error>)>;

  /// Opens the data directory and goes on with everything that is unfinished in it. `registry` is copied.
  /// Throws engine_error: locked, storage, invalid_argument.
  explicit engine(registry registry, engine_options options = {});
  /// Stops taking work, lets turns and their commits finish, stops activities within options.stop_grace.
  ~engine();
  engine(const engine&) = delete;
  engine& operator=(const engine&) = delete;

  /// @name With types
  /// @{

  /// Starts a registered workflow and returns when its start is durable. Starting an existing id again with the same
  /// workflow and input finds that execution; with others it throws already_exists.
  template <class R>
  execution<R> start(task<R> (*workflow)(context), start_options options = {});
  /// The same with an input.
  template <class R, class A>
  execution<R> start(task<R> (*workflow)(context, A), const std::type_identity_t<A>& input, start_options options = {});
  /// By name, for workflows whose code is elsewhere.
  template <class R, class A>
  execution<R> start(const child_workflow<R(A)>& workflow, const std::type_identity_t<A>& input,
                     start_options options = {});
  /// By name, without an input.
  template <class R>
  execution<R> start(const child_workflow<R()>& workflow, start_options options = {});
  /// A handle on an execution that was started earlier. Does not look whether it exists.
  template <class R>
  execution<R> find(std::string workflow_id);

  /// @}
  /// @name Without types
  /// What the typed functions, the command line and servers are made of. Callbacks are called once, on a thread of the engine's
  /// or, where the answer is known at once, on the caller's before the function returns. They must be short and must not wait
  /// for the engine.
  /// @{

  /// Durable when it returns. Throws unknown_workflow, invalid_argument, already_exists (start_options::reuse), overloaded,
  /// unavailable.
  started_execution start(std::string_view workflow_type, payload input, start_options options);
  /// The same without waiting. Throws what is wrong with the arguments (unknown_workflow, invalid_argument); the rest is told
  /// through `answer`.
  void start(std::string_view workflow_type, payload input, start_options options,
             std::function<void(std::optional<engine_error>, started_execution)> answer);
  /// Starts an execution and tells its end, at the cost of the start: `ended` is called with the end, or with why it was not
  /// started. Where the same start was made before, with that one's end.
  /// Throws what is wrong with the arguments.
  void execute(std::string_view workflow_type, payload input, start_options options,
               std::function<void(std::optional<engine_error>, execution_end)> ended);
  /// Durable when it returns; buffered until the code reads it. A signal with a request id is delivered once, also where
  /// it is sent again within a day. Throws not_found, closed where the execution has ended, invalid_argument.
  void signal(std::string_view workflow_id, std::string_view signal_name, payload input, std::string_view request_id = {});
  /// The same without waiting; throws what is wrong with the arguments.
  void signal(std::string_view workflow_id, std::string_view signal_name, payload input, std::string_view request_id,
              done_callback done);
  /// Asks the execution's code, in memory or after a replay; an execution that has ended answers from its journal, if its
  /// handlers were kept (`handler::keep`). What is answered is durable. Throws refused with the handler's error or where there
  /// is no such handler, blocked, not_found, unknown_workflow where its code is not registered here.
  payload query(std::string_view workflow_id, std::string_view query_name, payload input);
  /// Has the execution's code do this, and waits for its result (nothing for void). The id names the update among those of
  /// its workflow id: asked for again within a day, it is not done again, and the answer is the same. Empty: a random UUID.
  /// Throws update_failed where the code refuses it, or fails; engine_error: not_found, closed where the execution ends first,
  /// blocked, unavailable (ask again with the same id).
  std::optional<payload> update(std::string_view workflow_id, std::string_view update_name, payload input,
                                std::string_view update_id = {});
  /// The same without waiting; throws what is wrong with the arguments.
  void update(std::string_view workflow_id, std::string_view update_name, payload input, std::string_view update_id,
              std::function<void(std::exception_ptr, std::optional<payload>)> done);
  /// Asks the execution to end itself; its code sees canceled_error and may clean up. `reason` is for people. Throws not_found,
  /// closed where it has ended.
  void cancel(std::string_view workflow_id, std::string_view reason = {});
  /// The same without waiting; throws what is wrong with the arguments.
  void cancel(std::string_view workflow_id, std::string_view reason, done_callback done);
  /// Ends the execution now; its code is not asked. `reason` is for people. Throws not_found, closed where it has ended.
  void terminate(std::string_view workflow_id, std::string_view reason = {});
  /// The same without waiting; throws what is wrong with the arguments.
  void terminate(std::string_view workflow_id, std::string_view reason, done_callback done);
  /// "Look again": safe to repeat. An execution that is stuck, unserved or set aside (engine_options::turn_timeout) is tried anew. Throws not_found.
  void taint(std::string_view workflow_id);

  /// @}
  /// @name Activities that are completed from elsewhere
  /// `token` is what activity_context::complete_later gave, or the dispatch id of any open attempt. All answer when that is
  /// durable (a heartbeat's details: at the latest after 0.8 of the heartbeat timeout, or a minute), and throw not_found for a
  /// token that is not current: the attempt has ended, timed out, was canceled, or another one has followed; invalid_argument
  /// for what is no token.
  /// @{

  /// The activity has completed with this result (nothing for void); its future gives it.
  void complete_activity(std::string_view token, payload result = {});
  /// The attempt has failed; another one follows where the activity's retry policy allows it.
  void fail_activity(std::string_view token, const failure& why);
  /// The attempt was canceled, because that was asked for, or for reasons of its own; no other follows.
  void cancel_activity(std::string_view token);
  /// The attempt is alive. True: its cancellation was requested and is waited for. (Where it is not waited for, the token is
  /// not current any more.)
  bool heartbeat_activity(std::string_view token, std::optional<payload> details = {});

  /// @}
  /// @name Waiting and looking
  /// @{

  /// Waits for the end of the execution (following continue-as-new). Throws not_found, unavailable.
  execution_end wait(std::string_view workflow_id);
  /// The same with a limit; nothing when it is reached. The execution goes on.
  std::optional<execution_end> wait_for(std::string_view workflow_id, std::chrono::milliseconds limit);
  /// The same without waiting: calls `answer` when the execution ends, or with an error.
  void wait(std::string_view workflow_id, std::function<void(std::optional<engine_error>, execution_end)> answer);
  /// The same for as long as the returned object lives: `answer` is not called after it was destroyed, unless it is being called.
  /// Before the engine goes.
  std::shared_ptr<void> on_end(std::string_view workflow_id,
                               std::function<void(std::optional<engine_error>, execution_end)> answer);

  /// Reads the whole journal of the current run. Throws not_found.
  execution_description describe(std::string_view workflow_id) const;
  /// Up to `limit` executions with workflow ids after `after` in the order of (partition, id); pass the last of one
  /// page to get the next. Of all namespaces, without those that are evermill's own (`locks`).
  std::vector<listed_execution> list(std::string_view after, std::size_t limit) const;
  /// The executions that pass the filter, newest start first, without evermill's own. A page has up to `limit` (at most 1,000; 0:
  /// 100); it may have fewer, or none, where the list goes on. Pass its token with the same filter to get the next one. An execution
  /// has one place in the order from its start on, whatever becomes of it: whoever reads page after page meets each execution that
  /// passes the filter throughout once, while others start and end. Once a workflow id is used again, its new execution takes the old
  /// one's place in lists. Throws invalid_argument for a token that is none of this list: of another filter or directory.
  ///
  /// Costs as much as the page, however many executions there are; a `workflow_id_prefix` that more than 5,000 executions of a
  /// partition share may cost a look at all that pass the rest of the filter.
  execution_page list(const execution_filter& filter, std::string_view page_token, std::size_t limit) const;
  /// How many executions pass the filter; each partition's at one moment, as far as it runs in this process. Looks at each that passes.
  std::uint64_t count(const execution_filter& filter) const { return counts(filter).total; }
  /// The same by status.
  execution_counts counts(const execution_filter& filter) const;
  /// The current run's events from `from_seq` on, up to `limit`. Throws not_found.
  std::vector<history_event> history(std::string_view workflow_id, std::uint64_t from_seq = 1,
                                     std::size_t limit = static_cast<std::size_t>(-1)) const;

  /// The events of any run of the execution from `from_seq` on: as many as `limit` and about `max_bytes` of JSON allow, but at
  /// least one where there is one. `run_number`: history_page::run_number or next_run; 0: the current run. Costs the same wherever
  /// in the history it is. Throws not_found, also where the run is not the execution's.
  history_page read_history(std::string_view workflow_id, std::uint64_t run_number, std::uint64_t from_seq, std::size_t limit,
                            std::size_t max_bytes = static_cast<std::size_t>(-1)) const;
  /// Calls `on_change` after turns of the execution that became durable, until the returned object is destroyed: then
  /// read_history has more. Called on the engine's threads; must be short, and must neither call `notify` nor destroy that object. It
  /// may be called without need. Where another process has the execution, it is called every second.
  std::shared_ptr<void> notify(std::string_view workflow_id, std::function<void()> on_change);

  /// @}
  /// @name Human tasks
  /// Requests return when they are durable. All throw not_found where the execution does not exist, invalid_argument for a task
  /// id that can't be, and closed where the task is not open any more.
  /// @{

  /// Up to `limit` open tasks after the task id `after` that pass the filter; an empty page is the end. In the order of
  /// (partition, run, event).
  std::vector<human_task_summary> human_tasks(const human_task_filter& filter = {}, std::string_view after = {},
                                              std::size_t limit = static_cast<std::size_t>(-1)) const;
  /// An open task with its question and form.
  human_task_description describe_human_task(std::string_view task_id) const;
  /// Makes the task `by`'s: a name as others (handles.hpp), nobody checks whose. Throws conflict where it is somebody else's,
  /// unless `force`.
  void claim_human_task(std::string_view task_id, std::string_view by, bool force = false);
  /// Makes it nobody's. Throws conflict where it is not `by`'s, unless `force`.
  void release_human_task(std::string_view task_id, std::string_view by, bool force = false);
  /// Makes it `assignee`'s. Throws conflict where it is somebody else's than `by`'s, unless `force`.
  void delegate_human_task(std::string_view task_id, std::string_view by, std::string_view assignee, bool force = false);
  /// Gives the answer. It is checked against the task's form first: invalid_argument says what is wrong with it, and nothing
  /// has happened. Throws conflict where the task is somebody else's than `by`'s, unless `force`; closed the second time.
  void complete_human_task(std::string_view task_id, std::string_view by, payload answer, bool force = false);

  /// @}

  /// Up to `limit` locks and semaphores in use after the one with the id `after`, of its namespace; an empty page is the end.
  std::vector<lock_description> locks(std::string_view after = {},
                                      std::size_t limit = static_cast<std::size_t>(-1)) const;

  /// Calls `on_progress` with each event of each durable turn of the execution, in order, until the returned object is
  /// destroyed, which waits for a call that is running and must come before the engine's end. "" follows all. It is called on
  /// the engine's threads, one call at a time, and holds them up: it must be short, and must neither call `follow` nor destroy
  /// that object.
  std::shared_ptr<void> follow(std::string_view workflow_id, std::function<void(const execution_progress&)> on_progress);

  /// At most so many lines of each attempt of the execution that runs here and has written something. Waits for nothing.
  std::vector<running_output> running_outputs(std::string_view workflow_id, std::size_t lines = 10) const;

  /// Who shares the work. Throws invalid_argument without engine_options::queue.
  cluster_description cluster() const;

  /// Counters of this process; cheap.
  engine_statistics statistics() const;
  /// The same and much more, for a monitoring system: Prometheus's text exposition format 0.0.4. docs/metrics.md lists what is
  /// in it. Waits for nothing, and throws nothing: what can't be had now is left out.
  std::string metrics() const;
  /// Nothing where it does all that it is there for: its store is open, every partition that it owns has recovered and, with a
  /// queue, the broker answers and the other processes know it. Otherwise why not, for people. Waits for nothing.
  std::optional<std::string> why_not_ready() const;
  /// Is it "default", "" or one of engine_options::namespaces?
  bool has_namespace(std::string_view name_space) const;
  /// Changes which lines are logged from now on, in every part of the engine: trace, debug, info, warning, error, critical or off,
  /// and all above it. It is the level of engine_options::logger, of all that shares that logger. Throws invalid_argument.
  void set_log_level(std::string_view level);
  /// The level that counts now, by its name.
  std::string log_level() const;
  /// What the engine was made with. Lives as long as the engine.
  const registry& definitions() const noexcept;
  /// What this process can run: what its registry has, and, where there are no namespaces but the default one, the workflow files that it
  /// has read lately (the 256 that were used last, whichever engine of the process did). Throws invalid_argument of a client.
  known_definitions list_definitions() const;
  /// The task queues that this process serves, and those of the workers that are connected to it. Not counted is what waits for
  /// workers of a cluster, or for anybody to serve its queue. Queues of workers of a namespace have names as ids have them. Throws invalid_argument of a client. Waits for nothing.
  std::vector<task_queue_description> task_queues() const;
  /// Compacts the store; for measuring sizes. Returns when that is done. Throws storage.
  void compact();

 private:
  friend struct engine_access;  // of evermill's own servers
  class impl;
  std::unique_ptr<impl> impl_;
};

/// A handle on one execution, for as long as its engine lives. Copies are cheap. Functions that have the name of one of the
/// engine's do what that does, and throw what it throws; payload_error where what comes back is not of the handle's type.
template <class R>
class execution {
 public:
  /// For evermill itself: engine::start and engine::find make them.
  execution(engine& owner, started_execution started) : engine_(&owner), started_(std::move(started)) {}

  /// The workflow id.
  const std::string& id() const noexcept { return started_.workflow_id; }
  /// Of the run that was started; "" for a handle of engine::find.
  const std::string& run_id() const noexcept { return started_.run_id; }
  /// Was there already what the start asked for? true for a handle of engine::find.
  bool existed() const noexcept { return started_.existed; }

  /// Waits for the end. Throws workflow_failed (also for canceled and terminated) where there is no result.
  R result();
  /// Calls `done` once with the end, or with what went wrong: see engine::wait.
  void on_end(std::function<void(std::optional<engine_error>, execution_end)> done) {
    engine_->wait(id(), std::move(done));
  }
  /// Sends a signal with a value.
  template <class T>
  void signal(const evermill::signal<T>& which, const std::type_identity_t<T>& value) {
    engine_->signal(id(), which.name, codec<T>::encode(value));
  }
  /// Sends a signal without a value.
  void signal(const evermill::signal<>& which) { engine_->signal(id(), which.name, payload{}); }
  /// Asks the code a question with an argument.
  template <class Q, class A>
  Q query(const evermill::query<Q(A)>& which, const std::type_identity_t<A>& about) const {
    return codec<Q>::decode(engine_->query(id(), which.name, codec<A>::encode(about)));
  }
  /// Asks the code a question.
  template <class Q>
  Q query(const evermill::query<Q()>& which) const {
    return codec<Q>::decode(engine_->query(id(), which.name, payload{}));
  }
  /// Has the code do something with an argument, and waits for its result.
  template <class U, class A>
  U update(const evermill::update<U(A)>& which, const std::type_identity_t<A>& what, std::string_view update_id = {}) {
    return decode_end<U>(engine_->update(id(), which.name, codec<A>::encode(what), update_id));
  }
  /// Has the code do something, and waits for its result.
  template <class U>
  U update(const evermill::update<U()>& which, std::string_view update_id = {}) {
    return decode_end<U>(engine_->update(id(), which.name, payload{}, update_id));
  }
  /// Asks the execution to end itself.
  void cancel(std::string_view reason = {}) { engine_->cancel(id(), reason); }
  /// Ends it now; its code is not asked.
  void terminate(std::string_view reason = {}) { engine_->terminate(id(), reason); }
  /// Where it stands.
  execution_description describe() const { return engine_->describe(id()); }

 private:
  template <class U>
  static U decode_end(std::optional<payload> end) {
    if constexpr (!std::is_void_v<U>) return codec<U>::decode(end.value_or(payload{}));
  }

  engine* engine_;
  started_execution started_;
};

// --- implementation of the typed functions

template <class R>
execution<R> engine::start(task<R> (*workflow)(context), start_options options) {
  return {*this, start(definitions().name_of(workflow), payload{}, std::move(options))};
}

template <class R, class A>
execution<R> engine::start(task<R> (*workflow)(context, A), const std::type_identity_t<A>& input,
                           start_options options) {
  return {*this, start(definitions().name_of(workflow), codec<A>::encode(input), std::move(options))};
}

template <class R, class A>
execution<R> engine::start(const child_workflow<R(A)>& workflow, const std::type_identity_t<A>& input,
                           start_options options) {
  return {*this, start(workflow.name, codec<A>::encode(input), std::move(options))};
}

template <class R>
execution<R> engine::start(const child_workflow<R()>& workflow, start_options options) {
  return {*this, start(workflow.name, payload{}, std::move(options))};
}

template <class R>
execution<R> engine::find(std::string workflow_id) {
  return {*this, started_execution{std::move(workflow_id), {}, true}};
}

template <class R>
R execution<R>::result() {
  execution_end end = engine_->wait(id());
  if (end.status != execution_status::completed) {
    throw workflow_failed(id(), std::string(to_string(end.status)), end.cause.value_or(failure{}));
  }
  if constexpr (!std::is_void_v<R>) return codec<R>::decode(end.result.value_or(payload{}));
}

}  // namespace evermill
