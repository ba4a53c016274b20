// A partition: the decisions about a fixed slice of all instances, and the commits that make them durable.
//
//   decision queue ─▶ poll ─▶ route ─▶ instance ─▶ on_report ─▶ append ─▶ flush ─▶ submit ─▶ on_committed ─▶ effects
//
// Plain code without threads: one caller at a time, the partition actor or a test. Rules that hold throughout:
//   - append_turn is the only place that adds to a journal;
//   - nothing leaves through ports.release before the commit that holds it is durable;
//   - a position counts as handled only in the commit that holds its turn (or parks its event);
//   - after a failed commit the partition does nothing any more: its state is rebuilt from the store.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "actors/node_metrics.hpp"
#include "actors/open_executions.hpp"
#include "actors/partition_ports.hpp"
#include "actors/position_tracker.hpp"
#include "actors/run.hpp"
#include "base/log.hpp"
#include "storage/executions.hpp"
#include "storage/journal.hpp"

namespace evermill::actors {

/// Does a partition write down what is to be published?
enum class publishing_mode : std::uint8_t {
  off,
  as_before,  ///< as the last process that said so, on or off, and with its limit
  on,
};

/// Executions of a namespace are deleted when they have ended so long ago.
struct retention_rule {
  std::string name_space;  ///< as namespaces::prefix_of gives it
  std::chrono::microseconds keep{};
};

struct partition_options {
  partition_id id;
  boot_number boot;
  std::chrono::microseconds passivate_after{10'000'000};
  std::size_t max_live_instances = 20'000;
  std::chrono::microseconds keep_requests{std::chrono::hours(24)};  ///< how long a request's id is remembered at least
  std::size_t recovery_chunk = 64;  ///< how many runs are recovered before other work has its turn
  std::chrono::microseconds turn_timeout{0};  ///< for messages only: the turn watch knows when it is over
  bool draining = false;  ///< as after `drain`, from the start
  publishing_mode publishing = publishing_mode::off;
  std::uint64_t publish_limit = 1'000'000;  ///< events that wait to be published, at most; then the oldest are given up
  std::uint32_t of_partitions = 1;             ///< how many there are in all
  open_executions* open = nullptr;             ///< outlives it; null: no namespace limits them
  std::vector<retention_rule> retention{};     ///< at most one of each namespace
  node_metrics* metrics = nullptr;  ///< outlives it; null: it counts for itself
  const tracing::span_sink* spans = nullptr;  ///< outlives it; null: nobody is told of spans
};

/// Some of partition_metrics.
struct partition_statistics {
  std::uint64_t turns = 0;
  std::uint64_t activities_closed = 0;
  std::uint64_t late_results = 0;
  std::uint64_t repeats = 0;
  std::size_t live_instances = 0;
  std::uint64_t events_lost = 0;  ///< given up before they were published
};

class partition {
 public:
  /// `store`, `ports` and the queues must outlive the partition. It reads all of them; in which order what they hold is handled,
  /// one against the other, is not said.
  partition(partition_options options, const storage::key_value_store& store, std::vector<queue::decision_queue*> queues,
            partition_ports& ports, log log);
  ~partition();
  partition(const partition&) = delete;
  partition& operator=(const partition&) = delete;

  /// Reads the first of what is unfinished and goes on with it; then starts to read the queue. The rest follows while the
  /// partition works: see recover_more. After an error it does nothing any more, whatever it is given.
  storage::storage_result<void> recover(const std::function<void()>& on_readable);
  /// Recovers the next runs; asked for by request_recovery until all are.
  void recover_more();

  /// Workflows may have code now that had none: what is blocked for one whose code is remote is tried anew, in parts, by recover_more.
  void on_served();

  void poll();
  /// Messages to other partitions that were sent before the last call and are not acknowledged yet are sent again: what carries them
  /// may have lost them.
  void send_unacknowledged();
  void on_report(instance_report&& report);
  /// The run's instance has not come back from this work: the run takes no turns until it does, or is tried anew.
  void on_overdue(run_number number, std::uint64_t generation, std::uint64_t work);
  /// The answer follows through release: accepted with what the code gave, refused, not_found, closed (the journal of an
  /// ended execution is there to be asked by others), or blocked.
  void on_query(query_request&& query);
  void flush();
  void on_committed();
  void on_commit_failed(const storage::storage_error& error);
  void on_tick();

