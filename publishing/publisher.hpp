// A thread that runs a relay.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <thread>

#include "publishing/relay.hpp"

namespace evermill::publishing {

/// Thread-safe.
class publisher {
 public:
  /// A sink that fails is tried again after `first_delay`, then twice that, up to `longest_delay`. `time` outlives the
  /// publisher.
  struct delays {
    std::chrono::milliseconds first{100};
    std::chrono::milliseconds longest{30'000};
  };

  /// Nothing is sent before `start`.
  publisher(std::unique_ptr<relay> what, clock& time, delays how);
  /// As `stop`.
  ~publisher();
  publisher(const publisher&) = delete;
  publisher& operator=(const publisher&) = delete;

  void start();  ///< once

  /// As the relay's. Neither waits for the sink.
  void offer(partition_id of, std::uint64_t after, std::uint64_t through);
  void withdraw(partition_id of);

  relay_statistics statistics() const { return relay_->statistics(); }

  /// Waits until all that was offered is published, the sink fails, or `limit` is over. Returns whether it is published.
  bool finish(std::chrono::milliseconds limit);
  /// Nothing is sent or called back after return. What blocks in the sink is waited for.
  void stop();

 private:
  void run(std::stop_token stop);
  void wait_to_try_again(std::stop_token stop, std::chrono::milliseconds delay);

  const std::unique_ptr<relay> relay_;
  clock& time_;
  const delays delays_;

  std::mutex guard_;
  std::condition_variable_any changed_;
  bool offered_ = false;
  enum class state : std::uint8_t { idle, busy, failing } state_ = state::idle;
  std::jthread thread_;  ///< the last member: it uses all others
};

}  // namespace evermill::publishing
