/// @file
/// What an activity may know about the attempt that runs it, and what it can tell.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "evermill/codec.hpp"
#include "evermill/payload.hpp"

namespace evermill {

/// What an attempt of an activity is told about itself; see activity_context::info.
struct activity_info {
  std::string workflow_id;      ///< of the execution that called the activity
  std::string run_id;           ///< of its run; a UUID
  std::string activity_type;    ///< the name under which the activity was called
  std::uint32_t attempt = 1;    ///< 1 is the first; lost attempts count
  std::string dispatch_id;      ///< differs for every attempt; what complete_later gives
  std::string idempotency_key;  ///< the same for every attempt: key effects outside by it
  std::string task_queue;       ///< "default" unless the activity's options name another
  std::chrono::sys_time<std::chrono::microseconds> scheduled_at{};  ///< when the workflow called the activity, UTC
  std::chrono::microseconds heartbeat_timeout{0};                   ///< 0: none
  std::chrono::microseconds start_to_close_timeout{0};              ///< 0: none
  /// Where in a trace the attempt is, for what it calls: W3C Trace Context, as in the headers of these names. "": in none.
  std::string traceparent;
  std::string tracestate;  ///< the other header; "": there is none
};

namespace detail {
/// The attempt as the function that it runs sees it; what runs it implements this.
class attempt_host {
 public:
  virtual ~attempt_host() = default;
  virtual activity_info info() const = 0;
  virtual const std::string& workflow_id() const = 0;
  virtual std::uint32_t attempt() const = 0;
  virtual const std::stop_token& stop_token() const = 0;
  virtual void heartbeat(payload details) = 0;
  virtual std::optional<payload> heartbeat_details() const = 0;
  virtual std::string complete_later() = 0;
};

/// An attempt that nobody runs, for an activity function that is called by itself.
class lone_attempt final : public attempt_host {
 public:
  lone_attempt(activity_info info, std::stop_token stop) : info_(std::move(info)), stop_(std::move(stop)) {}
  activity_info info() const override { return info_; }
  const std::string& workflow_id() const override { return info_.workflow_id; }
  std::uint32_t attempt() const override { return info_.attempt; }
  const std::stop_token& stop_token() const override { return stop_; }
  void heartbeat(payload details) override { details_ = std::move(details); }
  std::optional<payload> heartbeat_details() const override { return details_; }
  std::string complete_later() override { return info_.dispatch_id; }

 private:
  activity_info info_;
  std::stop_token stop_;
  std::optional<payload> details_;
};

template <class T>
payload encode_details(const T& details) {
  constexpr bool text = std::is_convertible_v<const T&, std::string_view> && !std::is_same_v<T, std::string>;
  if constexpr (text) {
    return codec<std::string>::encode(std::string(std::string_view(details)));
  } else {
    return codec<T>::encode(details);
  }
}
}  // namespace detail

/// Given to activity functions that take it as their first parameter. Valid during the call; for the function's own thread,
/// except `stop_token` and `heartbeat`, which threads that it waits for may use as well.
class activity_context {
 public:
  /// For evermill itself; `host` outlives the context.
  explicit activity_context(detail::attempt_host& host) noexcept : host_(&host) {}
  /// To call an activity function by itself, in a test of it. Heartbeats go nowhere; the newest is in `heartbeat_details`.
  activity_context(activity_info info, std::stop_token stop)
      : alone_(std::make_unique<detail::lone_attempt>(std::move(info), std::move(stop))), host_(alone_.get()) {}

  /// Everything about the attempt, gathered at the first call. Lives as long as this context.
  const activity_info& info() const {
    if (!info_) info_ = host_->info();
    return *info_;
  }
  /// Of the execution that called the activity.
  const std::string& workflow_id() const { return host_->workflow_id(); }
  /// Of the run that called the activity.
  const std::string& run_id() const { return info().run_id; }
  /// The name under which the activity was called.
  const std::string& activity_type() const { return info().activity_type; }
  /// 1 is the first; attempts that were lost with their process count.
  std::uint32_t attempt() const { return host_->attempt(); }
  /// Differs for every attempt.
  const std::string& dispatch_id() const { return info().dispatch_id; }
  /// The same for every attempt of this call: give it to whatever must do a thing once.
  const std::string& idempotency_key() const { return info().idempotency_key; }

  /// Is the attempt no longer wanted (canceled, timed out, replaced by another one, engine stopping)? A function that
  /// obeys returns, or throws canceled_error.
  bool stop_requested() const noexcept { return host_->stop_token().stop_requested(); }
  /// What `stop_requested` looks at: for std::stop_callback, and for condition variables that wait with it.
  const std::stop_token& stop_token() const noexcept { return host_->stop_token(); }

  /// "I am alive": the heartbeat timeout is counted anew. Cheap, however often it is called: what it says is passed on, and
  /// made durable, about once in 0.8 of the heartbeat timeout, at least once a minute. Throws std::length_error for details
  /// that are too large to be kept (256 MiB).
  void heartbeat() const { host_->heartbeat(payload{}); }
  /// The same with how far the attempt has come, which the next attempt finds in `heartbeat_details`. The newest details
  /// count; those of the last moments before a crash of the process may be lost, those before a failure or a timeout are not.
  template <class T>
  void heartbeat(const T& details) const {
    host_->heartbeat(detail::encode_details(details));
  }
  /// What the newest heartbeat with details of the attempts before said; nothing: there was none. Throws payload_error where
  /// it is no T.
  template <class T>
  std::optional<T> heartbeat_details() const {
    const std::optional<payload> details = host_->heartbeat_details();
    if (!details) return std::nullopt;
    return codec<T>::decode(*details);
  }

  /// The activity is completed from elsewhere: what the function returns is ignored (what it throws is not), and the
  /// attempt goes on, also when this process ends, until somebody reports its end with the token that comes back:
  /// engine::complete_activity, fail_activity, cancel_activity, or `evermill activity`. The token may be used at once. It is
  /// valid until the attempt ends, and names this attempt only.
  /// Throws application_error (type NoTimeout, not retried) for an activity that has neither start_to_close, heartbeat
  /// nor schedule_to_close: nobody would notice that its end never comes.
  std::string complete_later() const { return host_->complete_later(); }

 private:
  std::unique_ptr<detail::attempt_host> alone_;
  detail::attempt_host* host_;
  mutable std::optional<activity_info> info_;
};

}  // namespace evermill
