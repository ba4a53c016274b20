// A clock that stands still until the test moves it.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/clock.hpp"

namespace evermill::tests {

/// Alarms ring inside `advance`, on its caller's thread, in the order of their times.
class manual_clock final : public clock {
 public:
  explicit manual_clock(timestamp start = from_micros(1'000'000'000)) : now_(start) {}

  timestamp now() const override {
    std::lock_guard lock(mutex_);
    return now_;
  }

  alarm_id set_alarm(timestamp when, std::function<void()> ring) override {
    std::lock_guard lock(mutex_);
    alarms_.emplace(std::pair(when, ++last_), std::move(ring));
    return last_;
  }

  void cancel_alarm(alarm_id id) override {
    {
      std::lock_guard lock(mutex_);
      std::erase_if(alarms_, [&](const auto& entry) { return entry.first.second == id; });
      if (ringing_on_ == std::this_thread::get_id()) return;
    }
    std::lock_guard wait_for_ring(ringing_);
  }

  void advance(std::chrono::microseconds by) {
    std::lock_guard one_at_a_time(ringing_);
    std::unique_lock lock(mutex_);
    const timestamp end = now_ + by;
    ringing_on_ = std::this_thread::get_id();
    while (!alarms_.empty() && alarms_.begin()->first.first <= end) {
      auto node = alarms_.extract(alarms_.begin());
      now_ = std::max(now_, node.key().first);
      lock.unlock();
      node.mapped()();
      node.mapped() = nullptr;
      lock.lock();
    }
    now_ = end;
    ringing_on_ = {};
  }

  std::size_t alarms() const {
    std::lock_guard lock(mutex_);
    return alarms_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::mutex ringing_;
  std::thread::id ringing_on_;
  timestamp now_;
  alarm_id last_ = 0;
  std::map<std::pair<timestamp, alarm_id>, std::function<void()>> alarms_;
};

}  // namespace evermill::tests
