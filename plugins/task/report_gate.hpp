// The way to `on_attempt_end`, which a backend closes when it stops.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <utility>

#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

/// Thread-safe, without a lock until it is closed.
class report_gate {
 public:
  explicit report_gate(on_attempt_end report) : report_(std::move(report)) {}

  /// Calls `work(report)`, unless the gate is closed. Must not be called with a lock that `report` or `close` needs.
  template <class Work>
  void while_open(Work&& work) {
    if ((state_.fetch_add(1) & closed) == 0) work(report_);
    if (state_.fetch_sub(1) != (closed | 1)) return;
    std::lock_guard lock(mutex_);
    quiet_.notify_all();
  }

  void report(attempt_end&& end) {
    while_open([&](const on_attempt_end& to) { to(std::move(end)); });
  }

  /// After return no report runs or will run.
  void close() {
    state_.fetch_or(closed);
    std::unique_lock lock(mutex_);
    quiet_.wait(lock, [&] { return state_.load() == closed; });
  }

 private:
  static constexpr std::uint64_t closed = std::uint64_t{1} << 63;  // the rest counts those inside

  const on_attempt_end report_;
  std::atomic<std::uint64_t> state_{0};
  std::mutex mutex_;
  std::condition_variable quiet_;
};

}  // namespace evermill::tasks
