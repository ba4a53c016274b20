// The exceptions of workflows and activities. Each carries the failure it stands for, so that a failure crosses
// processes and journals without loss.
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "failure.hpp"

namespace evermill {

/// Base of all. Copies share the failure.
class error : public std::runtime_error {
 public:
  error(const std::string& what, evermill::failure as_value);

  /// This error as a value; what a workflow or activity that lets it escape fails with.
  const evermill::failure& failure() const noexcept { return *failure_; }
  /// What led to it: the failure of the activity, step, child or execution; this error's own where there is none.
  const evermill::failure& cause() const noexcept { return failure_->cause ? *failure_->cause : *failure_; }

 private:
  std::shared_ptr<const evermill::failure> failure_;
};

/// Thrown by the code of activities, steps and workflows: something of the application's own went wrong.
class application_error : public error {
 public:
  /// `type` is the application's name for it ("CardDeclined"), which callers can act on. `non_retryable`: another
  /// attempt of the activity would not help.
  application_error(std::string type, std::string message, std::optional<payload> details = {},
                    bool non_retryable = false);

  const std::string& type() const noexcept { return failure().type; }
};

/// Awaiting an activity that did not complete. `cause()` is why the last attempt failed.
class activity_error : public error {
 public:
  activity_error(std::string activity, evermill::failure cause);
  const std::string& activity() const noexcept { return activity_; }

 private:
  std::string activity_;
};

/// Awaiting a step whose function threw. Steps are not retried.
class step_error : public error {
 public:
  step_error(std::string step, evermill::failure cause);
  const std::string& step() const noexcept { return step_; }

 private:
  std::string step_;
};

/// Awaiting a child workflow that did not complete, or could not be started (failure_kind::already_exists).
class child_workflow_error : public error {
 public:
  child_workflow_error(std::string workflow, evermill::failure cause);
  const std::string& workflow() const noexcept { return workflow_; }

 private:
  std::string workflow_;
};

/// In a workflow: it was asked to cancel, or the future that is awaited was canceled. A workflow that lets it escape
/// ends as canceled. In an activity: thrown by its code to say that it has stopped because it was asked to.
class canceled_error : public error {
 public:
  explicit canceled_error(std::string message = "canceled");
};

/// A value could not be encoded or decoded. Says what was expected and what came.
class payload_error : public error {
 public:
  explicit payload_error(const std::string& message);
};

/// Waiting for a result of an execution that has none: it failed, was canceled, terminated or timed out.
class workflow_failed : public error {
 public:
  /// `status` as "failed", "canceled", ….
  workflow_failed(std::string workflow_id, std::string status, evermill::failure failure);
  const std::string& workflow_id() const noexcept { return workflow_id_; }
  const std::string& status() const noexcept { return status_; }

 private:
  std::string workflow_id_;
  std::string status_;
};

namespace detail {
/// The exception being handled as a failure. Only inside a catch block.
failure current_failure();
/// "CardDeclined: no funds": type and message of a failure, for people.
std::string describe(const failure& f);
}  // namespace detail

}  // namespace evermill
