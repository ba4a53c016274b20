#include "testing/virtual_clock.hpp"

#include <algorithm>

namespace evermill::testing {

clock::alarm_id virtual_clock::set_alarm(timestamp when, std::function<void()> ring) {
  alarms_.emplace(std::pair(when, ++last_), std::move(ring));
  return last_;
}

void virtual_clock::cancel_alarm(alarm_id id) {
  std::erase_if(alarms_, [&](const auto& alarm) { return alarm.first.second == id; });
}

std::optional<timestamp> virtual_clock::next_alarm() const {
  if (alarms_.empty()) return std::nullopt;
  return alarms_.begin()->first.first;
}

bool virtual_clock::advance_to(timestamp when) {
  if (alarms_.empty() || alarms_.begin()->first.first > when) {
    now_ = std::max(now_, when);
    return false;
  }
  auto due = alarms_.extract(alarms_.begin());
  now_ = std::max(now_, due.key().first);
  due.mapped()();
  return true;
}

}  // namespace evermill::testing
