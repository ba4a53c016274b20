// What can be asked of a data directory, wherever the engine that has it open lives: in this process (local_control.hpp)
// or in another one (control_client.hpp). Each command of the command line is written once, against this.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "evermill/engine.hpp"

namespace evermill::server {

enum class control_errc {
  invalid_argument,  ///< an id, name or option that can't be
  unauthenticated,   ///< no credentials, or such that do not count (any more)
  permission_denied, ///< the caller may not do this
  unknown_workflow,  ///< the process that has the directory open registers no workflow of that name
  not_found,         ///< no execution has that workflow id
  already_exists,    ///< the workflow id is taken by an execution with another definition or input
  closed,            ///< the execution has ended, or the human task is not open any more
  conflict,          ///< the human task belongs to somebody else
  refused,           ///< the execution's code answered with an error
  blocked,           ///< the execution takes no turns (stuck, unserved or turn_timeout)
  overloaded,        ///< too much is waiting; try again later
  storage,           ///< the data directory can't be read or written
  stopped,           ///< the engine is stopping, or the process it lives in is gone; durable work is kept
  unreachable,       ///< nobody answers on the socket
  incompatible,      ///< the other process speaks another version of the protocol
  internal,          ///< anything else; a defect
};

/// When to ask again who could not be answered, where nothing better is known.
inline constexpr std::chrono::milliseconds usual_retry_after{1'000};

class control_error : public std::runtime_error {
 public:
  control_error(control_errc code, const std::string& message) : std::runtime_error(message), code_(code) {}
  control_error(control_errc code, const std::string& message, std::chrono::milliseconds retry_after)
      : std::runtime_error(message), code_(code), retry_after_(retry_after) {}
  control_errc code() const noexcept { return code_; }
  /// When to try again, where that is known: of `overloaded`.
  const std::optional<std::chrono::milliseconds>& retry_after() const noexcept { return retry_after_; }

 private:
  control_errc code_;
  std::optional<std::chrono::milliseconds> retry_after_;
};

struct control_status {
  std::string version;
  std::int64_t process_id = 0;
  std::vector<std::string> workflow_types;
  std::string not_ready;  ///< "": it does all that it is there for
  std::string log_level;
  engine_statistics counters;
};

/// What became of an update.
struct update_end {
  bool accepted = false;  ///< false: refused, nothing of it happened
  std::optional<payload> result;
  std::optional<failure> why;  ///< set: refused or failed
};

/// What is told of an activity that is completed from elsewhere.
struct activity_completed {
  payload result;
};
struct activity_heartbeat {
  std::optional<payload> details;
};
struct activity_canceled {};
using activity_report = std::variant<activity_completed, failure, activity_heartbeat, activity_canceled>;

/// Thread-safe. Requests answer when what they did is durable. Functions that take a callback do not throw: they call it once, with
/// an error or with the answer, on a thread of their own choosing or before they return; at the latest with `stopped` when the engine
/// or this object goes. It must be short. All other functions throw control_error.
class control {
 public:
  using start_callback = std::function<void(std::optional<control_error>, started_execution)>;
  using done_callback = std::function<void(std::optional<control_error>)>;
  using end_callback = std::function<void(std::optional<control_error>, execution_end)>;
  using update_callback = std::function<void(std::optional<control_error>, update_end)>;

  virtual ~control() = default;

  virtual control_status status() = 0;
  /// As the engine's function of this name.
  virtual void set_log_level(std::string_view level) = 0;
  virtual void start(std::string_view workflow_type, payload input, start_options options, start_callback answer) = 0;
  virtual void signal(std::string_view workflow_id, std::string_view signal_name, payload input, std::string_view request_id,
                      done_callback done) = 0;
  virtual payload query(std::string_view workflow_id, std::string_view query_name, payload input) = 0;
  /// Answers when the update is done, or was refused.
  virtual void update(std::string_view workflow_id, std::string_view update_name, payload input, std::string_view update_id,
                      update_callback answer) = 0;
  virtual void cancel(std::string_view workflow_id, std::string_view reason, done_callback done) = 0;
  virtual void terminate(std::string_view workflow_id, std::string_view reason, done_callback done) = 0;
  virtual void taint(std::string_view workflow_id) = 0;
  /// As the engine's functions of these names; the answer is that of a heartbeat.
  virtual bool report_activity(std::string_view token, activity_report what) = 0;

  /// Answers when the execution has ended.
  virtual void wait(std::string_view workflow_id, end_callback answer) = 0;

  virtual execution_description describe(std::string_view workflow_id) = 0;
  /// As engine's functions of these names. A page may be shorter than `limit`; it is the last one where it gives no token.
  virtual execution_page list(const execution_filter& filter, std::string_view page_token, std::size_t limit) = 0;
  virtual execution_counts counts(const execution_filter& filter) = 0;
  /// At most `limit` events of the current run from `from_seq` on; a page may be shorter. Empty: the end.
  virtual std::vector<history_event> history(std::string_view workflow_id, std::uint64_t from_seq,
                                             std::size_t limit) = 0;

  /// As the engine's function of this name.
  virtual history_page read_history(std::string_view workflow_id, std::uint64_t run_number, std::uint64_t from_seq,
                                    std::size_t limit) = 0;

  // Human tasks and locks: as engine's functions of these names. A page may be shorter than `limit`; empty: the end.
  virtual std::vector<human_task_summary> human_tasks(const human_task_filter& filter, std::string_view after,
                                                      std::size_t limit) = 0;
  virtual human_task_description describe_human_task(std::string_view task_id) = 0;
  virtual void claim_human_task(std::string_view task_id, std::string_view by, bool force) = 0;
  virtual void release_human_task(std::string_view task_id, std::string_view by, bool force) = 0;
  virtual void delegate_human_task(std::string_view task_id, std::string_view by, std::string_view assignee,
                                   bool force) = 0;
  virtual void complete_human_task(std::string_view task_id, std::string_view by, payload answer, bool force) = 0;
  virtual std::vector<lock_description> locks(std::string_view after, std::size_t limit) = 0;

  /// As engine's functions list_definitions and task_queues.
  virtual known_definitions definitions() = 0;
  virtual std::vector<task_queue_description> task_queues() = 0;

  /// Calls `on_progress` as events become durable until the returned object is destroyed, which must not happen inside
  /// the call and must happen before this object goes. For displays: events may be missed.
  virtual std::shared_ptr<void> follow(std::string_view workflow_id,
                                       std::function<void(const execution_progress&)> on_progress) = 0;

  /// As engine's function of this name; nothing where the engine lives in another process. Does not throw.
  virtual std::vector<running_output> running_outputs(std::string_view workflow_id, std::size_t lines) {
    static_cast<void>(workflow_id);
    static_cast<void>(lines);
    return {};
  }
};

// The same, waiting for the answer. They throw control_error.

started_execution start(control& control, std::string_view workflow_type, payload input, start_options options);
void signal(control& control, std::string_view workflow_id, std::string_view signal_name, payload input,
            std::string_view request_id = {});
void cancel(control& control, std::string_view workflow_id, std::string_view reason);
void terminate(control& control, std::string_view workflow_id, std::string_view reason);
/// Waits for the end of the update.
update_end update(control& control, std::string_view workflow_id, std::string_view update_name, payload input,
                  std::string_view update_id);
/// Waits for the end of the execution.
execution_end wait(control& control, std::string_view workflow_id);

/// evermill's version, as `--version` prints it.
std::string_view version() noexcept;

}  // namespace evermill::server
