// Looks every second whether what lasts may go on.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace evermill::server {

/// One thread, which calls `look` once a second until it is destroyed.
class validity_watch {
 public:
  explicit validity_watch(std::function<void()> look);
  ~validity_watch();
  validity_watch(const validity_watch&) = delete;
  validity_watch& operator=(const validity_watch&) = delete;

 private:
  void run();

  const std::function<void()> look_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  std::thread thread_;  ///< last: it uses the rest
};

}  // namespace evermill::server
