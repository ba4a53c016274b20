// What a partition keeps in memory about one run: what is open, where its journal ends, and whether its instance is up.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/fifo.hpp"
#include "base/ids.hpp"
#include "base/trace_context.hpp"
#include "messages/decision.pb.h"
#include "messages/journal.pb.h"
#include "messages/state.pb.h"
#include "messages/task.pb.h"
#include "actors/partition_ports.hpp"
#include "storage/executions.hpp"
#include "storage/journal.hpp"
#include "storage/rows.hpp"

namespace evermill::actors {

/// Where a decision event came from, so that the commit with its turn can say that it is handled.
struct origin {
  std::uint64_t position = 0;  ///< in the partition's queue; 0: not from a queue
  std::uint8_t queue = 0;      ///< which of the partition's queues
  std::optional<std::uint16_t> lane_source;
  std::uint64_t lane_number = 0;
  std::uint64_t reply_token = 0;
  std::optional<std::uint64_t> parked_index;  ///< its row in the inbox
  bool existed = false;        ///< a start that came to an execution that was there
  std::shared_ptr<const storage::request_name> request;  ///< set where the same request is not to be done twice
  bool about_human_task = false;  ///< refused where it is not open any more
};

struct activity_key {
  run_number run;
  event_seq scheduled;
};

/// When a partition looks at an activity again.
struct due_time {
  timestamp when;
  run_number run;
  event_seq scheduled;
  auto operator<=>(const due_time&) const = default;
};

/// In place of a dispatch id's boot number: the attempt was scheduled while nothing was dispatched, so it cannot have
/// started. Whoever dispatches it gives it a boot number first, durably.
inline constexpr std::uint64_t never_dispatched = 0;

struct open_activity {
  enum class phase : std::uint8_t { waiting, handed_out, asynchronous };  ///< docs/architecture.md, "Attempts"

  // The current attempt:
  phase is = phase::handed_out;
  std::uint32_t attempt = 1;
  std::uint64_t boot = 0;
  timestamp not_before{};
  timestamp started{};  ///< of an asynchronous one
  timestamp heard{};    ///< of an asynchronous one: its start, last heartbeat, or recovery
  bool overdue = false;        ///< a deadline has ended it; the event is on its way
  bool start_checked = false;  ///< schedule-to-start is over, and its backend was asked whether it has started

  event_seq turn_first;  ///< of the record that scheduled it
  timestamp close_by{};  ///< its schedule-to-close is over then; 0: none
  bool has_row = false;  ///< an OpenActivity row is stored
  bool closing = false;  ///< its end is on the way to the instance
  bool cancel_requested = false;  ///< and its end is waited for
  bool armed = false;             ///< in the partition's due times, at `due`
  std::uint32_t changing = 0;     ///< commits under way that its next due time waits for
  timestamp due{};
  std::optional<messages::Failure> last_failure;  ///< as stored in the row
  std::uint32_t lost_from = 0;                    ///< the first of the attempts right before whose end nobody knows; 0: none
  std::shared_ptr<const messages::Payload> heartbeat_details;
  bool details_unwritten = false;
  timestamp next_details_write{};
  std::shared_ptr<const messages::ActivityTask> task;
};

struct open_child {
  std::string workflow_id;
  messages::StartChildWorkflowExecutionInitiated::ParentClosePolicy when_parent_closes{};
};

/// The start event of every run. A timer of this number is the run's deadline.
inline constexpr event_seq start_seq(1);

struct open_human_task {
  messages::HumanTask row;
  bool closing = false;  ///< its answer is on the way to the instance
};

/// A lock that is waited for or held.
struct open_lock {
  std::string id;  ///< the lock's workflow id
  bool granted = false;
};

/// What a run has asked for and not got, or got and not given back, as its journal says. Pure: the same events give the same state.
struct open_commands {
  std::map<event_seq, open_activity> activities;
  std::map<event_seq, timestamp> timers;  ///< with the run's deadline, as that of `start_seq`
  std::map<event_seq, open_child> children;
  std::set<event_seq> steps;
  std::map<event_seq, open_human_task> human_tasks;
  std::map<event_seq, open_lock> locks;

