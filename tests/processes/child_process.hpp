// A process of the chaos program, and the ways in which it is maltreated.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace evermill::processes {

/// Killed and reaped with the object.
class child_process {
 public:
  /// Starts it with both outputs in `output`, which is emptied first, and "NAME=value" added to the environment. Throws
  /// std::runtime_error.
  child_process(const std::vector<std::string>& command, std::filesystem::path output,
                const std::vector<std::string>& environment);
  ~child_process();
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;

  void send(int signal);
  /// SIGKILL, and reaps it.
  void kill();
  /// Whether it has ended by itself within `limit`; `status()` is valid then, as of waitpid.
  bool ended_within(std::chrono::milliseconds limit);
  int status() const { return status_; }
  std::string output() const;

 private:
  void reap();

  const std::filesystem::path output_;
  pid_t id_ = 0;
  int watch_ = -1;
  bool reaped_ = false;
  int status_ = 0;
};

/// Sees writes to the files of a directory while they happen.
class write_watch {
 public:
  explicit write_watch(const std::filesystem::path& directory);
  ~write_watch();
  write_watch(const write_watch&) = delete;
  write_watch& operator=(const write_watch&) = delete;

  /// Returns after `count` writes from now on, at the latest after `limit`.
  void wait_for(unsigned count, std::chrono::milliseconds limit);

 private:
  int descriptor_ = -1;
};

}  // namespace evermill::processes
