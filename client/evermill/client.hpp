/// @file
/// A client: what an engine object can be asked, of a server that it connects to (`evermill server --listen`).
///
///     evermill::client shop({.server = {.address = "evermill.example:7466", .token = token, .tls = true}});
///     auto order = shop.start(fulfil_order, Order{…}, {.id = "o-1"});      // child_workflow<Tracking(Order)>
///     order.signal(approval, "alice");
///     Tracking tracking = order.result();                                  // however long it takes
///
/// A request that finds no server, one that stops, or one with too much to do is made again, with growing pauses, until
/// client_limits::request is over: what changes something is done once all the same, as each try has the same request id. So
/// servers may be restarted, and replaced, under a client. Waits go on over lost connections and restarts for as long as they may.
///
/// All functions are thread-safe, wait for the answer, and throw client_error. Changes are durable when they are answered.
/// docs/client.md is the guide.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "evermill/client_errors.hpp"
#include "evermill/codec.hpp"
#include "evermill/engine.hpp"
#include "evermill/server_address.hpp"

namespace evermill {

/// How long things may take.
struct client_limits {
  /// A request with all its tries; then unavailable, overloaded (what the last try said) or deadline_exceeded. 0: no limit.
  std::chrono::milliseconds request{30'000};
  /// What waits for an end (`wait`, `result`, `update`), with all its tries; then deadline_exceeded. 0: no limit.
  std::chrono::milliseconds wait{0};
};

/// How a client is made.
struct client_options {
  server_address server;  ///< where, what it is shown, and which namespace all requests are about
  client_limits limits;   ///< of all requests; client::with gives others
  /// How long the constructor waits for the server; 0: not at all, the first request will.
  std::chrono::milliseconds connect{10'000};
};

/// Who answers, and how much it has to do.
struct server_status {
  std::string version;                      ///< of evermill
  std::int64_t process_id = 0;              ///< where it runs
  std::vector<std::string> workflow_types;  ///< that it can run
  std::string not_ready;                    ///< "": it does all that it is there for; otherwise why not
  engine_statistics counters;               ///< since it started
};

/// One of many starts.
struct start_request {
  std::string workflow_type;  ///< the name under which it is registered there
  payload input;              ///< empty for a workflow without an argument
  start_options options;      ///< as of any start
};
/// What became of it.
struct start_outcome {
  started_execution started;          ///< where there is no error
  std::optional<client_error> error;  ///< why it was not started
};

/// An event of a history that is followed.
struct followed_event {
  std::uint64_t run_number = 0;  ///< of its run, for client::follow
  std::string run_id;            ///< a UUID
  history_event event;           ///< durable
};

template <class R>
class client_execution;

/// The events of one execution as they become durable, over continue-as-new, none left out or told twice. Goes on over lost
/// connections. One thread at a time reads it; it does not outlive the last copy of its client.
class history_stream {
 public:
  class impl;
  /// For evermill itself: client::follow makes them.
  explicit history_stream(std::unique_ptr<impl> of);
  history_stream(history_stream&&) noexcept;             ///< leaves one that may only be destroyed
  history_stream& operator=(history_stream&&) noexcept;  ///< the same
  ~history_stream();

  /// Waits for the next one, however long that takes; nothing: the execution has ended, or `stop` was called. Throws client_error
  /// for what no waiting helps against (not_found, permission_denied, …).
  std::optional<followed_event> next();
  /// Ends a `next` that waits, and those to come. From any thread.
  void stop();

 private:
  std::unique_ptr<impl> impl_;
};

/// Copies share the connection, which is closed with the last one; not inside a callback. Functions that have the name of one of
/// the engine's (engine.hpp) do what that does.
class client {
 public:
  /// Throws client_error: invalid_argument where a file of the address can't be read, or its token is none; unavailable where nothing answers in time.
  explicit client(client_options options);
  ~client();
  client(const client&);             ///< shares the connection
  client& operator=(const client&);  ///< shares the connection
  client(client&&) noexcept;             ///< leaves one that may only be destroyed or assigned to
  client& operator=(client&&) noexcept;  ///< the same

  /// The same connection with other limits: `shop.with({.request = 2s}).describe("o-1")`.
  client with(client_limits limits) const;

  /// @name With types
  /// @{

  /// Starts a workflow by its name. The id is chosen here where the options have none, so that a repeated try starts nothing twice.
  template <class R, class A>
  client_execution<R> start(const child_workflow<R(A)>& workflow, const std::type_identity_t<A>& input,
                            start_options options = {}) const;
  /// Without an input.
  template <class R>
  client_execution<R> start(const child_workflow<R()>& workflow, start_options options = {}) const;
  /// Starts it with the signal, or sends the signal to the one that runs, in one commit.
  template <class R, class A, class T>
  client_execution<R> signal_with_start(const child_workflow<R(A)>& workflow, const std::type_identity_t<A>& input,
                                        const evermill::signal<T>& which, const std::type_identity_t<T>& value,
                                        start_options options = {}) const;
  /// A handle on an execution that was started earlier. Asks nobody.
  template <class R>
  client_execution<R> find(std::string workflow_id) const;

