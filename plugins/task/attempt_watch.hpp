// The limits of one running attempt, and how often its heartbeats are passed on: the same for every kind of backend.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "base/clock.hpp"
#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

/// How far apart heartbeats are passed on, of an attempt with this heartbeat timeout (0: none).
std::chrono::microseconds heartbeat_interval(std::chrono::microseconds timeout) noexcept;

/// Rings when the attempt has run longer than start_to_close, or was not heard of for longer than heartbeat. Heartbeats
/// set no alarm; each passes at most one on. Thread-safe. One alarm is set at a time.
class attempt_watch {
 public:
  /// `time` outlives the watch. `on_limit` is called once at most, on the clock's thread, without a lock held; so is
  /// `on_heartbeat` for details that had to wait for their turn. Both may call `stop`.
  attempt_watch(clock& time, std::shared_ptr<const messages::ActivityTask> task, std::int64_t started_us,
                std::function<void(timed_out)> on_limit, on_attempt_heartbeat on_heartbeat);
  ~attempt_watch() { stop(); }
  attempt_watch(const attempt_watch&) = delete;
  attempt_watch& operator=(const attempt_watch&) = delete;

  /// Has the attempt any limit? Without one it needs a watch only for heartbeats.
  static bool is_limited(const messages::ActivityTask& task) {
    return task.options().start_to_close_us() > 0 || task.options().heartbeat_us() > 0;
  }

  /// Once: the first alarm is set.
  void start();
  /// The attempt is alive; with no details the newest stay.
  void heartbeat(std::optional<messages::Payload> details);
  /// Ends: after return nothing rings, except inside a ring. Gives the newest details, where they were not passed on.
  std::optional<messages::Payload> stop();

 private:
  void ring(std::uint64_t number);
  // With the lock:
  clock::alarm_id set_alarm();
  std::optional<messages::Payload> take_details(timestamp now);
  timestamp limit_at() const;
  std::optional<timed_out> exceeded(timestamp now) const;

  clock& time_;
  const std::shared_ptr<const messages::ActivityTask> task_;
  const std::function<void(timed_out)> on_limit_;
  const on_attempt_heartbeat on_heartbeat_;
  const timestamp started_;

  std::mutex mutex_;
  timestamp heard_;                // start or last heartbeat
  timestamp next_pass_{};          // no heartbeat is passed on before
  std::optional<messages::Payload> unpassed_;
  bool stopped_ = false;
  std::uint64_t alarms_set_ = 0;
  clock::alarm_id alarm_ = 0;
  clock::alarm_id ringing_ = 0;  // the last that rang; it may not have returned
  timestamp alarm_at_{};
};

}  // namespace evermill::tasks
