// What may take only so long.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "evermill/context.hpp"

namespace evermill::interpreter {

/// How a limit is told when it is over.
struct time_limit {
  std::chrono::microseconds after{};
  std::string what;     ///< is not done: "the task"
  std::string reason;   ///< for what is canceled
  std::string pointer;  ///< of the error
};

/// Does a part, within a scope of its own. When its time is over the scope is canceled, its end awaited, and the error is a fault of
/// type timeout; until then its errors are passed on.
task<void> in_time(context ctx, time_limit limit, std::function<task<void>(context inside)> part);

}  // namespace evermill::interpreter
