// Threads of the scheduler that sleep until others are lost to turns whose code does not come back.
#pragma once

#include <caf/actor_system.hpp>

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace evermill::actors {

/// CAF's number of threads is fixed. So there are more than work needs, each with an actor on it that blocks until it is
/// woken. Thread-safe. Outlives the actors.
class spare_threads {
 public:
  explicit spare_threads(caf::actor_system& system) : system_(system) {}

  /// Puts one more of the system's threads to sleep.
  void add();
  /// Wakes one, for good. False: none sleeps.
  bool use();
  /// Wakes all; from now on none sleeps.
  void stop();

 private:
  friend class sleeper;
  void sleep();

  caf::actor_system& system_;
  std::mutex guard_;
  std::condition_variable woken_;
  std::size_t asleep_ = 0;  ///< or about to be
  std::size_t to_wake_ = 0;
  bool stopping_ = false;
};

}  // namespace evermill::actors
