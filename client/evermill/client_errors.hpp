/// @file
/// What a client throws.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

namespace evermill {

/// What is wrong, for code.
enum class client_errc : std::uint8_t {
  invalid_argument,   ///< an id, name, value or option that can't be; or a file that can't be read
  unauthenticated,    ///< no credentials, or such that do not count (any more)
  permission_denied,  ///< the caller may not do this, or must not know whether it could be done
  unknown_workflow,   ///< nothing there implements the workflow type
  not_found,          ///< no such execution, task or token
  already_exists,     ///< the workflow id is taken by an execution with another definition or input
  closed,             ///< the execution has ended, or the human task is not open any more
  conflict,           ///< the human task belongs to somebody else
  refused,            ///< the execution's code answered with an error
  blocked,            ///< the execution takes no turns (stuck, unserved or turn_timeout): it can't answer
  overloaded,         ///< too much at once, for as long as it was tried
  storage,            ///< the server can't read or write its data
  unavailable,        ///< the server could not be reached, or stopped, for as long as it was tried; or the client was closed
  deadline_exceeded,  ///< no answer came in time; what was asked for may go on
  incompatible,       ///< the server does not know the request: it runs another version
  internal,           ///< a defect, there or here
};

/// What all functions of a client throw; `what()` says it for people.
class client_error : public std::runtime_error {
 public:
  /// For evermill itself.
  client_error(client_errc code, const std::string& message, bool may_have_happened = false,
               std::optional<std::chrono::milliseconds> retry_after = {})
      : std::runtime_error(message), code_(code), may_have_happened_(may_have_happened), retry_after_(retry_after) {}
  /// What is wrong, for code.
  client_errc code() const noexcept { return code_; }
  /// Of a request that changes something: true where it, or an earlier try of it, was sent and not answered.
  bool may_have_happened() const noexcept { return may_have_happened_; }
  /// When to try again, where the server said so.
  const std::optional<std::chrono::milliseconds>& retry_after() const noexcept { return retry_after_; }

 private:
  client_errc code_;
  bool may_have_happened_;
  std::optional<std::chrono::milliseconds> retry_after_;
};

}  // namespace evermill
