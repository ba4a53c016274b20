// A scenario: the smallest story in which a feature matters, told once and run by every runner of this folder.
//
// It has a registry, a script of requests, and what must hold at the end. The script is run again from its beginning
// after its process was killed: each request in it is one that may be repeated.
#pragma once

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "evermill/codec.hpp"
#include "evermill/engine.hpp"
#include "evermill/handles.hpp"
#include "evermill/registry.hpp"
#include "outcome.hpp"

namespace evermill::semantics {

/// What a script does with its engine, whichever that is. Requests return when they are durable.
class client {
 public:
  virtual ~client() = default;

  virtual void start(std::string_view workflow_type, payload input, const start_options& options) = 0;
  /// Starting an id again with the same input does nothing.
  void start(std::string_view workflow_type, payload input, const std::string& id) {
    start(workflow_type, std::move(input), start_options{.id = id});
  }
  virtual void signal(const std::string& id, std::string_view name, payload input, const std::string& request_id) = 0;
  void signal(const std::string& id, std::string_view name, payload input) { signal(id, name, std::move(input), {}); }
  virtual payload query(const std::string& id, std::string_view name, payload input) = 0;
  /// Waits for its result; asking again with the id does nothing again.
  virtual std::optional<payload> update(const std::string& id, std::string_view name, payload input,
                                        const std::string& update_id) = 0;
  virtual void cancel(const std::string& id) = 0;
  virtual void terminate(const std::string& id) = 0;
  virtual void complete_activity(const std::string& token, payload result) = 0;
  virtual execution_end wait(const std::string& id) = 0;
  virtual execution_description describe(const std::string& id) = 0;
  /// Of the current run.
  virtual std::vector<history_event> history(const std::string& id) = 0;
  virtual std::vector<human_task_summary> human_tasks() = 0;
  virtual void claim(const std::string& task_id, const std::string& by) = 0;
  virtual void delegate(const std::string& task_id, const std::string& by, const std::string& to) = 0;
  virtual void complete(const std::string& task_id, const std::string& by, payload answer) = 0;
  virtual std::vector<lock_description> locks() = 0;
  /// Returns when `reached` holds. Virtual time passes only where nothing else can happen.
  virtual void until(const std::function<bool()>& reached) = 0;
  /// The process ends and another begins, perhaps with other code.
  virtual void restart() = 0;
  /// Do waits take no real time? Then what is reached before a timer fires is certain.
  virtual bool in_virtual_time() const = 0;

  template <class R, class A>
  void start(const child_workflow<R(A)>& what, const std::type_identity_t<A>& input, const std::string& id) {
    start(what.name, codec<A>::encode(input), id);
  }
  template <class R>
  void start(const child_workflow<R()>& what, const std::string& id) {
    start(what.name, payload{}, id);
  }

  template <class R, class A>
  void start_with(const start_options& options, const child_workflow<R(A)>& what, const std::type_identity_t<A>& input) {
    start(what.name, codec<A>::encode(input), options);
  }
  template <class R>
  void start_with(const start_options& options, const child_workflow<R()>& what) {
    start(what.name, payload{}, options);
  }
  template <class R>
  R ask(const std::string& id, const evermill::query<R()>& which) {
    return codec<R>::decode(query(id, which.name, payload{}));
  }
  template <class R, class A>
  R update(const std::string& id, const evermill::update<R(A)>& which, const std::type_identity_t<A>& what,
           const std::string& update_id) {
    return codec<R>::decode(update(id, which.name, codec<A>::encode(what), update_id).value_or(payload{}));
  }

  /// Sends the signal once, however often it is asked for; values are unique within a scenario. Does nothing where the
  /// execution has ended.
  void signal_once(const std::string& id, const evermill::signal<std::string>& which, const std::string& value);
  /// Asks for the cancellation unless that was done, or the execution has ended.
  void cancel_once(const std::string& id);
  void terminate_once(const std::string& id);

  /// The open task of this execution, when there is one; nothing when it has ended before.
  std::optional<human_task_summary> task_of(const std::string& id);
  /// Does the run hold this lock, or wait for it, by the lock's own account?
  bool is_known_to_lock(const std::string& lock, const std::string& id);

  bool exists(const std::string& id);
  bool ended(const std::string& id) { return describe(id).status != execution_status::running; }
  bool has_event(const std::string& id, std::string_view type, std::size_t count = 1);
  /// Until the current run's journal has that many events of the type, or the execution has ended.
  void until_event(const std::string& id, std::string_view type, std::size_t count = 1) {
    until([&] { return has_event(id, type, count) || ended(id); });
  }
};

struct scenario {
  std::string name;
  /// Adds the workflows and activities. Activities and steps `record` their effects.
  void (*define)(registry&);
  /// At its end everything that it started has ended.
  void (*script)(client&);
  /// What must hold at the end in every run, as GoogleTest's expectations. That a run is like the fresh one in
  /// everything that `outcome` compares is checked besides.
  void (*check)(const outcome&);
  /// Activities without argument and result whose attempts end only when they are told to stop.
  std::vector<std::string> hanging = {};
};

/// All of them.
const std::vector<scenario>& scenarios();

// By topic.
std::vector<scenario> activity_scenarios();
std::vector<scenario> limit_scenarios();
std::vector<scenario> waiting_scenarios();
std::vector<scenario> ending_scenarios();
std::vector<scenario> handler_scenarios();
std::vector<scenario> start_scenarios();
std::vector<scenario> scope_scenarios();
std::vector<scenario> version_scenarios();
std::vector<scenario> human_task_scenarios();
std::vector<scenario> lock_scenarios();

/// For scripts: throws, and so fails the run, where `holds` is false.
inline void require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

/// Counts an effect outside the engine. `what` says which; `key` tells repetitions of one from another one. Neither has a
/// space. Thread-safe.
void record(std::string_view what, std::string_view key);
/// The same for an attempt, by the idempotency key of its activity.
inline void record(std::string_view what, const activity_context& about) { record(what, about.idempotency_key()); }

}  // namespace evermill::semantics
