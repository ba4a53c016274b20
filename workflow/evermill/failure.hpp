// Why something did not complete, as a value; exceptions.hpp has the exceptions that carry it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "evermill/payload.hpp"

namespace evermill {

enum class failure_kind : unsigned char {
  application = 0,      ///< the code said so
  start_to_close = 1,   ///< an attempt ran longer than it may
  canceled = 2,
  terminated = 3,
  lost = 4,             ///< the process that ran the attempt is gone
  not_registered = 5,   ///< nothing here implements the name
  invalid_payload = 6,  ///< an argument or a result could not be decoded
  already_exists = 7,   ///< a child's workflow id is taken
  timed_out = 8,        ///< an execution ran longer than it may
  schedule_to_start = 9,   ///< an attempt was not started in time
  schedule_to_close = 10,  ///< all attempts of an activity together took longer than they may
  heartbeat = 11,          ///< an attempt was not heard of for too long
};

struct failure {
  failure_kind kind = failure_kind::application;
  std::string type;     ///< the application's own name for it, for example "CardDeclined"
  std::string message;  ///< for people
  std::optional<payload> details;
  bool non_retryable = false;
  std::shared_ptr<const failure> cause;
  /// How long to wait before the next attempt, in place of what the retry policy says.
  std::optional<std::chrono::microseconds> next_retry_delay{};
};

}  // namespace evermill
