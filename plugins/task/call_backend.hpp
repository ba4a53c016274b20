// A backend whose attempts wait for an answer from elsewhere, and need no thread while they do: HTTP, gRPC, ….
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.hpp"
#include "plugins/task/attempt_watch.hpp"
#include "plugins/task/secrets.hpp"
#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

/// A failure of the application's kind.
failed call_failure(std::string type, std::string message, bool retried, const nlohmann::json& details = nullptr);

/// One attempt that runs. Thread-safe, but for `secrets` before the end.
class running_call {
 public:
  virtual ~running_call() = default;
  /// The attempt's task, with the values of its secrets.
  virtual const messages::ActivityTask& task() const = 0;
  /// For values that are made of secrets; hidden in what the call ends with. Not on two threads at once.
  virtual attempt_secrets& secrets() = 0;
  /// It is alive: bytes came.
  virtual void heartbeat() = 0;
  /// What ends the call early: `stop` is called once, on any thread, and then `end` with `canceled` unless it has ended otherwise.
  /// In place of the one before; at once where it is to end already.
  virtual void on_stop(std::function<void()> stop) = 0;
  /// Once; what comes later is ignored.
  virtual void end(outcome how) = 0;
};

struct call_options {
  std::string name;           ///< of the backend, and of the activities that it runs
  unsigned max_calls = 1'000;  ///< that run at once
  bool may_wait_for_ever = false;  ///< calls may: `stop` does not wait for them, and another process begins them again
  evermill::clock* time = nullptr;  ///< outlives the backend
  std::shared_ptr<const secret_source> secrets;  ///< null: there are none
  on_attempt_heartbeat on_heartbeat;  ///< may be empty
  on_attempt_start on_start;          ///< may be empty
};

/// Begins a call, on a thread of the backend's own, which begins all of them: must not wait. What it throws ends the call: payload_error
/// as InvalidPayload, others as CannotStart, neither retried.
using call_starter = std::function<void(const std::shared_ptr<running_call>&)>;

/// A call that is canceled or exceeds a limit is ended, and reported when it has. One that is asked to stop is ended, too, and what it
/// ends with counts. `stop` lets calls go on for its grace. The thread begins with the first task.
///
/// `surroundings` is what calls need; it is destroyed with the backend, when no other call is begun, and must end those that there still
/// are. `start` and calls have no share in it, or it would be destroyed on a thread that it waits for.
std::unique_ptr<task_backend> make_call_backend(const call_options& options, call_starter start, on_attempt_end report,
                                                std::shared_ptr<void> surroundings);

}  // namespace evermill::tasks
