// Threads for calls that read the store or ask another process, and so may block: what serves connections must not.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace evermill::server {

/// Thread-safe. Runs work first in, first out.
class blocking_threads {
 public:
  explicit blocking_threads(std::size_t threads);
  /// Runs what was posted, and waits for it.
  ~blocking_threads() { stop(); }
  blocking_threads(const blocking_threads&) = delete;
  blocking_threads& operator=(const blocking_threads&) = delete;

  /// `work` must not throw. False: it stops, and the work is dropped.
  bool post(std::function<void()> work);
  /// How much waits for a thread.
  std::size_t waiting() const;
  /// As the destructor; nothing is taken afterwards. Not from one of its own threads.
  void stop();

 private:
  void run();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace evermill::server
