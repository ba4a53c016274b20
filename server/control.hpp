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

class control_error : public std::runtime_error {
 public:
  control_error(control_errc code, const std::string& message) : std::runtime_error(message), code_(code) {}
  control_errc code() const noexcept { return code_; }

 private:
  control_errc code_;
};

struct control_status {
  std::string version;
  std::int64_t process_id = 0;
  std::vector<std::string> workflow_types;
  std::string durability;
  std::uint64_t live_instances = 0;
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

/// Thread-safe. Every function throws control_error. Requests answer when what they did is durable.
class control {
 public:
  using end_callback = std::function<void(std::optional<control_error>, execution_end)>;
  using update_callback = std::function<void(std::optional<control_error>, update_end)>;

  virtual ~control() = default;

  virtual control_status status() = 0;
  virtual started_execution start(std::string_view workflow_type, payload input, start_options options) = 0;
  virtual void signal(std::string_view workflow_id, std::string_view signal_name, payload input,
                      std::string_view request_id = {}) = 0;
  virtual payload query(std::string_view workflow_id, std::string_view query_name, payload input) = 0;
  /// Calls `answer` once, as `wait` does.
  virtual void update(std::string_view workflow_id, std::string_view update_name, payload input, std::string_view update_id,
                      update_callback answer) = 0;
  virtual void cancel(std::string_view workflow_id, std::string_view reason) = 0;
  virtual void terminate(std::string_view workflow_id, std::string_view reason) = 0;
  virtual void taint(std::string_view workflow_id) = 0;
  /// As the engine's functions of these names; the answer is that of a heartbeat.
  virtual bool report_activity(std::string_view token, activity_report what) = 0;

  /// Calls `answer` once, on a thread of its own choosing: with the end of the execution, or with an error, at the
  /// latest `stopped` when the engine or this object goes. Does not throw.
  virtual void wait(std::string_view workflow_id, end_callback answer) = 0;

  virtual execution_description describe(std::string_view workflow_id) = 0;
  /// At most `limit` executions after `after`, in the engine's order; a page may be shorter. Empty: the end.
  virtual std::vector<listed_execution> list(std::string_view after, std::size_t limit) = 0;
  /// At most `limit` events of the current run from `from_seq` on; a page may be shorter. Empty: the end.
  virtual std::vector<history_event> history(std::string_view workflow_id, std::uint64_t from_seq,
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

  /// Calls `on_progress` as events become durable until the returned object is destroyed, which must not happen inside
  /// the call and must happen before this object goes. For displays: events may be missed.
  virtual std::shared_ptr<void> follow(std::string_view workflow_id,
                                       std::function<void(const execution_progress&)> on_progress) = 0;
};

/// Waits for the end of the update.
update_end update(control& control, std::string_view workflow_id, std::string_view update_name, payload input,
                  std::string_view update_id);
/// Waits for the end of the execution.
execution_end wait(control& control, std::string_view workflow_id);

/// evermill's version, as `--version` prints it.
std::string_view version() noexcept;

}  // namespace evermill::server