  /// What was to be published is, up to the row of this number.
  void on_published(std::uint64_t through);

  /// From now on no activity or step is dispatched and no timer fires; they stay open for the next boot.
  void drain();
  /// Is every event that was published handled and durable?
  bool idle() const;
  bool failed() const noexcept { return failed_; }
  partition_statistics statistics() const;

 private:
  struct commit {
    storage::write_batch batch;
    effects out;
    std::vector<run*> turns_of;  // one entry per undurable turn: a run with one is not forgotten
    std::vector<activity_key> activities;                  // whose due times are set once durable
    std::vector<storage::timer_row> timers;                // to arm once durable
    std::vector<storage::request_name> requests;           // whose rows it holds
    std::vector<std::uint64_t> low_waters;                 // of each queue
    bool positions_moved = false;
    bool deleted = false;  ///< executions, by retention
    std::optional<messages::CommittedTurns> published;     // nothing: no turn is to be published
  };

  // routing
  void route(const queue::item& item, std::uint8_t from_queue);
  void skip_to(std::uint8_t from_queue, queue::position next);
  void route_start(const messages::DecisionEvent& event, const origin& from);
  void route_event(const messages::DecisionEvent& event, const origin& from);
  void route_attempt_closed(const messages::DecisionEvent& event, const origin& from);
  void route_heartbeat(const messages::DecisionEvent& event, const origin& from);
  void route_completes_later(const messages::DecisionEvent& event, const origin& from);
  void route_terminate(const messages::DecisionEvent& event, const origin& from);
  void route_taint(const messages::DecisionEvent& event, const origin& from);
  void acknowledge_lane(const messages::LaneAcknowledged& acknowledged);
  bool admit_lane(const messages::DecisionEvent& event);
  bool starts_anew(const run& existing, bool running, const messages::DecisionEvent& event) const;
  void answer_start(const run& existing, const messages::DecisionEvent& event, const origin& from);
  bool terminate_for(run& existing, const messages::DecisionEvent& event);
  void time_out(run& r, const messages::DecisionEvent& event, const origin& from);
  void end_now(run& r, messages::Event&& end, const origin& from);
  void tell(const origin& from, answer&& what);
  void refuse(const origin& from, const std::string& workflow_id, answer::outcome what, std::string message);
  void handled(const origin& from);
  bool hold(run& r, const messages::DecisionEvent& event, const origin& from);
  void release_held(run& r);
  std::optional<messages::Event> parked_start(const run& r);

  // queries and updates
  void ask(run& r, instance_query&& query);
  void refuse_queries(run& r, answer::outcome what, const std::string& message);
  void answer_queries(run& r, instance_report& report);
  void refuse_update(run& r, messages::Failure&& why, const origin& from);
  void complete_update(const run& r, messages::WorkflowExecutionUpdateCompleted&& completed);

  // requests
  bool admit_request(const messages::DecisionEvent& event, origin& from);
  void accept(const run& r, const origin& from);
  void put_request(const run& r, const storage::request_name& name, messages::HandledRequest&& request);
  void forget_old_requests();

  // runs
  run* load_header(const std::string& workflow_id);
  run* find_run(run_number number);
  run& create_run(std::string workflow_id, messages::InstanceHeader header);
  run& create_stored_run(std::string workflow_id, messages::InstanceHeader header);
  void put_header(run& r);
  void deliver(run& r, messages::Event&& event, const origin& from);
  void give(run& r, messages::Event&& event, const origin& from);
  void send_work();
  void bring_up(run& r, const workflow_definition& definition);
  void take_down(run& r);
  void load(run& r);
  void send_replay_chunk(run& r);
  void on_replayed(run& r, instance_report&& report);
  const workflow_definition* definition_of(const run& r);
  const workflow_definition* find_code(const std::string& workflow_id, const std::string& type, const std::string& version);
  void block_unserved(run& r);
  void give_work(run& r, instance_work&& work);
  void handle_report(run& r, instance_report&& report);
  void park_given(run& r);
  void come_back(run& r);
  void give_up(run& r);
  void set_aside(run& r, std::shared_ptr<instance_work> work, const instance_report& report);
  void load_anew(run& r);
  static std::string why_no_turns(const run& r);
  void try_served();
  bool has_remote_code(const run& r);
  void block(run& r, messages::Blocked::Reason reason, event_seq at, std::string message);
  void unblock(run& r);
  void park(run& r, messages::Event&& event, const origin& from);
  void deliver_parked(run& r);
  void unpark(run& r, const origin& from);
  bool restore_state(run& r);
  void forget(run& r);
  void requeue_waiting(run& ended);
  void move_to(run& next, messages::Event&& event, const origin& from);
  void touch(run& r);
  void passivate(run& r);
  void passivate_idle();

