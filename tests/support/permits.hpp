// A counting semaphore. The standard library's of GCC 12 may sleep through a release.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace evermill::tests {

class permits {
 public:
  void release(std::size_t count = 1) {
    std::lock_guard lock(mutex_);
    free_ += count;
    changed_.notify_all();  // with the lock: the one who acquires may destroy this at once
  }
  void acquire() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return free_ > 0; });
    --free_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t free_ = 0;
};

}  // namespace evermill::tests
