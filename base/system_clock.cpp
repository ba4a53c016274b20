#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/clock.hpp"

namespace evermill {
namespace {

class system_clock final : public clock {
 public:
  system_clock() : thread_([this] { run(); }) {}

  ~system_clock() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  timestamp now() const override {
    return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  }

  alarm_id set_alarm(timestamp when, std::function<void()> ring) override {
    std::lock_guard lock(mutex_);
    const alarm_id id = ++last_id_;
    const auto it = alarms_.emplace(std::pair(when, id), std::move(ring)).first;
    times_.emplace(id, when);
    if (it == alarms_.begin()) changed_.notify_all();
    return id;
  }

  void cancel_alarm(alarm_id id) override {
    std::unique_lock lock(mutex_);
    if (const auto it = times_.find(id); it != times_.end()) {
      alarms_.erase({it->second, id});
      times_.erase(it);
      return;
    }
    if (std::this_thread::get_id() != thread_.get_id()) changed_.wait(lock, [&] { return ringing_ != id; });
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (alarms_.empty()) {
        changed_.wait(lock);
        continue;
      }
      const auto first = alarms_.begin();
      if (const timestamp when = first->first.first; now() < when) {
        changed_.wait_until(lock, when);
        continue;
      }
      auto node = alarms_.extract(first);
      times_.erase(node.key().second);
      ringing_ = node.key().second;
      lock.unlock();
      node.mapped()();
      node.mapped() = nullptr;
      lock.lock();
      ringing_ = 0;
      changed_.notify_all();
    }
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::pair<timestamp, alarm_id>, std::function<void()>> alarms_;
  std::map<alarm_id, timestamp> times_;
  alarm_id last_id_ = 0;
  alarm_id ringing_ = 0;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses everything above
};

}  // namespace

std::unique_ptr<clock> make_system_clock() { return std::make_unique<system_clock>(); }

}  // namespace evermill
