/// @file
/// A callback that can be ended, as brokers promise of theirs. Nothing here is needed to write one; it only is one thing less to get
/// wrong.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>

namespace evermill::queue {

/// A callback, which may be empty, that does not run any more once `end` has returned. Thread-safe, as far as `make` says.
class guarded_call {
 public:
  /// Called by `make`.
  explicit guarded_call(std::function<void()> callback) : callback_(std::move(callback)) {}

  /// Calls it, unless it was ended; without a lock, so that it may do what callbacks may. By one thread at a time.
  void make() {
    {
      std::lock_guard lock(mutex_);
      if (ended_) return;
      running_ = true;
    }
    if (callback_) callback_();
    std::lock_guard lock(mutex_);
    running_ = false;
    over_.notify_all();
  }

  /// Waits for one that runs. Not within the callback.
  void end() {
    std::unique_lock lock(mutex_);
    ended_ = true;
    over_.wait(lock, [&] { return !running_; });
  }

 private:
  const std::function<void()> callback_;
  std::mutex mutex_;
  std::condition_variable over_;
  bool running_ = false;
  bool ended_ = false;
};

}  // namespace evermill::queue
