/// @file
/// The exceptions that workflows, activities and callers meet.
#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "evermill/failure.hpp"

namespace evermill {

/// Base of all exceptions that carry a failure.
class error : public std::runtime_error {
 public:
  /// `why` may say no more than `what`: then it is an application failure without type and message.
  explicit error(const std::string& what, failure why = {}) : std::runtime_error(what), why_(std::move(why)) {}
  /// What happened, as a value: kind, type, message, cause.
  const failure& why() const noexcept { return why_; }

 protected:
  failure why_;  ///< for classes that add to it
};

/// Thrown by an activity or a workflow to fail with a type of its own. An activity is tried again as its retry policy
/// says, unless `non_retryable`.
class application_error : public error {
 public:
  /// `type` names the failure for code (retry_policy::non_retryable, failure::type), `message` for people. `details` are
  /// kept with it.
  application_error(std::string type, const std::string& message, std::optional<payload> details = {},
                    bool non_retryable = false)
      : error(message,
              {failure_kind::application, std::move(type), message, std::move(details), non_retryable, nullptr}) {}

  /// Of an activity: the next attempt waits this long, whatever its retry policy says of intervals:
  /// `throw application_error("Busy", "try later").retry_after(30s)`. Rounded up to microseconds.
  template <class Rep, class Period>
  application_error& retry_after(std::chrono::duration<Rep, Period> delay) {
    const auto rounded = std::chrono::ceil<std::chrono::microseconds>(delay);
    why_.next_retry_delay = rounded.count() > 0 ? rounded : std::chrono::microseconds(0);
    return *this;
  }
};

/// A payload is not what was expected. Not retried: the same bytes would come again.
class payload_error : public error {
 public:
  /// `message` says what was expected and what was there.
  explicit payload_error(const std::string& message)
      : error(message, {failure_kind::invalid_payload, "InvalidPayload", message, {}, true, nullptr}) {}
};

/// In a workflow: an activity did not complete and is not tried again. `why()` is the last attempt's failure.
class activity_error : public error {
 public:
  /// For evermill itself.
  activity_error(std::string activity, failure why)
      : error("activity " + activity + " failed: " + why.message, why), activity_(std::move(activity)) {}
  /// The name of the activity.
  const std::string& activity() const noexcept { return activity_; }

 private:
  std::string activity_;
};

/// In a workflow: a step's function threw. `why()` is what it threw, as `current_failure` tells it.
class step_error : public error {
 public:
  /// For evermill itself.
  step_error(const std::string& step, failure why) : error("step " + step + " failed: " + why.message, why) {}
};

/// In a workflow: a child did not complete, or could not be started. The kind of `why()` says which: `canceled`, `terminated`,
/// `timed_out`, `already_exists`, or that of the failure with which the child's own code ended.
class child_workflow_error : public error {
 public:
  /// For evermill itself.
  child_workflow_error(const std::string& child, failure why)
      : error("child workflow " + child + " failed: " + why.message, why) {}
};

/// In a workflow: somebody asked for it to be canceled. Let it pass after cleaning up and the execution ends as canceled.
/// In an activity that was told to stop: thrown, its attempt ends as canceled.
class canceled_error : public error {
 public:
  /// `reason` is for people; it may be empty.
  explicit canceled_error(const std::string& reason = {})
      : error(reason.empty() ? "canceled" : "canceled: " + reason,
              {failure_kind::canceled, "Canceled", reason, {}, true, nullptr}) {}
};

/// To a caller that asked for an update: the execution's code refused it, so that nothing of it happened, or it failed after
/// it was accepted. `why()` is what the code threw.
class update_failed : public error {
 public:
  /// For evermill itself.
  update_failed(const std::string& update, bool accepted, failure why)
      : error("update " + update + (accepted ? " failed: " : " was refused: ") + why.message, why), accepted_(accepted) {}
  /// false: it was refused, and nothing of it is journaled. true: it failed later.
  bool accepted() const noexcept { return accepted_; }

 private:
  bool accepted_;
};

/// To a caller that asked for a result: there is none. `status()` is "failed", "canceled", "terminated" or "timed out".
class workflow_failed : public error {
 public:
  /// For evermill itself.
  workflow_failed(const std::string& workflow_id, std::string status, failure why)
      : error("execution " + workflow_id + " " + status + (why.message.empty() ? "" : ": " + why.message), why),
        status_(std::move(status)) {}
  /// How the execution ended, as `to_string(execution_status)` names it.
  const std::string& status() const noexcept { return status_; }

 private:
  std::string status_;
};

/// The exception that is being handled, as a value: an `error` gives its `why()`, any other std::exception a failure whose type
/// is the name of its class; errors of activities, children and steps become the cause of a failure of type "ActivityFailed",
/// "ChildWorkflowFailed" or "StepFailed". For use inside a catch block.
failure current_failure();

}  // namespace evermill
