// What a partition asks of the world around it, as values. The partition itself knows no actor, thread or disk.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/ids.hpp"
#include "base/span.hpp"
#include "messages/decision.pb.h"
#include "messages/journal.pb.h"
#include "messages/state.pb.h"
#include "messages/task.pb.h"
#include "plugins/queue/decision_queue.hpp"
#include "plugins/task/task_backend.hpp"
#include "storage/key_value_store.hpp"
#include "storage/rows.hpp"
#include "workflow/decider.hpp"

namespace evermill::actors {

/// What the code of a workflow gave: the answer to a query, the end of an update. One of them is set, or the result is no value.
struct code_result {
  std::optional<messages::Payload> result;
  std::optional<messages::Failure> failure;
};

/// What a caller who sent a decision event is told, once that is durable.
struct answer {
  enum class outcome : std::uint8_t {
    accepted,
    already_exists,
    not_found,
    closed,
    conflict,
    unavailable,
    refused,  ///< by the workflow's code, which says why in `code`
    blocked,  ///< the execution takes no turns
    overloaded,  ///< its namespace has as many as it may
  };
  outcome what = outcome::accepted;
  std::string workflow_id;
  std::string run_id;
  bool existed = false;
  std::string message;
  std::shared_ptr<const code_result> code;  ///< of a query, of an update that is done, of what was refused
  bool cancel_requested = false;  ///< to a heartbeat: the attempt is to stop
};

/// A question to one instance.
struct instance_query {
  std::uint64_t token = 0;
  std::string name;
  messages::Payload input;
};

/// A caller's question. It is no decision event: nothing is journaled, and whoever asks may ask again.
struct query_request {
  std::string workflow_id;
  instance_query what;
};

/// Work for one instance: turns to replay, or decision events to handle.
struct instance_work {
  std::uint64_t number = 0;  ///< counts what this instance was given
  std::vector<messages::TurnRecord> replay;
  bool replay_ends = false;  ///< the last of the journal is in `replay`
  struct decision {
    messages::Event event;
    timestamp time;
  };
  std::vector<decision> decisions;  ///< only read by the instance: the partition needs them again
  std::vector<instance_query> queries;  ///< after the decisions
};

/// An instance's answer to one instance_work, in the order in which the work was given.
struct instance_report {
  run_number run;
  std::uint64_t generation = 0;
  bool replayed = false;  ///< answers a replay
  /// Of a replay; or why the decision behind the last of `turns` can't be decided now: that one and all later ones are not
  /// handled, and the instance is of no more use.
  std::optional<workflow::divergence> difference;
  /// With a `difference` of decisions: what the run is until it is tried anew. NONE: nothing is wrong with it, and it is, at once, from
  /// its journal.
  messages::Blocked::Reason set_aside_as = messages::Blocked::TURN_TIMEOUT;
  std::vector<workflow::step_run> unfinished_steps;      ///< after the last replay
  std::vector<std::optional<workflow::turn>> turns;      ///< one per decision, without it; empty where it concerned nothing
  std::vector<messages::Event> unhandled;                ///< decisions that came after the end of the run
  std::map<std::size_t, messages::Failure> refusals;     ///< of updates, by their place in `turns`, which is empty
  std::vector<std::pair<std::uint64_t, std::shared_ptr<const code_result>>> answers;  ///< to queries, by token
};

struct ended_execution {
  std::string workflow_id;
  messages::Event end;
};

struct ended_update {
  std::string workflow_id;
  std::string update_id;
  std::shared_ptr<const code_result> end;
};

struct attempt_cancellation {
  enum class kind : std::uint8_t { cancel, request_stop, expire };  ///< which call of task_backend
  tasks::dispatch_id id;
  std::string activity_type;  ///< "": not known
  kind how = kind::cancel;
};

struct step_effect {
  std::string workflow_id;
  run_number run;
  workflow::step_run step;
};

struct written_line {
  std::string workflow_id;
  run_number run;
  workflow::log_line line;
};

struct durable_turn {
  std::string workflow_id;
  event_seq first;
  messages::TurnRecord record;
};

/// Rows of the family `published` that are durable: those with numbers above `after`, up to `through`. The turns themselves are
/// read from the store by whoever publishes them: nothing is held in memory for a place that is slow or away.
struct publishable_rows {
  std::uint64_t after = 0;
  std::uint64_t through = 0;
};

/// What happens outside once a commit is durable, in this order.
struct effects {
  std::vector<std::shared_ptr<const messages::ActivityTask>> tasks;
  std::vector<std::shared_ptr<const messages::ActivityTask>> adopted;  ///< that run elsewhere, as far as anybody knows
  std::vector<step_effect> steps;
  std::vector<attempt_cancellation> cancellations;
  std::vector<std::pair<partition_id, std::shared_ptr<const messages::DecisionEvent>>> outbound;
  std::vector<std::pair<std::uint64_t, answer>> answers;
  std::vector<written_line> log_lines;  ///< of the workflows' own logs
  std::vector<ended_update> updates;
  std::vector<ended_execution> ended;
  std::vector<durable_turn> turns;  ///< only while somebody follows
  std::vector<tracing::span> spans;     ///< only where somebody is told of them
  std::optional<publishable_rows> published;  ///< only where publishing is on; at first what recovery has found, be it nothing
  bool empty() const noexcept {
    return tasks.empty() && adopted.empty() && steps.empty() && cancellations.empty() && outbound.empty() && answers.empty() &&
           log_lines.empty() && updates.empty() && ended.empty() && turns.empty() && spans.empty() && !published;
  }
};

class partition_ports {
 public:
  virtual ~partition_ports() = default;

