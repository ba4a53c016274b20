#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "evermill/engine.hpp"

namespace evermill::bench {

/// Does something many times, a bounded number of them at once.
class load {
 public:
  using steady = std::chrono::steady_clock;
  using done = std::function<void(std::optional<engine_error>)>;

  load(std::uint64_t times, std::uint64_t at_once) : times_(times), at_once_(at_once), latencies_(times) {}

  /// Calls `begin(i, done)` for each i below `times`; `done` is called once for each, on any thread. Returns how long each
  /// took, the shortest first. Throws the first error.
  std::vector<steady::duration> run(const std::function<void(std::uint64_t, done)>& begin);

 private:
  void on_done(std::uint64_t i, steady::time_point began, const std::optional<engine_error>& error);
  /// New ones begin in batches, so that the generator does not wake for each end.
  std::uint64_t refill_at() const { return at_once_ - 1 - at_once_ / 8; }

  const std::uint64_t times_;
  const std::uint64_t at_once_;
  std::vector<steady::duration> latencies_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t running_ = 0;
  std::optional<engine_error> error_;  ///< the first one
};

/// Starts executions of a workflow without input, a bounded number at once, until all starts are durable.
void start_all(engine& e, const char* workflow, std::uint64_t count, std::uint64_t at_once);
/// The workflow id of the i-th of them.
std::string started_id(std::uint64_t i);
/// Until each partition of the cluster has an owner that runs it, and each of so many nodes has some.
void wait_until_owned(const engine& e, std::size_t nodes);
/// Until no instance is in memory.
void wait_until_asleep(const engine& e);

}  // namespace evermill::bench
