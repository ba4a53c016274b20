#include "dsl/jq_watchdog.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace evermill::dsl::jq {

class watchdog {
 public:
  static watchdog& of_process() {
    static watchdog one;
    return one;
  }

  ~watchdog() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

  void add(watched* one) {
    const std::lock_guard lock(mutex_);
    all_.push_back(one);
    if (!thread_.joinable()) thread_ = std::thread([this] { watch(); });
  }

  void remove(watched* one) {
    const std::lock_guard lock(mutex_);
    all_.erase(std::find(all_.begin(), all_.end(), one));
  }

  void begin(watched& one, std::chrono::milliseconds limit) {
    const auto ticks = static_cast<std::uint64_t>(limit / watchdog_period) + 1;
    one.due_.store(tick_.load(std::memory_order_relaxed) + ticks, std::memory_order_relaxed);
    one.phase_.store(watched::phase::running);
    // Either it is seen here that the watch sleeps, or the watch sees the phase before it sleeps.
    if (awake_.load()) return;
    {
      const std::lock_guard lock(mutex_);
      awake_.store(true);
    }
    changed_.notify_one();
  }

 private:
  void watch() {
    std::unique_lock lock(mutex_);
    while (!ending_) {
      if (!look()) {
        awake_.store(false);
        if (!look()) changed_.wait(lock, [&] { return ending_ || awake_.load(); });
        awake_.store(true);
        continue;
      }
      changed_.wait_for(lock, watchdog_period, [&] { return ending_; });
      tick_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  /// Stops what is due. Does anything run?
  bool look() {
    bool any = false;
    for (watched* one : all_) {
      auto seen = one->phase_.load();
      if (seen != watched::phase::running) continue;
      any = true;
      const bool due = one->due_.load(std::memory_order_relaxed) <= tick_.load(std::memory_order_relaxed);
      if (!due || !one->phase_.compare_exchange_strong(seen, watched::phase::stopping)) continue;
      jq_halt(one->state_, jv_invalid(), jv_invalid());  // the only call of another thread that jq_next looks for
      one->phase_.store(watched::phase::stopped);
    }
    return any;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<watched*> all_;
  std::thread thread_;
  bool ending_ = false;
  std::atomic<bool> awake_{true};
  std::atomic<std::uint64_t> tick_{0};
};

watched::watched(jq_state* state) : state_(state) { watchdog::of_process().add(this); }
watched::~watched() { watchdog::of_process().remove(this); }
void watched::begin(std::chrono::milliseconds limit) { watchdog::of_process().begin(*this, limit); }

bool watched::end() {
  auto seen = phase::running;
  if (phase_.compare_exchange_strong(seen, phase::idle)) return false;
  while (phase_.load() != phase::stopped) std::this_thread::yield();
  phase_.store(phase::idle);
  return true;
}

}  // namespace evermill::dsl::jq