  // turns
  void append_turn(run& r, workflow::turn&& turn, const origin& from);
  void apply(run& r, event_seq first, workflow::turn& turn);
  void schedule_activity(run& r, event_seq seq, event_seq turn_first, std::int64_t time_us,
                         messages::ActivityTaskScheduled& scheduled);
  void cancel_activity(run& r, const messages::ActivityTaskCancelRequested& request);
  void drop_activity(run& r, event_seq seq, activity_metrics::end how, const messages::Event* end = nullptr);
  void start_child(run& r, event_seq seq, messages::StartChildWorkflowExecutionInitiated& initiated);
  void cancel_child(const run& r, const messages::RequestCancelChildWorkflowExecutionInitiated& request);
  void close_run(run& r, event_seq turn_first, messages::Event& end);
  void continue_run(run& r, workflow::turn& turn);
  void close_children(const run& r);
  void start_run(const messages::DecisionEvent& request, const origin& from,
                 std::unique_ptr<const storage::execution_row> replaces = nullptr, run_number replaced = {});
  void set_deadline(const run& r, const messages::WorkflowExecutionStarted& started);
  void tell_parent(const run& r, const messages::Event& end);
  void update_open_work(run& r);
  void send_over_lane(const std::string& to_workflow_id, messages::DecisionEvent&& event);

  // human tasks and locks: partition_human_tasks.cpp, partition_locks.cpp
  bool admit_human_task(run& r, const messages::Event& event, const origin& from);
  bool note_parked_requests(run& r);
  void put_human_task(run& r, event_seq created);
  void ask_lock(const run& r, event_seq requested, const messages::LockRequested& request);
  void release_lock(const run& r, event_seq requested);
  void assign_lock(const messages::LockAssigned& assigned);
  void send_signal(const run& r, messages::SignalExternalWorkflowExecutionInitiated& told);
  void tell_lock(const run& r, event_seq requested, const std::string& lock_id, bool release, std::uint32_t permits);
  storage::storage_result<void> recover_chunk();
  run* recover_named(run_number number);
  storage::storage_result<void> recover_parked_results(run& r);
  bool recover_activity(run& r, event_seq seq, open_activity& activity);
  storage::storage_result<void> recover_everything(const std::function<void()>& on_readable);
  storage::storage_result<void> recover_run(storage::run_open_work&& work);
  storage::storage_result<void> recover_lanes();
  storage::storage_result<void> make_execution_index();
  storage::storage_result<void> send_lane(std::uint16_t destination, std::uint64_t after, std::uint64_t through);

  // publishing: partition_publishing.cpp
  storage::storage_result<void> recover_published(const messages::PartitionState& state);
  void note_published(const run& r, event_seq first, const messages::TurnRecord& record);
  bool must_commit_published() const;
  void ring_published(timestamp now);
  void put_published();
  void erase_first_published();
  void give_up_oldest();

  // limits of namespaces: partition_namespaces.cpp
  open_executions::count* limit_of(std::string_view workflow_id) const;
  void count_open(std::string_view workflow_id, int by);
  bool admit_start(const messages::DecisionEvent& event, const origin& from);
  storage::storage_result<void> recover_open_counts();
  void forget_open_counts();
  void ring_retention(timestamp now);
  bool is_unpublished(std::uint64_t through) const;
  bool delete_ended(timestamp now);
  storage::storage_result<bool> delete_execution(const storage::found_execution& which, std::size_t& turns);

