// Wall-clock time and wake-ups, behind an interface so that a simulation can own both.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "evermill/timestamp.hpp"

namespace evermill {

/// Thread-safe. Alarms are neither durable nor exact: they are hints to look at what is due.
class clock {
 public:
  using alarm_id = std::uint64_t;

  virtual ~clock() = default;

  virtual timestamp now() const = 0;

  /// Calls `ring` once, at or soon after `when`, on a thread of the clock's own. `ring` must be short and must not
  /// throw; it may set and cancel alarms.
  virtual alarm_id set_alarm(timestamp when, std::function<void()> ring) = 0;

  /// After return the alarm has either rung completely or never will, except when called from inside a ring.
  virtual void cancel_alarm(alarm_id id) = 0;
};

/// The machine's clock. Owns one thread, which sleeps until the earliest alarm.
std::unique_ptr<clock> make_system_clock();

}  // namespace evermill
