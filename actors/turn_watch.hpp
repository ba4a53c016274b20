// Finds the turns whose code does not come back: code that blocks or spins. Knows no actor.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/ids.hpp"

namespace evermill::actors {

/// One piece of work that an instance was given: partition_ports.hpp.
struct turn_name {
  partition_id partition;
  run_number run;
  std::uint64_t generation = 0;
  std::uint64_t work = 0;
};

/// Thread-safe. A turn costs two uncontended locks and a look at the clock.
class turn_watch {
 public:
  struct callbacks {
    std::function<void(const turn_name&)> on_overdue;  ///< once per turn, on the watch's thread
    std::function<void()> on_return;                   ///< an overdue turn is over, on its own thread
  };
  turn_watch(std::chrono::microseconds limit, callbacks told);
  ~turn_watch();
  turn_watch(const turn_watch&) = delete;
  turn_watch& operator=(const turn_watch&) = delete;

  /// How many turns are overdue and not over.
  std::size_t overdue() const;

 private:
  struct slot;

 public:
  /// The calling thread is in this turn while the object lives. `watch` may be null: nobody looks.
  class scope {
   public:
    scope(turn_watch* watch, const turn_name& turn);
    ~scope();
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;

   private:
    turn_watch* watch_;
    slot* slot_ = nullptr;
  };

 private:
  slot& slot_of_this_thread();
  void run(const std::stop_token& stop);
  void look();

  const std::chrono::microseconds limit_;
  const callbacks told_;
  const std::uint64_t id_;  ///< unlike its address, never used again
  mutable std::mutex guard_;
  std::condition_variable_any stopping_;
  std::vector<std::unique_ptr<slot>> slots_;  ///< one per thread that has had a turn
  // style: it watches threads that may all be taken; a simulated node has none of them.
  std::jthread thread_;  ///< last: it uses the others
};

}  // namespace evermill::actors