  // attempts: partition_attempts.cpp
  struct attempt_of {
    run* r = nullptr;
    event_seq seq;
    open_activity* activity = nullptr;  ///< null: it is not the current one
    bool foreign = false;               ///< whoever tells names another namespace than the execution's
  };
  attempt_of find_attempt(const messages::DecisionEvent& event, std::uint64_t scheduled,
                          const messages::Attempt& attempt);
  void late(const messages::DecisionEvent& event, const origin& from);
  void close_activity(const attempt_of& which, messages::Event&& end, const origin& from);
  void on_failed(const attempt_of& which, const messages::ActivityTaskFailed& failed, const origin& from);
  void on_timed_out(const attempt_of& which, const messages::ActivityTaskTimedOut& timed_out, const origin& from);
  void on_canceled(const attempt_of& which, const messages::ActivityTaskCanceled& canceled, const origin& from);
  bool retry(const attempt_of& which, const messages::Failure& failure, const messages::Attempt& ended, const origin& from);
  timestamp next_attempt_at(const open_activity& activity, const messages::Failure& failure);
  void set_attempt(run& r, event_seq seq, open_activity& activity, std::uint32_t attempt, std::int64_t not_before_us,
                   const messages::Failure* last_failure);
  void put_activity_row(run& r, event_seq seq, open_activity& activity);
  void note_details(open_activity& activity, const messages::Payload& details);
  void write_details(run& r, event_seq seq, open_activity& activity);
  void accept_report(const run& r, const origin& from, bool cancel_requested = false);
  void tell_backend(const open_activity& activity, attempt_cancellation::kind how);
  void publish_end(const run& r, event_seq seq, const open_activity& activity,
                   messages::ActivityAttemptClosed&& end, effects& out);
  std::uint64_t dispatch_boot(const std::string& activity_type, const messages::ActivityOptions& options);

  // due times of activities: partition_deadlines.cpp
  void set_due_when_durable(run& r, event_seq seq, open_activity& activity);
  void on_activity_durable(const activity_key& key);
  void set_due(const run& r, event_seq seq, open_activity& activity);
  void unset_due(const run& r, event_seq seq, open_activity& activity);
  void ring_activities(timestamp now, effects& out);
  void ring(run& r, event_seq seq, open_activity& activity, timestamp now, effects& out);
  void hold_back(commit& done);
  void keep_waiting(const activity_key& key);
  void keep_undispatched(const activity_key& key);
  open_activity* find_activity(const activity_key& key, run*& r);

  // traces: partition_tracing.cpp
  tracing::trace_context trace_of(const run& r) const;
  void set_trace(const run& r, messages::ActivityTask& task) const;
  void pass_on_trace(const run& r, messages::WorkflowExecutionStarted& to) const;
  bool is_traced(const run& r) const;
  void tell_turn(const run& r, event_seq first, const workflow::turn& turn);
  void tell_attempt(const run& r, const open_activity& activity, const messages::Attempt* attempt, std::string_view how,
                    const messages::Failure* failure);
  void tell_attempt(const run& r, const open_activity& activity, const messages::Event& end);
  void tell_run(const run& r, const messages::Event& end);

  // timers
  void arm(const storage::timer_row& timer);
  void disarm(const storage::timer_row& timer);
  void refill_timers();
  void set_tick();

  // what it counts: partition_counts.cpp
  void note_recovering();
  void note_recovered();
  void note_submitted();
  void note_committed();
  void note_acknowledged(std::uint64_t messages);
  void note_started(const run& r, const messages::WorkflowExecutionStarted& started);
  void note_closed(const run& r, const messages::Event& end);
  void note_scheduled(const messages::ActivityTask& task);
  void note_activity_closed(const open_activity& activity, activity_metrics::end how);

  void corrupt(const storage::storage_error& error);
  void put_partition_state();
  void release(effects&& what);
  log_subject about(const run& r) const { return {options_.id, r.workflow_id, r.number}; }

  const partition_options options_;
  const storage::key_value_store& store_;
  partition_ports& ports_;
  const log log_;

