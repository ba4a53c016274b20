// Errors of workflows: the standard's error objects (RFC 7807), thrown as exceptions.
#pragma once

#include <cstdint>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "evermill/exceptions.hpp"

namespace evermill::interpreter {

using json = nlohmann::json;

/// An error that a workflow may catch.
class fault final : public std::exception {
 public:
  /// `error` has type, status and instance, and mostly title and detail.
  explicit fault(json error) : error_(std::move(error)) {}
  fault(std::string_view type, std::int64_t status, std::string_view title, const std::string& detail,
        const std::string& instance);

  const json& error() const noexcept { return error_; }
  const char* what() const noexcept override;

 private:
  json error_;
};

/// What the engine ends the execution with: the error is its details, and a sentence its message.
application_error as_failure(const fault& of);

/// The exception that is being handled, as a fault of the task with this pointer. What no workflow may catch (a cancel request,
/// a turn that is refused), and what is a fault already, is thrown as it is.
[[noreturn]] void throw_as_fault(const std::string& pointer);

/// What an activity ended with: by the names that task backends give their failures.
fault fault_of(const failure& why, const std::string& pointer);

/// "Not Found"; "" for a status that is not known.
std::string_view reason_of_status(std::int64_t status) noexcept;

}  // namespace evermill::interpreter
