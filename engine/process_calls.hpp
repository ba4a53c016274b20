// Questions to other processes that somebody waits for.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "messages/cluster.pb.h"

namespace evermill {

/// Thread-safe.
class process_calls {
 public:
  /// The numbers of these calls are never those of other callers' tokens.
  static bool is_one(std::uint64_t call) noexcept { return (call & mark) != 0; }

  std::uint64_t begin() {
    const std::lock_guard lock(mutex_);
    open_.emplace(++last_, std::nullopt);
    return last_;
  }
  /// False: nobody waits for it.
  bool answered(messages::ProcessMessage&& reply) {
    const std::lock_guard lock(mutex_);
    const auto it = open_.find(reply.call());
    if (it == open_.end()) return false;
    it->second = std::move(reply);
    changed_.notify_all();
    return true;
  }
  /// Ends the call; nothing: no answer has come in time.
  std::optional<messages::ProcessMessage> wait(std::uint64_t call, std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    const auto it = open_.find(call);
    changed_.wait_for(lock, limit, [&] { return it->second.has_value() || closed_; });
    std::optional<messages::ProcessMessage> reply = std::move(it->second);
    open_.erase(it);
    return reply;
  }
  /// Nobody waits from now on.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }

 private:
  static constexpr std::uint64_t mark = std::uint64_t{1} << 62;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t last_ = mark;
  std::map<std::uint64_t, std::optional<messages::ProcessMessage>> open_;
  bool closed_ = false;
};

}  // namespace evermill