  /// @}
  /// @name Executions
  /// @{

  /// As engine::start. Where a try was lost and the policy is use_existing, `existed` may be true of what an earlier try started.
  started_execution start(std::string_view workflow_type, payload input, start_options options = {}) const;
  /// Without waiting: what comes while others are under way is sent together, up to 500 at once, four times at once. `answer` is called
  /// once, on another thread, also where the start is refused; it must be short, and must not wait for this client. Waits while
  /// 10,000 starts are under way, so not to be called in a callback.
  void start(std::string_view workflow_type, payload input, start_options options,
             std::function<void(std::optional<client_error>, started_execution)> answer) const;
  /// Many at once, in the same way; each for itself, and in any order. The outcomes are in the order of the requests. Does not throw
  /// for what became of a start.
  std::vector<start_outcome> start_all(std::vector<start_request> requests) const;
  /// The request id is chosen here where it is "".
  void signal(std::string_view workflow_id, std::string_view signal_name, payload input, std::string_view request_id = {}) const;
  payload query(std::string_view workflow_id, std::string_view query_name, payload input = {}) const;  ///< as engine::query
  /// Also throws update_failed. The update's id is chosen here where it is "".
  std::optional<payload> update(std::string_view workflow_id, std::string_view update_name, payload input = {},
                                std::string_view update_id = {}) const;
  /// Where an earlier try was lost, an execution that has ended meanwhile is no error.
  void cancel(std::string_view workflow_id, std::string_view reason = {}) const;
  /// The same.
  void terminate(std::string_view workflow_id, std::string_view reason = {}) const;
  void taint(std::string_view workflow_id) const;  ///< as engine::taint

  /// @}
  /// @name Waiting and looking
  /// @{

  execution_end wait(std::string_view workflow_id) const;  ///< within client_limits::wait
  /// Nothing when the limit is reached; the execution goes on.
  std::optional<execution_end> wait_for(std::string_view workflow_id, std::chrono::milliseconds limit) const;
  /// Without waiting: `answer` is called once, on another thread, with the end or with what no waiting helps against. After the object
  /// that is returned was destroyed it is not called any more, unless it is being called. No limit counts.
  std::shared_ptr<void> on_end(std::string_view workflow_id,
                               std::function<void(std::optional<client_error>, execution_end)> answer) const;
  execution_description describe(std::string_view workflow_id) const;  ///< as engine::describe
  /// As engine::list; a page may have fewer than `limit`, or none, where the list goes on.
  execution_page list(const execution_filter& filter = {}, std::string_view page_token = {}, std::size_t limit = 0) const;
  execution_counts counts(const execution_filter& filter = {}) const;  ///< as engine::counts
  /// Events of the current run; at most 1,000, and fewer where a page is full. Empty: there are no more for now.
  std::vector<history_event> history(std::string_view workflow_id, std::uint64_t from_seq = 1, std::size_t limit = 1000) const;
  /// As engine::read_history.
  history_page read_history(std::string_view workflow_id, std::uint64_t run_number, std::uint64_t from_seq, std::size_t limit) const;
  /// From that event of that run on; run 0 is the current one.
  history_stream follow(std::string_view workflow_id, std::uint64_t from_seq = 1, std::uint64_t run_number = 0) const;

  /// @}
  /// @name Human tasks and locks
  /// As the engine's; pages have at most 1,000. Where an earlier try of a change was lost, `closed` and `conflict` may be of that:
  /// client_error::may_have_happened.
  /// @{

  std::vector<human_task_summary> human_tasks(const human_task_filter& filter = {}, std::string_view after = {},
                                              std::size_t limit = 1000) const;  ///< as engine::human_tasks
  human_task_description describe_human_task(std::string_view task_id) const;   ///< as engine::describe_human_task
  void claim_human_task(std::string_view task_id, std::string_view by, bool force = false) const;  ///< makes it somebody's
  void release_human_task(std::string_view task_id, std::string_view by, bool force = false) const;  ///< makes it nobody's
  void delegate_human_task(std::string_view task_id, std::string_view by, std::string_view assignee,
                           bool force = false) const;  ///< gives it to another one
  void complete_human_task(std::string_view task_id, std::string_view by, payload answer, bool force = false) const;  ///< answers it
  std::vector<lock_description> locks(std::string_view after = {}, std::size_t limit = 1000) const;  ///< as engine::locks

  /// @}
  /// @name Activities that are completed from elsewhere
  /// By their tokens, as the engine's functions. Where an earlier try was lost, not_found may mean that it was taken.
  /// @{

  void complete_activity(std::string_view token, payload result = {}) const;  ///< as engine::complete_activity
  void fail_activity(std::string_view token, const failure& why) const;       ///< as engine::fail_activity
  void cancel_activity(std::string_view token) const;                         ///< as engine::cancel_activity
  /// True: its cancellation was requested and is waited for.
  bool heartbeat_activity(std::string_view token, std::optional<payload> details = {}) const;

  /// @}
  /// @name The server
  /// @{

