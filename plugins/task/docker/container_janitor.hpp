// Removes containers when their time has come.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "plugins/task/docker/docker_backend.hpp"
#include "plugins/task/docker/docker_client.hpp"

namespace evermill::tasks {

/// Thread-safe. One thread, which begins with the first container: where no container runs, no engine is asked for anything.
class container_janitor {
 public:
  /// Both outlive it.
  container_janitor(const docker_client& client, const docker_options& options);
  ~container_janitor() { stop(); }
  container_janitor(const container_janitor&) = delete;
  container_janitor& operator=(const container_janitor&) = delete;

  /// An attempt of this process begins: from now on it is looked for what others have left, too.
  void begin();
  /// It has ended, and its end is told. `keep` as its command says; less than 0: for good.
  void ended(const std::string& container, std::chrono::milliseconds keep);
  /// Removes at once what would have been removed within docker_options::keep_ended, and ends.
  void stop();

 private:
  void work();
  void sweep();

  const docker_client& client_;
  const docker_options& options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<timestamp, std::string> due_;
  timestamp next_sweep_{};
  bool rang_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace evermill::tasks
