// One run's decisions as its server sees them, where its code runs in a worker elsewhere: what the code asked for comes as commands, and
// is checked before it is journaled.
//
// Pure, like workflow::decider: no clock, no storage, no thread. Used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/ids.hpp"
#include "evermill/result.hpp"
#include "messages/journal.pb.h"
#include "workflow/decider.hpp"

namespace evermill::deciders {

/// What the code asks for because of one decision event, in its order. Each is the event that it becomes, but for what only the run knows:
///   TimerStarted.fire_at_us          the delay from the decision's time
///   StartChild….workflow_id          "": made from the parent's
///   WorkflowExecutionContinuedAsNew  the type, the number and the id of the run are empty
///   WorkflowExecutionCanceled        the reason is that of the request
struct commands {
  std::vector<messages::Event> events;
  /// Of each StepScheduled, by its place among the events: the value that the code has found out for itself.
  std::map<std::size_t, messages::Payload> values;
  /// With a final WorkflowExecutionContinuedAsNew: signals that the code has not read, oldest first.
  std::vector<messages::WorkflowExecutionSignaled> unread_signals;
};

class remote_decider {
 public:
  /// `workflow_type`: of the run, which is that of the runs that continue it, too.
  remote_decider(std::string workflow_type, run_number run);

  /// A turn of the journal. What comes back says why remote deciders can't go on with it.
  std::optional<workflow::divergence> replay(const messages::TurnRecord& turn);

  /// Does the event concern anything that is open? What does not has no turn, and the code is not told.
  bool concerns(const messages::Event& decision) const;

  /// The turn that the commands are, with its first event left empty, as workflow::decider::handle; or which of them can't be, and why:
  /// then nothing of it counts, and the decider is of no more use. The event concerns something; the run has not ended.
  result<workflow::turn, workflow::divergence> decide(const messages::Event& decision, timestamp time, commands&& wanted);

  /// After a replay: side effects that were recorded and have no marker. Their values are gone, and the code is told so.
  std::vector<workflow::step_run> unfinished_steps() const;

  /// Number of the last event seen or made.
  event_seq last_seq() const noexcept { return last_; }
  /// Has the run ended?
  bool closed() const noexcept { return closed_; }

 private:
  enum class what : std::uint8_t { activity, timer, child, step };
  struct open_command {
    what is;
    bool cancel_requested = false;
  };
  struct closing {
    what is;
    std::uint64_t seq;
  };

  static std::optional<closing> closed_by(const messages::Event& decision);
  static bool is_known(const messages::Event& command);
  void apply(const messages::Event& event);
  void complete(messages::Event& command, timestamp time) const;
  void check(const messages::Event& command) const;
  void check_activity(const messages::ActivityTaskScheduled& scheduled) const;
  void check_child(const messages::StartChildWorkflowExecutionInitiated& initiated) const;
  const open_command& find(std::uint64_t seq, what is, const char* name) const;
  void end_updates(messages::TurnRecord& record);

  const std::string workflow_type_;
  const run_number run_;
  std::string workflow_id_;
  event_seq last_;
  bool started_ = false;
  bool closed_ = false;
  std::optional<std::string> cancel_reason_;  // a cancel was requested
  std::map<std::uint64_t, open_command> open_;
  std::vector<messages::WorkflowExecutionUpdateAccepted> updates_;  // accepted and not done, oldest first
};

}  // namespace evermill::deciders