  virtual timestamp now() = 0;
  virtual std::uint64_t random() = 0;
  virtual std::string make_run_id() = 0;
  /// Is this version of the workflow type here ("": any), for executions of the namespace? Null: no.
  virtual const workflow_definition* find_workflow(std::string_view name_space, const std::string& type, const std::string& version) = 0;
  /// May workers elsewhere have code for a workflow type that is not here?
  virtual bool takes_deciders() { return false; }
  virtual partition_id partition_of(const std::string& workflow_id) = 0;
  virtual bool has_followers() = 0;
  /// Is there a task queue of this name here? Not asked for the default one.
  virtual bool serves_queue(const std::string& name) = 0;
  /// Are its activities run by other processes, which go on when this one ends?
  virtual bool runs_elsewhere(const std::string&, const std::string&) { return false; }
  /// Is this version of the activity here? Not asked where any will do.
  virtual bool has_activity(const std::string& type, const std::string& version) = 0;

  virtual void start_instance(run_number run, std::uint64_t generation, const workflow_definition& definition) = 0;
  /// `replay` is the instance's own from now on; the rest is only read.
  virtual void give_work(run_number run, std::shared_ptr<instance_work> work) = 0;
  virtual void stop_instance(run_number run) = 0;

  /// Makes the batch durable; partition::on_committed follows, or partition::on_commit_failed.
  virtual void submit(storage::write_batch&& batch) = 0;
  /// Asks for a call of partition::flush after what is already waiting for the partition.
  virtual void request_flush() = 0;
  /// Asks for a call of partition::poll.
  virtual void request_poll() = 0;
  /// Asks for a call of partition::recover_more after what is already waiting for the partition.
  virtual void request_recovery() = 0;
  /// Asks for a call of partition::on_tick at `when`; replaces the request before.
  virtual void request_tick(timestamp when) = 0;
  virtual void release(effects&& what) = 0;
  /// The partition has stopped for good, once: a commit has failed, or what was read is wrong.
  virtual void on_stopped(const storage::storage_error& why) = 0;
};

}  // namespace evermill::actors
