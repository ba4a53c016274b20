/// @file
/// Activities that a plugin runs: what an attempt is given, and how it ends.
///
///     std::string greet(const evermill::plugin_attempt& attempt) { return "\"hello " + attempt.workflow_id + "\""; }
///     void add(evermill::plugin_registry& to) { to.add_activity("greet", greet); }
///     EVERMILL_PLUGIN("greetings", add)
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "evermill/log_level.hpp"

namespace evermill {

/// Writes a line to evermill's log. Thread-safe; for as long as what it was given to exists.
using plugin_log = std::function<void(log_level level, const std::string& line)>;

/// One attempt. Alive while it runs.
struct plugin_attempt {
  std::string activity_type;      ///< under which it was added
  std::string input;              ///< JSON text, with the values of secrets (evermill/secrets.hpp) in place of their names
  std::string workflow_id;        ///< of the execution that asks
  std::string run_id;             ///< the same
  std::string dispatch_id;        ///< tells this attempt from every other, for ever
  std::string idempotency_key;    ///< the same for each attempt of the activity: what an effect outside should be keyed by
  std::uint32_t attempt = 1;      ///< 1 is the first
  std::string heartbeat_details;  ///< JSON text: of the newest heartbeat of the attempts before; "": there was none
  std::stop_token stop;           ///< requested: it is to end soon, as activity_canceled or with what it has
  /// It is alive, and has come so far: JSON text, or "" for the same as before. Thread-safe.
  std::function<void(const std::string& details)> heartbeat;
  plugin_log log;  ///< for people
};

#pragma GCC visibility push(default)  // thrown by a plugin, caught by evermill

/// Ends the attempt as failed.
class activity_failure : public std::exception {
 public:
  /// `type` is what retry policies and workflows know it by; `retryable`: another attempt may follow, as the policy says. Texts
  /// that are not UTF-8 are mended.
  activity_failure(std::string type, std::string message, bool retryable)
      : type_(std::move(type)), message_(std::move(message)), retryable_(retryable) {}

  /// JSON text, for the workflow; what is no JSON is left out.
  activity_failure& with_details(std::string json) {
    details_ = std::move(json);
    return *this;
  }
  /// When the next attempt is to be, in place of what the policy says.
  activity_failure& retry_after(std::chrono::milliseconds delay) {
    delay_ = delay;
    return *this;
  }

  /// As it was made.
  const char* what() const noexcept override { return message_.c_str(); }
  /// As it was made.
  const std::string& type() const noexcept { return type_; }
  /// As it was made.
  bool retryable() const noexcept { return retryable_; }
  /// "": there are none.
  const std::string& details() const noexcept { return details_; }
  /// Nothing: as the policy says.
  const std::optional<std::chrono::milliseconds>& delay() const noexcept { return delay_; }

 private:
  std::string type_;
  std::string message_;
  bool retryable_;
  std::string details_;
  std::optional<std::chrono::milliseconds> delay_;
};

/// Ends the attempt as canceled: it was asked to stop, and did.
class activity_canceled : public std::exception {
 public:
  /// For people.
  const char* what() const noexcept override { return "canceled"; }
};

#pragma GCC visibility pop

/// Runs one attempt on a thread that is its own until it ends, and gives its result as JSON text; "": it has none. Throws
/// activity_failure or activity_canceled; another exception is a failure of the type "PluginError", which is tried again. Called
/// for several attempts at once. Must return soon after `stop` was requested: whatever the process was told about its stop, it
/// ends when this has returned.
using run_activity = std::function<std::string(const plugin_attempt& attempt)>;

}  // namespace evermill
