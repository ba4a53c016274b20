// What the command line's exit codes mean. Scripts rely on them: they never change.
#pragma once

#include "evermill/engine.hpp"

namespace evermill::cli {

enum class exit_code : int {
  completed = 0,
  failed = 1,    ///< failed, timed out or terminated
  refused = 2,   ///< bad usage or input, or a data directory that can't be used; nothing was done
  canceled = 3,
  stuck = 4,     ///< takes no turns until its code fits its history
  parked = 5,    ///< goes on when it is run again
};

constexpr exit_code exit_code_of(execution_status status) {
  switch (status) {
    case execution_status::completed: return exit_code::completed;
    case execution_status::canceled: return exit_code::canceled;
    default: return exit_code::failed;
  }
}

}  // namespace evermill::cli