  server_status status() const;                              ///< who answers
  known_definitions definitions() const;                     ///< as engine::list_definitions
  std::vector<task_queue_description> task_queues() const;   ///< as engine::task_queues
  cluster_description cluster() const;                       ///< as engine::cluster

  /// @}

 private:
  class impl;
  client(std::shared_ptr<impl> shared, client_limits limits);

  std::shared_ptr<impl> impl_;
  client_limits limits_;
};

/// A handle on one execution; has its client with it. Copies are cheap. Functions do what the client's of that name do;
/// payload_error where what comes back is not of the handle's type.
template <class R>
class client_execution {
 public:
  /// For evermill itself: client::start and client::find make them.
  client_execution(client of, started_execution started) : client_(std::move(of)), started_(std::move(started)) {}

  const std::string& id() const noexcept { return started_.workflow_id; }  ///< the workflow id
  const std::string& run_id() const noexcept { return started_.run_id; }   ///< of the run that was started; "" of client::find
  bool existed() const noexcept { return started_.existed; }               ///< started_execution::existed; true of client::find

  /// Waits for the end. Throws workflow_failed (also for canceled and terminated) where there is no result.
  R result() const { return result_of(client_.wait(id())); }
  /// The same with a limit: deadline_exceeded.
  R result_within(std::chrono::milliseconds limit) const {
    auto end = client_.wait_for(id(), limit);
    if (!end) throw client_error(client_errc::deadline_exceeded, "execution " + id() + " has not ended within the limit");
    return result_of(std::move(*end));
  }
  /// As client::on_end.
  std::shared_ptr<void> on_end(std::function<void(std::optional<client_error>, execution_end)> answer) const {
    return client_.on_end(id(), std::move(answer));
  }
  /// Sends a signal with a value.
  template <class T>
  void signal(const evermill::signal<T>& which, const std::type_identity_t<T>& value, std::string_view request_id = {}) const {
    client_.signal(id(), which.name, codec<T>::encode(value), request_id);
  }
  /// Sends a signal without a value.
  void signal(const evermill::signal<>& which, std::string_view request_id = {}) const {
    client_.signal(id(), which.name, payload{}, request_id);
  }
  /// Asks the code a question with an argument.
  template <class Q, class A>
  Q query(const evermill::query<Q(A)>& which, const std::type_identity_t<A>& about) const {
    return codec<Q>::decode(client_.query(id(), which.name, codec<A>::encode(about)));
  }
  /// Asks the code a question.
  template <class Q>
  Q query(const evermill::query<Q()>& which) const {
    return codec<Q>::decode(client_.query(id(), which.name, payload{}));
  }
  /// Has the code do something with an argument, and waits for its result.
  template <class U, class A>
  U update(const evermill::update<U(A)>& which, const std::type_identity_t<A>& what, std::string_view update_id = {}) const {
    return value_of<U>(client_.update(id(), which.name, codec<A>::encode(what), update_id));
  }
  /// Has the code do something, and waits for its result.
  template <class U>
  U update(const evermill::update<U()>& which, std::string_view update_id = {}) const {
    return value_of<U>(client_.update(id(), which.name, payload{}, update_id));
  }
  void cancel(std::string_view reason = {}) const { client_.cancel(id(), reason); }        ///< asks it to end itself
  void terminate(std::string_view reason = {}) const { client_.terminate(id(), reason); }  ///< ends it now
  execution_description describe() const { return client_.describe(id()); }                ///< where it stands
  history_stream follow() const { return client_.follow(id()); }                           ///< its events as they come

 private:
  template <class U>
  static U value_of(std::optional<payload> end) {
    if constexpr (!std::is_void_v<U>) return codec<U>::decode(end.value_or(payload{}));
  }
  R result_of(execution_end end) const {
    if (end.status != execution_status::completed) {
      throw workflow_failed(id(), std::string(to_string(end.status)), end.cause.value_or(failure{}));
    }
    return value_of<R>(std::move(end.result));
  }

  client client_;
  started_execution started_;
};

// --- implementation of the typed functions

template <class R, class A>
client_execution<R> client::start(const child_workflow<R(A)>& workflow, const std::type_identity_t<A>& input,
                                  start_options options) const {
  return {*this, start(workflow.name, codec<A>::encode(input), std::move(options))};
}

template <class R>
client_execution<R> client::start(const child_workflow<R()>& workflow, start_options options) const {
  return {*this, start(workflow.name, payload{}, std::move(options))};
}

template <class R, class A, class T>
client_execution<R> client::signal_with_start(const child_workflow<R(A)>& workflow, const std::type_identity_t<A>& input,
                                              const evermill::signal<T>& which, const std::type_identity_t<T>& value,
                                              start_options options) const {
  options.with_signal = start_signal{std::string(which.name), codec<T>::encode(value)};
  return {*this, start(workflow.name, codec<A>::encode(input), std::move(options))};
}

template <class R>
client_execution<R> client::find(std::string workflow_id) const {
  return {*this, started_execution{std::move(workflow_id), {}, true}};
}

}  // namespace evermill
