// The reference model: what a program does, told again without coroutines, futures or a scheduler. Fed with the decision
// events of a journal it predicts every command and the end, and so judges the journal as a whole.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "messages/journal.pb.h"
#include "program.hpp"

namespace evermill::simulation {

struct prediction {
  enum class fate : std::uint8_t { open, completed, failed, canceled, continued, terminated, timed_out };
  fate is = fate::open;
  /// Where the journal is not what the program would have done; "" where it is.
  std::string mismatch;
  /// While open: the signals it waits for without a limit.
  std::vector<std::string> awaited_signals;
  /// Where it continues as new: what the next start must carry.
  std::vector<messages::WorkflowExecutionSignaled> unread;
  bool cancel_requested = false;
};

/// `turns` is the journal of one run from its first event on.
prediction predict(const std::string& workflow_id, std::uint64_t run, const std::vector<messages::TurnRecord>& turns);

}  // namespace evermill::simulation