  struct source {
    queue::decision_queue* from;
    std::unique_ptr<queue::consumer> consumer{};
    position_tracker handled{};
    queue::position polled = 0;  ///< up to here all was polled, or is nothing
  };
  std::vector<source> sources_;
  std::vector<messages::ConsumedPositions> other_sources_;  ///< of queues that this process is not connected with
  std::vector<queue::item> polled_;
  bool readable_ = false;

  std::unordered_map<run_number, std::unique_ptr<run>> runs_;
  std::unordered_map<std::string, run*> current_;  // by workflow id
  std::vector<run*> runs_with_work_;               // not forgotten either: they have next_work
  std::list<run_number> idle_order_;               // live runs, longest idle first
  std::uint64_t next_generation_ = 1;

  commit gathering_;
  commit writing_;
  bool write_in_flight_ = false;
  bool flush_requested_ = false;
  bool draining_;
  bool failed_ = false;
  storage::storage_error failure_;  ///< why it has failed

  std::map<std::uint16_t, position_tracker> lanes_in_;
  std::map<std::uint16_t, std::uint64_t> lanes_admitted_;
  std::set<std::uint16_t> lanes_to_acknowledge_;
  struct outbound_lane {
    std::uint64_t last = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t acknowledged_before = 0;  ///< at the last call of send_unacknowledged
    std::uint64_t last_before = 0;
  };
  std::map<std::uint16_t, outbound_lane> lanes_out_;
  commit_number last_commit_;
  run_number last_run_;
  std::set<run_number> open_runs_;  // with a row of open work
  /// While not all runs have been recovered. One that is asked for by name is recovered then, ahead of its turn.
  struct recovery {
    run_number next;   ///< runs below are known
    run_number last;   ///< later ones began in this boot
    std::unordered_set<run_number> ahead;  ///< from `next` on, and known: their stored rows are old
  };
  std::optional<recovery> recovery_;
  /// While blocked runs are tried whose code has come: up to here they were.
  std::optional<storage::list_position> served_through_;

  std::set<storage::timer_row> timers_;       // the earliest ones that are stored
  storage::timer_row timer_scan_;             // rows up to here have been seen
  bool all_timers_known_ = false;             // no stored timer lies behind the last of timers_
  std::set<due_time> dues_;                   // of activities
  timestamp tick_at_{};

  /// Requests with ids that are not durable yet, and who else waits for their answers.
  struct pending_request {
    std::optional<answer> done;
    std::vector<std::uint64_t> repeats;
  };
  std::map<storage::request_name, pending_request> requests_;
  storage::request_name request_scan_;   // up to here stored ones were looked at for age
  std::size_t requests_since_scan_ = 0;

  /// Rows of turns that are to be published: those above the watermark, up to the last.
  struct outgoing {
    bool on = false;
    std::uint64_t limit = 0;
    bool limit_changed = false;        // and is not committed yet
    std::uint64_t watermark = 0;
    std::uint64_t last = 0;
    std::uint64_t confirmed = 0;       // rows up to here need not be kept
    std::deque<std::uint32_t> events;  // of each row
    std::uint64_t waiting = 0;         // their sum
    std::uint64_t lost = 0;            // not 0: the first row says that so many were given up
    std::uint64_t lost_since = 0;
    std::optional<timestamp> erase_at{};  // rows are erased by a commit of their own then
    bool erase_now = false;               // that time has come
    std::optional<timestamp> loss_told_at{};
  };
  outgoing outgoing_;

  std::map<open_executions::count*, std::int64_t> opened_;  ///< what of it is this partition's

  /// How far retention has come.
  struct retained {
    timestamp due{};         ///< when to look again
    std::size_t rule = 0;    ///< of options_.retention
    std::string resume;      ///< where in the index; "": at its beginning
    std::vector<storage::found_execution> waiting;  ///< are to be deleted
    std::uint64_t wait_for = 0;                     ///< once what is to be published is, up to this number
  };
  retained retention_;

  const std::unique_ptr<node_metrics> own_metrics_;  ///< where nobody else has some for it
  node_metrics& of_node_;
  partition_metrics& counts_;
  timestamp recovery_began_{};
  timestamp submitted_at_{};  ///< the commit in flight
};

}  // namespace evermill::actors
