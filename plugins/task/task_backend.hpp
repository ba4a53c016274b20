// A task backend runs attempts of activities: a C++ function, a process, a container, ….
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/log.hpp"
#include "messages/task.pb.h"

namespace evermill::tasks {

/// Tells one attempt from every other, for ever: it holds the boot number under which it was dispatched.
struct dispatch_id {
  std::uint32_t partition = 0;
  std::uint64_t run = 0;
  std::uint64_t scheduled_seq = 0;
  std::uint32_t attempt = 0;
  std::uint64_t boot = 0;
  friend auto operator<=>(const dispatch_id&, const dispatch_id&) = default;
};
dispatch_id dispatch_id_of(const messages::ActivityTask& task);
/// What a line of a log about this attempt is about; a view of the task.
log_subject subject_of(const messages::ActivityTask& task);
/// "2.17.4.1.9": partition, run, scheduled event, attempt, boot.
std::string to_string(const dispatch_id& id);
/// The same for every attempt of the activity: "2.17.4". What an effect outside should be keyed by.
std::string idempotency_key(const dispatch_id& id);
/// Calls `add(name, value)` for each header that tells what the attempt calls where in a trace it is.
template <class Add>
void for_each_trace_header(const messages::ActivityTask& task, Add&& add) {
  if (task.traceparent().empty()) return;
  add("traceparent", task.traceparent());
  if (!task.tracestate().empty()) add("tracestate", task.tracestate());
}
/// The name of the task queue; "default" where the activity names none.
std::string_view queue_of(const messages::ActivityTask& task);
/// What to_string gave; nothing for other text.
std::optional<dispatch_id> parse_dispatch_id(std::string_view text);

/// How an attempt ended. Exactly one is reported per attempt that was accepted.
struct completed {
  std::optional<messages::Payload> result;
};
struct failed {
  messages::Failure failure;
};
struct canceled {};
struct timed_out {
  enum class limit : std::uint8_t { start_to_close, heartbeat, schedule_to_start };
  limit which = limit::start_to_close;
};
/// The backend's part is done; somebody else reports the attempt's end, by its dispatch id.
struct completes_later {};
using outcome = std::variant<completed, failed, canceled, timed_out, completes_later>;

struct attempt_end {
  std::shared_ptr<const messages::ActivityTask> task;
  std::int64_t started_us = 0;  ///< since the epoch; 0: it never started, so that it had no effect
  outcome how;
  std::optional<messages::Payload> heartbeat_details{};  ///< of the newest heartbeat, where that was not passed on
};

/// Where an attempt ends as canceled although nobody asked for that, but its process stops: it is lost, so that another one follows.
void lose_if_canceled(attempt_end& end);

/// Called by a backend, on any thread, when an attempt begins to run. Must be short, must not call the backend, and must not
/// throw.
using on_attempt_start = std::function<void(const messages::ActivityTask&)>;

/// Called by a backend, on any thread, once per accepted attempt. Must be short and must not call the backend.
using on_attempt_end = std::function<void(attempt_end&&)>;

/// Called by a backend, on any thread, for the heartbeats that are passed on (attempt_watch.hpp). As on_attempt_end.
using on_attempt_heartbeat =
    std::function<void(const std::shared_ptr<const messages::ActivityTask>&, std::optional<messages::Payload> details)>;

/// Thread-safe. A backend reports exactly one end of every attempt it was given, also after `cancel`; only what `stop`
/// abandons has none.
class task_backend {
 public:
  virtual ~task_backend() = default;

  /// "native", "shell", …; for logs.
  virtual std::string_view name() const = 0;

  /// Does this backend run activities of this type?
  virtual bool serves(std::string_view activity_type) const = 0;

  /// All that it serves, where that can be listed.
  virtual std::vector<std::string> activity_types() const { return {}; }

  /// Takes the tasks; runs them when it has room, in order of arrival. Enforces start_to_close and heartbeat of each
  /// attempt from the moment it starts (attempt_watch.hpp), and reports `timed_out` then, whether or not the work can be
  /// interrupted; work that can be ended by force (a process) is gone when its end is reported.
  virtual void run(std::vector<std::shared_ptr<const messages::ActivityTask>> tasks) = 0;

  /// Asks the attempt to end: it is dropped where it has not started, and told (stop token, signal to the process
  /// group) where it has. An unknown id is ignored.
  virtual void cancel(const dispatch_id& id) = 0;

  /// The same, but what a started attempt ends with counts: it is reported when the work has ended, as `canceled` only
  /// where the work says so or was ended by force.
  virtual void request_stop(const dispatch_id& id) = 0;

  /// An attempt that has not started is dropped and reported as `timed_out` (schedule_to_start), with `started_us == 0`;
  /// one that has started goes on. An unknown id is ignored.
  virtual void expire(const dispatch_id& id) = 0;

  /// Takes no more tasks, tells the running ones to stop, waits for them until `grace` is over, then abandons them.
  /// An attempt that never started is reported as `canceled` with `started_us == 0`: it left no trace, and may be sent
  /// again as if it had never been. An abandoned one has no end: whether it had effects is unknown, and the next process
  /// finds it lost. After return `on_attempt_end` is not called any more, also not for tasks that come later.
  virtual void stop(std::chrono::milliseconds grace) = 0;
};

}  // namespace evermill::tasks