  /// `turn_first` and `turn_time` are those of the record that holds the event.
  void apply(event_seq seq, event_seq turn_first, timestamp turn_time, const messages::Event& event);
  void apply(const storage::stored_turn& turn);
  /// What is known of attempts and in no journal: of the activities that are open in both.
  void take_attempts(const open_commands& known);
};

/// The span of whoever asked for a run.
struct caller_trace {
  tracing::trace_context from;
  std::string state;
};

struct run {
  enum class state : std::uint8_t {
    absent,   ///< no instance actor; its journal is the only state
    loading,  ///< its journal is being replayed
    live,
    blocked,  ///< takes no turns; its events are parked
    closed,   ///< has ended; kept until that is durable
  };
  std::string workflow_id;
  run_number number;
  messages::InstanceHeader header;
  state is = state::absent;
  std::uint64_t generation = 0;  ///< of its instance actor; reports of earlier ones are dropped

  bool instance_up = false;
  std::uint64_t works_given = 0;     ///< to this generation's instance
  std::uint64_t works_reported = 0;
  fifo<std::shared_ptr<instance_work>> given;  ///< decisions and queries not reported; the instance reads them
  // Set aside because its instance has not come back from a turn (partition_overdue.cpp):
  bool overdue = false;
  bool was_loading = false;
  std::vector<instance_report> late_reports;  ///< until what was parked meanwhile is durable

  bool state_known = false;  ///< last, time and open reflect the journal
  event_seq last;            ///< last event appended
  timestamp time{};          ///< of the last turn
  open_commands open;
  // As the start event says:
  std::optional<messages::ParentExecution> parent;
  std::int64_t execution_deadline_us = 0;
  std::int64_t run_deadline_us = 0;
  std::int64_t run_timeout_us = 0;
  std::unique_ptr<const caller_trace> trace;  ///< null: no caller's is known

  storage::listed_state listed = storage::listed_state::none;  ///< as the index of executions has it
  /// What the index has of the run or the execution before, until this one's first header.
  std::unique_ptr<const storage::execution_row> replaces;

  void remember(const messages::WorkflowExecutionStarted& started);
  void remember_trace(const std::string& traceparent, const std::string& tracestate);
  /// The next turn of its journal; what it opens and closes goes to `to`.
  void read(const storage::stored_turn& turn, open_commands& to);

  bool has_open_work_row = false;
  bool row_has_inbox = false;  ///< what the stored row says
  event_seq open_work_through;
  std::uint64_t next_parked = 0;
  bool has_inbox = false;
  std::size_t parked_left = 0;     ///< parked events given to the instance and not handled yet
  bool load_when_durable = false;

  std::size_t turns_not_durable = 0;
  fifo<origin> in_flight;  ///< decisions given to the instance and not reported
  fifo<std::pair<messages::Event, origin>> waiting;
  /// Requests that look at the run as a whole and came before its start had a turn, or what is parked was durable.
  std::vector<std::pair<messages::DecisionEvent, origin>> held;
  std::vector<instance_query> waiting_queries;  ///< until the instance is up
  std::vector<std::uint64_t> asked;             ///< queries given to the instance and not answered, by token
  std::unique_ptr<storage::journal_reader> replay;
  std::size_t replaying = 0;  ///< parts of the journal given to the instance and not reported
  open_commands replayed;    ///< what is open, as far as the journal was read for it
  instance_work next_work;   ///< gathered for the instance, not yet given

  timestamp last_used{};
  std::optional<std::list<run_number>::iterator> idle_place;
};

/// When schedule-to-close is over for an activity that was scheduled then; 0: never.
timestamp close_time(timestamp scheduled, const messages::ActivityOptions& options) noexcept;

/// The earlier of the deadlines of the run and of its execution; nothing where there is none.
std::optional<timestamp> deadline_of(const messages::WorkflowExecutionStarted& started) noexcept;

/// What an exceeded limit of an activity is called.
void set_timeout(messages::Failure& failure, messages::Failure::Kind which);

bool is_end(const messages::Event& event) noexcept;
/// Is it an end that the partition made, not the code?
bool ends_without_code(const messages::Event& event) noexcept;
/// The schedule event of the activity whose end the event is; 0: it is something else.
event_seq activity_closed_by(const messages::Event& event) noexcept;
messages::ExecutionStatus status_after(const messages::Event& end) noexcept;

/// The id under which a partition remembers an update. Other requests' ids begin otherwise: request_id_of.
std::string update_request_id(const std::string& update_id);
std::string request_id_of(const std::string& id);

/// Tells a repeated start from another one: InstanceHeader.input_hash.
std::uint64_t input_hash(const messages::Payload& input) noexcept;

}  // namespace evermill::actors
