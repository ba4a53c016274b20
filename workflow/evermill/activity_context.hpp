// What an activity may know about the attempt that runs it.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <utility>

namespace evermill {

struct activity_info {
  std::string workflow_id;
  std::string activity_type;
  std::uint32_t attempt = 1;    ///< 1 is the first
  std::string dispatch_id;      ///< differs for every attempt
  std::string idempotency_key;  ///< the same for every attempt: key effects outside by it
};

/// Given to activity functions that take it as their first parameter. Valid during the call.
class activity_context {
 public:
  activity_context(activity_info info, std::stop_token stop) : info_(std::move(info)), stop_(std::move(stop)) {}

  const std::string& workflow_id() const noexcept { return info_.workflow_id; }
  const std::string& activity_type() const noexcept { return info_.activity_type; }
  std::uint32_t attempt() const noexcept { return info_.attempt; }
  const std::string& dispatch_id() const noexcept { return info_.dispatch_id; }
  const std::string& idempotency_key() const noexcept { return info_.idempotency_key; }
  /// Is the attempt no longer wanted (canceled, timed out, engine stopping)?
  bool stop_requested() const noexcept { return stop_.stop_requested(); }
  const std::stop_token& stop_token() const noexcept { return stop_; }

 private:
  activity_info info_;
  std::stop_token stop_;
};

}  // namespace evermill
