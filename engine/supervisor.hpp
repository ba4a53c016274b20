// Keeps an engine alive across failures of its store: what runs is abandoned, and the directory is opened anew.
//
// A write that failed may or may not have happened, so nothing that is in memory may be acted upon any more; only
// reading the store again tells. Callers that wait for an answer get `unavailable`; those that wait for the end of an
// execution go on waiting.
//
// Incarnations are made and ended on one thread, the supervisor's: CAF 0.17 keeps an actor system's logger alive through
// a thread-local of the thread that made the system, so that its destructor would wait for ever on another one.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/log.hpp"
#include "engine/incarnation.hpp"
#include "engine/waiters.hpp"

namespace evermill {

class supervisor {
 public:
  /// Opens the first incarnation; throws what its constructor throws. `callers` and what `around` names outlive it.
  supervisor(const engine_surroundings& around, waiters& callers);
  /// Stops the incarnation in order.
  ~supervisor();
  supervisor(const supervisor&) = delete;
  supervisor& operator=(const supervisor&) = delete;

  /// The one that runs; keeps it alive while it is used. Throws engine_error (unavailable) where there is none.
  std::shared_ptr<incarnation> current() const;

 private:
  class listener;

  void on_failed(std::uint64_t generation, const std::string& message);
  void watch(std::promise<void>& opened);
  void replace(std::unique_lock<std::mutex>& lock);
  std::shared_ptr<incarnation> open(std::uint64_t generation);
  void tell_ends_of(const incarnation& opened);

  const engine_surroundings around_;
  waiters& callers_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<listener> listener_;
  std::shared_ptr<incarnation> current_;
  std::shared_ptr<std::promise<void>> gone_;  ///< kept when the last one who uses the incarnation has let it go
  std::uint64_t generation_ = 1;
  std::optional<std::string> failure_;  ///< of the current incarnation, or why there is none
  bool stopping_ = false;
  std::thread watcher_;
};

}  // namespace evermill
