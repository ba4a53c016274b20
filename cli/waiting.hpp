// Waiting for the end of one execution: progress, interruptions, and what else may come first.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>

#include "cli/environment.hpp"
#include "cli/interrupt.hpp"
#include "cli/progress.hpp"
#include "server/control.hpp"

namespace evermill::cli {

/// The user wants to wait no longer.
struct interrupted {};
/// The engine that was asked is stopping, or its process is gone.
struct engine_gone {
  std::string message;
};
/// It takes no turns.
struct blocked {
  std::string reason;  ///< "stuck", "unserved" or "turn_timeout"
  std::string message;
  std::uint64_t at_event = 0;  ///< 0: at none
};
using wait_outcome = std::variant<execution_end, blocked, interrupted, engine_gone>;

struct awaited_execution {
  std::string workflow_type;
  std::string id;
  /// It took no turns when it was found and has been told to try again: that it still takes none means nothing yet.
  bool was_blocked = false;
  std::uint64_t events = 0;  ///< that it had then, which have to be replayed first
  bool is_file = false;       ///< its tasks can be followed
  bool print_events = false;  ///< those that it and its children send, each as a line of JSON on standard error
};

/// Waits, and shows progress meanwhile. `signal_command` is what to type to send it a signal. Throws control_error.
wait_outcome wait_for(environment& env, server::control& control, const awaited_execution& execution,
                      progress::style style, const std::string& signal_command, const interrupt_guard& interrupts);

}  // namespace evermill::cli
