/// @file
/// Why something did not complete, as a value; exceptions.hpp has the exceptions that carry it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "evermill/payload.hpp"

namespace evermill {

/// What kind of thing went wrong. The numbers are stored: they never change their meaning.
enum class failure_kind : unsigned char {
  application = 0,      ///< the code said so
  start_to_close = 1,   ///< an attempt ran longer than it may
  canceled = 2,         ///< somebody asked for it, or the code ended itself with canceled_error
  terminated = 3,       ///< an execution was ended without its code being asked
  lost = 4,             ///< the process that ran the attempt is gone
  not_registered = 5,   ///< nothing here implements the name
  invalid_payload = 6,  ///< an argument or a result could not be decoded
  already_exists = 7,   ///< a child's workflow id is taken
  timed_out = 8,        ///< an execution ran longer than it may
  schedule_to_start = 9,   ///< an attempt was not started in time
  schedule_to_close = 10,  ///< all attempts of an activity together took longer than they may
  heartbeat = 11,          ///< an attempt was not heard of for too long
};

/// Why something did not complete. Stored in journals; text that is not UTF-8 is stored with U+FFFD in place of what is wrong.
struct failure {
  failure_kind kind = failure_kind::application;  ///< what kind of thing went wrong
  std::string type;               ///< the application's own name for it, for example "CardDeclined"
  std::string message;            ///< for people
  std::optional<payload> details; ///< whatever the application adds
  bool non_retryable = false;     ///< of an activity's attempt: no other one follows, whatever the retry policy says
  std::shared_ptr<const failure> cause;  ///< what led to it; null: nothing that is known
  /// How long to wait before the next attempt, in place of what the retry policy says. Of less than 0: at once.
  std::optional<std::chrono::microseconds> next_retry_delay{};
};

}  // namespace evermill
