// A clock that stands still until it is told to go on.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "base/clock.hpp"

namespace evermill::testing {

/// For one thread. Alarms ring inside `advance_to`, in the order of their times.
class virtual_clock final : public clock {
 public:
  explicit virtual_clock(timestamp start) : now_(start) {}

  timestamp now() const override { return now_; }
  alarm_id set_alarm(timestamp when, std::function<void()> ring) override;
  void cancel_alarm(alarm_id id) override;

  std::optional<timestamp> next_alarm() const;
  /// To the first alarm up to `when`, and rings it; returns false, and is at `when`, where there is none.
  bool advance_to(timestamp when);

 private:
  timestamp now_;
  std::map<std::pair<timestamp, alarm_id>, std::function<void()>> alarms_;
  alarm_id last_ = 0;
};

}  // namespace evermill::testing
