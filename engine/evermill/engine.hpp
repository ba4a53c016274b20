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
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "evermill/codec.hpp"
#include "evermill/exceptions.hpp"
#include "evermill/failure.hpp"
#include "evermill/handles.hpp"
#include "evermill/payload.hpp"
#include "evermill/registry.hpp"
#include "evermill/task.hpp"

namespace spdlog {
class logger;
}

namespace evermill {

/// What an engine does with its data directory.
enum class engine_mode : unsigned char {
  run,     ///< everything
  record,  ///< requests are decided and journaled; activities, steps and timers wait for an engine that runs
  inspect, ///< describe, list, history and stored results only: a snapshot, nothing is started, locked or written
};

/// A queue of activities that this process serves. Attempts wait in it, first in first out, while its limits or the
/// backends' have no room for them.
struct task_queue_options {
  std::string name;            ///< as in activity_options::task_queue; "default": of the activities that name none
  unsigned concurrency = 0;    ///< attempts that run at once; 0: as many as the backends take
  double rate_per_second = 0;  ///< attempts that start per second, in the long run; 0: no limit
  unsigned burst = 1;          ///< with a rate: attempts that may start at once after a pause; at least 1
};

/// How an engine is set up. Fixed for its life.
struct engine_options {
  /// What it does with its directory.
  engine_mode mode = engine_mode::run;
  /// Created where it does not exist; belongs to one engine at a time. Empty: everything is kept in memory and lost
  /// with the engine. Opening throws locked while another process has it open, storage where it can't be read or written.
  std::filesystem::path data_directory;
  /// How many slices instances are divided into; fixed when the directory is created. 0: what the directory has, or 4. More
  /// than 4,096: invalid_argument; another number than the directory has: storage.
  std::uint16_t partitions = 0;
  /// Threads that run workflow code. 0: one per core.
  unsigned workflow_threads = 0;
  /// A workflow's code that has not come back from a turn for this long blocks or spins, which it must not: a warning names
  /// it, the execution is set aside (`blocked` is "turn_timeout"), what comes for it is kept, and all others go on; a thread
  /// is started in place of the one that it has, up to four. When it comes back after all, nothing is lost: its turn counts.
  /// Until then, terminate ends the execution; taint, or the next start, tries it anew. Closing the engine leaves such
  /// code and its thread behind. 0: never. Negative: invalid_argument.
  std::chrono::milliseconds turn_timeout{10'000};
  /// Threads that run native activities and steps: how many of them run at once. 0: four per core, at least 8.
  unsigned native_threads = 0;
  /// Processes that shell activities may run at once. 0: one per core.
  unsigned shell_processes = 0;
  /// Task queues that are served here, and their limits. "default" is served in any case. Activities of other queues wait,
  /// without cost, for a process that serves theirs (and for their schedule_to_start and schedule_to_close). A name that can't
  /// be or that comes twice, a negative rate and a burst of 0: invalid_argument.
  std::vector<task_queue_options> task_queues;
  /// An instance that has had nothing to do for this long leaves memory and is replayed when next needed.
  std::chrono::milliseconds passivate_after{10'000};
  /// At most this many instances are kept in memory by each partition; the longest idle ones leave first.
  std::size_t live_instances_per_partition = 20'000;
  /// Caches of the store, in bytes: half for what is read, half (at least 16 MiB) for what is written. Default 64 MiB.
  std::size_t cache_bytes = 64u << 20;
  /// false: writes are not synced, and a power cut may lose what was acknowledged. For figures only.
  bool sync = true;
  /// How long the destructor waits for running activities before it abandons them; they run again at the next start.
  std::chrono::milliseconds stop_grace{5'000};
  /// Where log lines go. Null: warnings and errors to standard error.
  std::shared_ptr<spdlog::logger> logger;
};

/// What is wrong, for code.
enum class engine_errc {
  invalid_argument,   ///< an id, name or option that can't be
  unknown_workflow,   ///< no workflow of that name is registered
  not_found,          ///< no instance has that workflow id, no open attempt that token
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
  /// What is wrong, for code.
  engine_errc code() const noexcept { return code_; }

 private:
  engine_errc code_;
};

/// How far an execution, or one of its runs, has come. The numbers are stored.
enum class execution_status : unsigned char {
  running = 1,           ///< has not ended; also when it takes no turns
  completed = 2,         ///< with a result
  failed = 3,            ///< its code threw
  canceled = 4,          ///< its code let the canceled_error of a cancel request pass
  terminated = 5,        ///< ended from outside, without its code being asked
  timed_out = 6,         ///< ran longer than it may
  continued_as_new = 7,  ///< of a run only: another one has followed it
};
/// "running", "completed", "failed", "canceled", "terminated", "timed out" or "continued as new".
std::string_view to_string(execution_status status) noexcept;

/// A signal that is sent with a start.
struct start_signal {
  std::string name;  ///< 1 to 512 bytes of UTF-8 without control characters
  payload input;     ///< empty for a signal<>
};

/// How an execution is started. What can't be makes the start throw invalid_argument.
struct start_options {
  /// Names the instance: 1 to 512 bytes of UTF-8 without control characters. Empty: a random UUID.
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
};

/// What a start gives.
struct started_execution {
  std::string workflow_id;  ///< start_options::id, or the UUID that was made
  std::string run_id;       ///< of the run that was started or found; a UUID
  bool existed = false;  ///< the same start had been made before; nothing was started now
};

/// How an execution ended. `result` is set when completed (absent for no value); `cause` when it did not complete.
struct execution_end {
  execution_status status = execution_status::running;  ///< never `running` or `continued_as_new` once it has ended
  std::optional<payload> result;                        ///< of what completed; nothing for void
  std::optional<failure> cause;                         ///< why it did not complete
};

/// An execution's current run as it is stored, read from its journal. Times are UTC.
struct execution_description {
  /// An activity that has not ended.
  struct open_activity {
    std::uint64_t scheduled_seq = 0;  ///< the event with which it was called
    std::string activity_type;        ///< its name
    std::uint32_t attempt = 1;        ///< the current one; 1 is the first
    std::optional<failure> last_failure;  ///< of the attempt before; nothing: there was none
    std::chrono::sys_time<std::chrono::microseconds> not_before{};  ///< of the current attempt; epoch: at once
    std::string task_queue;           ///< "default" unless its options name another
    std::string version;              ///< the one that its options name; "": any
    std::string token;                ///< names the current attempt: engine::complete_activity
    bool dispatched = true;           ///< false: no process that has had the directory open could run the attempt
    bool completed_elsewhere = false; ///< activity_context::complete_later
    bool cancel_requested = false;    ///< and its end is waited for
    std::optional<payload> heartbeat_details;  ///< the newest that are durable
  };
  /// A timer that has not fired: of `sleep`, of a wait with a timeout, or (event 1) of the run's own timeout.
  struct open_timer {
    std::uint64_t started_seq = 0;                               ///< the event with which it was set
    std::chrono::sys_time<std::chrono::microseconds> fire_at{};  ///< when it is due
  };
  std::string workflow_id;    ///< the execution's own
  std::string run_id;         ///< of the current run, or the last one
  std::string workflow_type;  ///< the name under which its code is registered
  execution_status status = execution_status::running;  ///< how far it has come
  /// "", or why a running execution takes no turns: "stuck", "unserved" or "turn_timeout" (its code has not come back),
  /// with the reason in blocked_message.
  std::string blocked;
  std::string blocked_message;         ///< the reason, for people; "" where it is not blocked
  std::uint64_t blocked_at_event = 0;  ///< the first event that does not fit the code; 0 where it is not stuck
  std::chrono::sys_time<std::chrono::microseconds> started_at{};  ///< of the current run
  std::chrono::sys_time<std::chrono::microseconds> closed_at{};   ///< epoch: it has not ended
  std::uint16_t partition = 0;            ///< the slice of the directory that it lies in, from 0
  std::uint64_t events = 0;               ///< in the journal of the current run
  std::vector<open_activity> activities;  ///< in the order of their calls; none once it has ended
  std::vector<open_timer> timers;         ///< in the order in which they were set; none once it has ended
};

/// One line of a list; execution_description has the meaning of each field.
struct listed_execution {
  std::string workflow_id;    ///< the execution's own
  std::string run_id;         ///< of the current run, or the last one
  std::string workflow_type;  ///< the name under which its code is registered
  execution_status status = execution_status::running;  ///< how far it has come
  std::string blocked;  ///< "", "stuck", "unserved" or "turn_timeout"
  std::chrono::sys_time<std::chrono::microseconds> started_at{};  ///< of the current run, UTC
  std::chrono::sys_time<std::chrono::microseconds> closed_at{};   ///< epoch: it has not ended
};

/// One event of a history. `json` is one line: seq, type, time, then the event's own fields by their protobuf names.
struct history_event {
  std::uint64_t seq = 0;  ///< its place in the run's journal, from 1
  std::string type;       ///< "ActivityTaskScheduled", …
  std::chrono::sys_time<std::chrono::microseconds> time{};  ///< of the turn it belongs to, UTC
  std::string json;       ///< all of it; JSON payloads appear as they are, others in base64
};

/// An open human task, as it is listed.
struct human_task_summary {
  std::string task_id;  ///< names it for all requests
  std::string workflow_id;  ///< of the execution that asks
  std::string name;      ///< human_task::name
  std::string title;     ///< the name where the workflow gave none
  std::string assignee;  ///< empty: nobody has it
  std::vector<std::string> candidate_groups;  ///< who may claim it; a hint
  std::chrono::sys_time<std::chrono::microseconds> created_at{};  ///< UTC
  std::chrono::sys_time<std::chrono::microseconds> due_at{};  ///< when its workflow gives up; epoch: it has no timeout
};
/// An open human task with all that is needed to answer it.
struct human_task_description : human_task_summary {
  std::optional<payload> question;  ///< nothing: a task without one
  std::string form_schema;  ///< JSON Schema of the answer; empty: any answer
};
/// Which tasks are wanted; what is empty is not asked for.
struct human_task_filter {
  std::string assignee;     ///< who has it
  std::string group;        ///< one of the candidate groups
  std::string name;         ///< human_task::name
  bool unassigned = false;  ///< only those that nobody has
};

/// A lock or semaphore that somebody holds or waits for.
struct lock_description {
  /// A run that holds the lock or waits for it.
  struct user {
    std::string workflow_id;          ///< of its execution
    std::uint64_t run_number = 0;     ///< the run's number in its partition, as in the ids of human tasks
    std::uint64_t requested_seq = 0;  ///< the event with which the run asked for it
  };
  std::string id;  ///< of the lock's own execution, for `history`
  std::string name;           ///< as `ctx.lock` or `ctx.semaphore` names it
  bool semaphore = false;     ///< of `ctx.semaphore`
  std::uint32_t permits = 1;  ///< how many runs may hold it; as the latest request says
  std::vector<user> holders;  ///< in the order in which they got it
  std::vector<user> waiters;  ///< in the order in which they get it
};

/// What a follower is told as it happens; for displays. Not durable, not complete after a restart.
struct execution_progress {
  std::string workflow_id;  ///< of the execution that went on
  history_event event;      ///< one of those of its turn; durable
};

/// Counted since the engine opened its directory, last time if it had to more than once.
struct engine_statistics {
  std::uint64_t turns = 0;                 ///< that were taken
  std::uint64_t activities_completed = 0;  ///< that were ended by an attempt, well or not
  std::uint64_t late_results = 0;          ///< of older attempts; dropped
  std::uint64_t commits = 0;               ///< writes to the store; one may hold commits of several partitions
  std::uint64_t syncs = 0;                 ///< of the store's log
  std::uint64_t bytes_written = 0;         ///< to log and tables
  std::uint64_t bytes_on_disk = 0;         ///< of the tables now; the log is not counted
  std::size_t live_instances = 0;          ///< in memory now
  /// "fsync": a power cut loses nothing acknowledged; "none" otherwise. Derived from how the store is really open.
  std::string durability;
};

template <class R>
class execution;

/// Runs workflows. What engine.hpp says of threads and failures counts for all of it. Every function that asks for something
/// may throw engine_error: invalid_argument for a name, id or payload that can't be (max_payload_bytes), overloaded while more
/// than 100,000 requests wait in one partition, unavailable while the engine stops or has lost its storage.
class engine {
 public:
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
  /// Ends the execution now; its code is not asked. `reason` is for people. Throws not_found, closed where it has ended.
  void terminate(std::string_view workflow_id, std::string_view reason = {});
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

  /// Reads the whole journal of the current run. Throws not_found.
  execution_description describe(std::string_view workflow_id) const;
  /// Up to `limit` executions with workflow ids after `after` in the order of (partition, id); pass the last of one
  /// page to get the next. Without those that are evermill's own (`locks`).
  std::vector<listed_execution> list(std::string_view after, std::size_t limit) const;
  /// The current run's events from `from_seq` on, up to `limit`. Throws not_found.
  std::vector<history_event> history(std::string_view workflow_id, std::uint64_t from_seq = 1,
                                     std::size_t limit = static_cast<std::size_t>(-1)) const;

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

  /// Up to `limit` locks and semaphores in use after the one with the id `after`; an empty page is the end.
  std::vector<lock_description> locks(std::string_view after = {},
                                      std::size_t limit = static_cast<std::size_t>(-1)) const;

  /// Calls `on_progress` with each event of each durable turn of the execution, in order, until the returned object is
  /// destroyed, which waits for a call that is running and must come before the engine's end. "" follows all. It is called on
  /// the engine's threads, one call at a time, and holds them up: it must be short, and must neither call `follow` nor destroy
  /// that object.
  std::shared_ptr<void> follow(std::string_view workflow_id, std::function<void(const execution_progress&)> on_progress);

  /// Counters of this process; cheap.
  engine_statistics statistics() const;
  /// What the engine was made with. Lives as long as the engine.
  const registry& definitions() const noexcept;
  /// Compacts the store; for measuring sizes. Returns when that is done. Throws storage.
  void compact();

 private:

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
