// One run's decisions: the coroutine, its open commands, and the turn that each decision event causes.
//
// A decider is pure: no clock, no storage, no thread, no queue. The same events in the same order give the same
// commands, live and in replay; replay compares them with the journal. Used by one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "base/ids.hpp"
#include "messages/journal.pb.h"

namespace evermill {
struct workflow_definition;
enum class log_level : unsigned char;
}

namespace evermill::workflow {

/// A step's function (`ctx.step`), to be run once everything its instance decided before is durable, on any thread. It
/// owns what it needs and never touches the instance. Returns the marker to be journaled; it does not throw.
struct step_run {
  event_seq scheduled;
  std::function<messages::MarkerRecorded()> run;
};

/// A line of the workflow's own log.
struct log_line {
  log_level level{};
  std::string text;
};

/// What one decision event led to. `record.events(0)` is the decision event.
struct turn {
  messages::TurnRecord record;
  std::vector<step_run> steps;
  std::vector<log_line> log_lines;  ///< to be written once the turn is durable
  /// Only with a final WorkflowExecutionContinuedAsNew (whose new_run_number and new_run_id are left empty for the
  /// partition to fill): what the next run's start event must carry.
  std::vector<messages::WorkflowExecutionSignaled> unread_signals;
  std::vector<messages::WorkflowExecutionUpdateAccepted> unfinished_updates;
  bool cancel_requested = false;
  std::chrono::nanoseconds took{0};  ///< measured by whoever asked for the turn
  /// Not empty: the code can't decide this turn now (detail::refuse_turn). Nothing of it counts, and the decider is of no more use.
  std::string refused;
};

/// The first place where the code and the journal differ.
struct divergence {
  event_seq at;
  std::string message;  ///< what the journal has there and what the code asked for
};

class decider {
 public:
  /// `definition` must outlive the decider. The first event it sees must be WorkflowExecutionStarted.
  decider(const workflow_definition& definition, run_number run);
  ~decider();  ///< destroys the coroutine: destructors of the workflow's locals run, nothing they ask for is recorded
  decider(const decider&) = delete;
  decider& operator=(const decider&) = delete;

  /// Handles one decision event at `time` (not before the last turn's). Nothing comes back when the event concerns
  /// nothing that is open (a timer that was canceled, an activity that is closed): then nothing has changed.
  /// Must not be called once `closed()`, nor after a divergence.
  std::optional<turn> handle(messages::Event&& decision, timestamp time);
  /// The same, but the first event of the turn's record is left empty: the caller, who has the decision, puts it there.
  std::optional<turn> handle(const messages::Event& decision, timestamp time);

  /// Handles a turn of the journal and compares what the code asks for with what it says: kind, name and id of every
  /// command (a differing argument is not a divergence; `argument_mismatches` counts it).
  std::optional<divergence> replay(const messages::TurnRecord& turn);
  /// The same; may take from `turn` what it needs.
  std::optional<divergence> replay(messages::TurnRecord&& turn);

  /// Why the workflow does not take this update; nothing where it does: `handle` it next then. Only looks.
  std::optional<messages::Failure> refusal(const messages::WorkflowExecutionUpdateAccepted& update);
  /// The answer of the workflow's code, or why there is none. Only looks; also once `closed()`.
  std::variant<messages::Payload, messages::Failure> query(const std::string& name, const messages::Payload& input);

  /// After replay: the steps that were asked for and have no marker, to be run (again).
  std::vector<step_run> unfinished_steps();

  /// Number of the last event seen or made.
  event_seq last_seq() const noexcept;
  /// Has the run ended?
  bool closed() const noexcept;
  std::uint64_t argument_mismatches() const noexcept;

 private:
  turn decide(messages::TurnRecord&& record, const messages::Event& decision, timestamp time);

  class impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace evermill::workflow
