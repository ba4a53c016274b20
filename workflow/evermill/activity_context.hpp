// What an activity function can know about the attempt it is.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <utility>

namespace evermill {

struct activity_info {
  std::string workflow_id;
  std::uint64_t run_number = 0;
  std::string activity_type;
  std::uint32_t attempt = 1;    ///< 1 is the first
  std::string dispatch_id;      ///< different for every attempt, for ever
  std::string idempotency_key;  ///< the same for every attempt: what effects outside should be keyed by
};

/// Passed by reference to activity functions that take it first; lives as long as the attempt runs. Thread-safe.
class activity_context {
 public:
  explicit activity_context(activity_info info, std::stop_token stop = {})
      : info_(std::move(info)), stop_(std::move(stop)) {}

  const std::string& workflow_id() const noexcept { return info_.workflow_id; }
  std::uint64_t run_number() const noexcept { return info_.run_number; }
  const std::string& activity_type() const noexcept { return info_.activity_type; }
  std::uint32_t attempt() const noexcept { return info_.attempt; }
  const std::string& dispatch_id() const noexcept { return info_.dispatch_id; }
  const std::string& idempotency_key() const noexcept { return info_.idempotency_key; }

  /// The attempt was canceled, has run out of time, or the engine is stopping: end soon, by canceled_error.
  bool stop_requested() const noexcept { return stop_.stop_requested(); }
  const std::stop_token& stop_token() const noexcept { return stop_; }

 private:
  activity_info info_;
  std::stop_token stop_;
};

}  // namespace evermill
