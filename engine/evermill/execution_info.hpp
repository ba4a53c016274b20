/// @file
/// What an engine says about executions: descriptions, lists, histories, human tasks, locks.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/failure.hpp"
#include "evermill/payload.hpp"

namespace evermill {

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
  std::chrono::sys_time<std::chrono::microseconds> execution_started_at{};  ///< of the first run, UTC: `started_at` unless it continued as new
};

/// Which executions are wanted: those for which all of this holds; what is empty is not asked for.
struct execution_filter {
  std::vector<execution_status> statuses;  ///< one of these; none is `continued_as_new`
  std::string workflow_type;               ///< of the current run
  /// Started then or later, and started before; UTC. Of an execution that continued as new, the first run's start counts.
  std::chrono::sys_time<std::chrono::microseconds> started_from{};    ///< epoch: not asked for
  std::chrono::sys_time<std::chrono::microseconds> started_before{};  ///< epoch: not asked for
  std::string workflow_id_prefix;          ///< how the workflow id begins
  std::optional<bool> blocked;             ///< whether it runs but takes no turns: execution_description::blocked
  std::string name_space{};                ///< in which they are; "": the default one
};

/// A part of a list.
struct execution_page {
  std::vector<listed_execution> executions;  ///< newest start first; of those of one microsecond, by workflow id
  std::string next_page_token;               ///< gives the next part; "": this was the last one
};

/// How many executions pass a filter.
struct execution_counts {
  std::uint64_t total = 0;                             ///< all of them
  std::uint64_t blocked = 0;                           ///< of those that run: take no turns
  std::map<execution_status, std::uint64_t> by_status; ///< without those of which there is none
};

/// One event of a history. `json` is one line: seq, type, time, then the event's own fields by their protobuf names.
struct history_event {
  std::uint64_t seq = 0;  ///< its place in the run's journal, from 1
  std::string type;       ///< "ActivityTaskScheduled", …
  std::chrono::sys_time<std::chrono::microseconds> time{};  ///< of the turn it belongs to, UTC
  std::string json;       ///< all of it; JSON payloads appear as they are, others in base64
};

/// A part of the history of one run of an execution.
struct history_page {
  std::uint64_t run_number = 0;  ///< names the run among those of the workflow id, to ask for more of it
  std::string run_id;            ///< of that run; a UUID
  std::vector<history_event> events;  ///< in order, without gaps
  bool ended = false;  ///< the run has ended, and no event follows these
  std::uint64_t next_run = 0;  ///< with `ended`: the run that it was continued as; 0: none
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
  std::string name_space{};  ///< in which they are; "": the default one
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

/// The last lines that an attempt of an activity has written which runs in this process: one that is a process, a script or a
/// container. Secrets are taken out. Nothing of it is stored.
struct running_output {
  std::uint64_t scheduled_seq = 0;  ///< the event with which the activity was called
  std::uint32_t attempt = 1;        ///< 1 is the first
  std::vector<std::string> lines;   ///< of standard output and standard error as they came; the newest last
};

}  // namespace evermill
