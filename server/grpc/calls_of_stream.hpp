// What one stream has been allowed: a worker several task queues, a decider several workflows.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "server/gate.hpp"

namespace evermill::server {

/// As one call: it may go on while it may have each of them. They are known from its hello on. Thread-safe.
class calls_of_stream final : public admitted_call {
 public:
  void set(std::vector<std::shared_ptr<admitted_call>> each) {
    const std::lock_guard lock(mutex_);
    each_ = std::move(each);
  }
  void finished(std::string_view) override {}
  bool still_valid() override {
    const std::lock_guard lock(mutex_);
    return std::all_of(each_.begin(), each_.end(), [](const auto& call) { return !call || call->still_valid(); });
  }

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<admitted_call>> each_;
};

}  // namespace evermill::server
