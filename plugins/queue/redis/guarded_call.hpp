// A callback that can be ended: none runs after `end` returned.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>

namespace evermill::queue {

class guarded_call {
 public:
  explicit guarded_call(std::function<void()> callback) : callback_(std::move(callback)) {}

  /// By one thread at a time.
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
