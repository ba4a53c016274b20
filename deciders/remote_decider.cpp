#include "deciders/remote_decider.hpp"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>

#include "base/check.hpp"
#include "base/namespaces.hpp"
#include "base/text.hpp"
#include "workflow/child_id.hpp"
#include "workflow/conversions.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill::deciders {
namespace {

using E = messages::Event;

std::string name_of(const E& event) {
  const auto* field = E::descriptor()->FindFieldByNumber(static_cast<int>(event.event_case()));
  return field == nullptr ? "nothing" : field->message_type()->name();
}

void check_size(const char* what, const messages::Payload& value) {
  if (const auto why = workflow::too_large(value.data().size())) throw std::invalid_argument(std::string(what) + ": " + *why);
}

void check_limit(const char* what, std::int64_t micros) {
  if (micros < 0) throw std::invalid_argument(std::string(what) + " is negative");
}

bool is_end(const E& event) {
  return event.has_workflow_execution_completed() || event.has_workflow_execution_failed() || event.has_workflow_execution_canceled() ||
         event.has_workflow_execution_continued_as_new();
}

}  // namespace

remote_decider::remote_decider(std::string workflow_type, run_number run) : workflow_type_(std::move(workflow_type)), run_(run) {}

// --- what is open

std::optional<remote_decider::closing> remote_decider::closed_by(const E& e) {
  switch (e.event_case()) {
    case E::kActivityTaskCompleted: return closing{what::activity, e.activity_task_completed().scheduled_seq()};
    case E::kActivityTaskFailed: return closing{what::activity, e.activity_task_failed().scheduled_seq()};
    case E::kActivityTaskTimedOut: return closing{what::activity, e.activity_task_timed_out().scheduled_seq()};
    case E::kActivityTaskCanceled: return closing{what::activity, e.activity_task_canceled().scheduled_seq()};
    case E::kTimerFired: return closing{what::timer, e.timer_fired().started_seq()};
    case E::kChildWorkflowExecutionCompleted: return closing{what::child, e.child_workflow_execution_completed().initiated_seq()};
    case E::kChildWorkflowExecutionFailed: return closing{what::child, e.child_workflow_execution_failed().initiated_seq()};
    case E::kChildWorkflowExecutionCanceled: return closing{what::child, e.child_workflow_execution_canceled().initiated_seq()};
    case E::kChildWorkflowExecutionTerminated: return closing{what::child, e.child_workflow_execution_terminated().initiated_seq()};
    case E::kChildWorkflowExecutionTimedOut: return closing{what::child, e.child_workflow_execution_timed_out().initiated_seq()};
    case E::kStartChildWorkflowExecutionFailed: return closing{what::child, e.start_child_workflow_execution_failed().initiated_seq()};
    case E::kMarkerRecorded: return closing{what::step, e.marker_recorded().scheduled_seq()};
    default: return std::nullopt;
  }
}

bool remote_decider::concerns(const E& decision) const {
  if (const auto closes = closed_by(decision)) {
    const auto it = open_.find(closes->seq);
    return it != open_.end() && it->second.is == closes->is;
  }
  switch (decision.event_case()) {
    case E::kWorkflowExecutionStarted: return !started_;
    case E::kWorkflowExecutionSignaled:
    case E::kWorkflowExecutionCancelRequested:
    case E::kWorkflowExecutionUpdateAccepted: return started_;
    default: return false;
  }
}

bool remote_decider::is_known(const E& command) {
  switch (command.event_case()) {
    case E::kActivityTaskScheduled:
    case E::kActivityTaskCancelRequested:
    case E::kTimerStarted:
    case E::kTimerCanceled:
    case E::kStartChildWorkflowExecutionInitiated:
    case E::kRequestCancelChildWorkflowExecutionInitiated:
    case E::kSignalExternalWorkflowExecutionInitiated:
    case E::kStepScheduled:
    case E::kPatchRecorded:
    case E::kWorkflowExecutionUpdateCompleted: return true;
    default: return is_end(command);
  }
}

/// The next event of the run.
void remote_decider::apply(const E& event) {
  last_ = last_.next();
  if (const auto closes = closed_by(event)) {
    open_.erase(closes->seq);
    return;
  }
  switch (event.event_case()) {
    case E::kWorkflowExecutionStarted: {
      const auto& started = event.workflow_execution_started();
      started_ = true;
      workflow_id_ = namespaces::plain(started.workflow_id());
      if (started.cancel_requested()) cancel_reason_.emplace();
      updates_.assign(started.carried_updates().begin(), started.carried_updates().end());
      return;
    }
    case E::kWorkflowExecutionCancelRequested:
      if (!cancel_reason_) cancel_reason_ = event.workflow_execution_cancel_requested().reason();
      return;
    case E::kWorkflowExecutionUpdateAccepted: updates_.push_back(event.workflow_execution_update_accepted()); return;
    case E::kWorkflowExecutionUpdateCompleted:
      std::erase_if(updates_, [&](const auto& each) {
        return each.update_id() == event.workflow_execution_update_completed().update_id();
      });
      return;
    case E::kActivityTaskScheduled: open_[last_.value] = {what::activity}; return;
    case E::kActivityTaskCancelRequested: {
      const auto& request = event.activity_task_cancel_requested();
      if (!request.wait_for_end()) {
        open_.erase(request.scheduled_seq());
      } else if (const auto it = open_.find(request.scheduled_seq()); it != open_.end()) {
        it->second.cancel_requested = true;
      }
      return;
    }
    case E::kTimerStarted: open_[last_.value] = {what::timer}; return;
    case E::kTimerCanceled: open_.erase(event.timer_canceled().started_seq()); return;
    case E::kStartChildWorkflowExecutionInitiated: open_[last_.value] = {what::child}; return;
    case E::kStepScheduled: open_[last_.value] = {what::step}; return;
    case E::kRequestCancelChildWorkflowExecutionInitiated: {
      const auto it = open_.find(event.request_cancel_child_workflow_execution_initiated().initiated_seq());
      if (it != open_.end()) it->second.cancel_requested = true;
      return;
    }
    default: closed_ = closed_ || is_end(event); return;
  }
}

std::optional<workflow::divergence> remote_decider::replay(const messages::TurnRecord& turn) {
  if (closed_) return workflow::divergence{last_.next(), "the run has ended, the journal goes on"};
  for (int i = 0; i < turn.events_size(); ++i) {
    const E& event = turn.events(i);
    if (i == 0 ? !concerns(event) : !is_known(event)) {
      return workflow::divergence{last_.next(), "the journal has " + name_of(event) +
                                                    ", with which remote deciders can't go on: other code has decided here"};
    }
    apply(event);
  }
  return std::nullopt;
}

// --- commands

const remote_decider::open_command& remote_decider::find(std::uint64_t seq, what is, const char* name) const {
  const auto it = open_.find(seq);
  if (it != open_.end() && it->second.is == is) return it->second;
  throw std::invalid_argument("event " + std::to_string(seq) + " is no open " + name);
}

void remote_decider::check_activity(const messages::ActivityTaskScheduled& scheduled) const {
  const messages::ActivityOptions& how = scheduled.options();
  require_name("activity's name", scheduled.activity_type());
  check_size("argument of an activity", scheduled.input());
  if (!how.task_queue().empty()) require_name("activity's task queue", how.task_queue());
  if (!how.version().empty()) require_name("activity's version", how.version());
  if (!(how.retry().jitter() >= 0 && how.retry().jitter() <= 1)) throw std::invalid_argument("a retry's jitter is from 0 to 1");
  if (!(how.retry().backoff_coefficient() >= 0 && how.retry().backoff_coefficient() <= std::numeric_limits<double>::max())) {
    throw std::invalid_argument("a retry's coefficient is not negative, and finite");
  }
  check_limit("start-to-close", how.start_to_close_us());
  check_limit("schedule-to-start", how.schedule_to_start_us());
  check_limit("schedule-to-close", how.schedule_to_close_us());
  check_limit("heartbeat", how.heartbeat_us());
  check_limit("a retry's initial interval", how.retry().initial_interval_us());
  check_limit("a retry's longest interval", how.retry().max_interval_us());
}

void remote_decider::check_child(const messages::StartChildWorkflowExecutionInitiated& initiated) const {
  require_name("child workflow's name", initiated.workflow_type());
  require_name("child's workflow id", initiated.workflow_id());
  if (!initiated.version().empty()) require_name("child workflow's version", initiated.version());
  if (workflow::locks::is_reserved(initiated.workflow_id()) && !workflow::locks::is_reserved(initiated.workflow_type())) {
    throw std::invalid_argument("a child's workflow id can't begin with \"" + std::string(workflow::locks::reserved_prefix) + "\"");
  }
  if (workflow::locks::is_keeper(initiated.workflow_type())) throw std::invalid_argument("a lock is no child workflow");
  check_limit("a child's execution timeout", initiated.execution_timeout_us());
  check_limit("a child's run timeout", initiated.run_timeout_us());
  check_size("input of a child workflow", initiated.input());
}

/// Throws what is wrong with the next event, for people.
void remote_decider::check(const E& command) const {
  switch (command.event_case()) {
    case E::kActivityTaskScheduled: return check_activity(command.activity_task_scheduled());
    case E::kActivityTaskCancelRequested:
      if (find(command.activity_task_cancel_requested().scheduled_seq(), what::activity, "activity").cancel_requested) {
        throw std::invalid_argument("the activity was asked to cancel before");
      }
      return;
    case E::kTimerStarted: return;
    case E::kTimerCanceled: static_cast<void>(find(command.timer_canceled().started_seq(), what::timer, "timer")); return;
    case E::kStartChildWorkflowExecutionInitiated: return check_child(command.start_child_workflow_execution_initiated());
    case E::kRequestCancelChildWorkflowExecutionInitiated:
      static_cast<void>(find(command.request_cancel_child_workflow_execution_initiated().initiated_seq(), what::child, "child"));
      return;
    case E::kSignalExternalWorkflowExecutionInitiated: {
      const auto& told = command.signal_external_workflow_execution_initiated();
      require_name("workflow id", told.workflow_id());
      require_name("signal's name", told.signal_name());
      if (!told.start_type().empty()) require_name("workflow's name", told.start_type());
      if (workflow::locks::is_reserved(told.workflow_id()) || workflow::locks::is_keeper(told.start_type())) {
        throw std::invalid_argument("\"" + told.workflow_id() + "\" is evermill's own, which takes no signals");
      }
      check_size("what a signal carries", told.input());
      return check_size("what a signal starts with", told.start_input());
    }
    case E::kStepScheduled: return require_name("side effect's name", command.step_scheduled().name());
    case E::kPatchRecorded: return require_name("patch's id", command.patch_recorded().patch_id());
    case E::kWorkflowExecutionUpdateCompleted: {
      const auto& done = command.workflow_execution_update_completed();
      const bool is_open =
          std::any_of(updates_.begin(), updates_.end(), [&](const auto& each) { return each.update_id() == done.update_id(); });
      if (!is_open) throw std::invalid_argument("no update \"" + done.update_id() + "\" is being done");
      return check_size("result of an update", done.result());
    }
    case E::kWorkflowExecutionCompleted: return check_size("workflow's result", command.workflow_execution_completed().result());
    case E::kWorkflowExecutionFailed: return;
    case E::kWorkflowExecutionCanceled:
      if (!cancel_reason_) throw std::invalid_argument("nobody has asked the execution to cancel");
      return;
    case E::kWorkflowExecutionContinuedAsNew:
      return check_size("input of continue-as-new", command.workflow_execution_continued_as_new().input());
    default: throw std::invalid_argument("no command of that kind is known");
  }
}

/// With what only the run knows.
void remote_decider::complete(E& command, timestamp time) const {
  if (command.has_timer_started()) {
    auto& timer = *command.mutable_timer_started();
    const std::chrono::microseconds delay(std::max<std::int64_t>(timer.fire_at_us(), 0));
    timer.set_fire_at_us(to_micros(time + std::min(delay, timestamp::max() - time)));
  } else if (command.has_start_child_workflow_execution_initiated()) {
    auto& child = *command.mutable_start_child_workflow_execution_initiated();
    if (child.workflow_id().empty()) child.set_workflow_id(workflow::child_id(workflow_id_, run_, last_.next()));
  } else if (command.has_workflow_execution_continued_as_new()) {
    auto& next = *command.mutable_workflow_execution_continued_as_new();
    next.set_workflow_type(workflow_type_);
    next.clear_new_run_number();
    next.clear_new_run_id();
  } else if (command.has_workflow_execution_canceled() && cancel_reason_) {
    command.mutable_workflow_execution_canceled()->set_reason(*cancel_reason_);
  }
}

/// What was accepted is answered before the end that leaves nobody to do it.
void remote_decider::end_updates(messages::TurnRecord& record) {
  for (const auto& each : std::exchange(updates_, {})) {
    auto& done = *record.add_events()->mutable_workflow_execution_update_completed();
    done.set_update_id(each.update_id());
    done.mutable_failure()->set_kind(messages::Failure::CANCELED);
    done.mutable_failure()->set_type("WorkflowEnded");
    done.mutable_failure()->set_message("the workflow ended before the update was done");
    done.mutable_failure()->set_non_retryable(true);
    last_ = last_.next();
  }
}

result<workflow::turn, workflow::divergence> remote_decider::decide(const E& decision, timestamp time, commands&& wanted) {
  EVERMILL_CHECK(!closed_ && concerns(decision), "a run is asked about what concerns it");
  workflow::turn turn;
  turn.record.set_time_us(to_micros(time));
  turn.record.add_events();
  apply(decision);
  std::size_t number = 0;
  for (E& command : wanted.events) {
    const auto refused = [&](const std::string& why) {
      return unexpected(workflow::divergence{last_.next(), "command " + std::to_string(number) + " of its worker's answer to " + name_of(decision) +
                                                               ", " + name_of(command) + ": " + why});
    };
    ++number;
    if (closed_) return refused("the commands before have ended the run");
    complete(command, time);
    try {
      check(command);
    } catch (const std::invalid_argument& error) {
      return refused(error.what());
    }
    const bool continues = command.has_workflow_execution_continued_as_new();
    if (continues) {
      turn.unread_signals = std::move(wanted.unread_signals);
      turn.unfinished_updates = std::exchange(updates_, {});
      turn.cancel_requested = cancel_reason_.has_value();
    } else if (is_end(command)) {
      end_updates(turn.record);
    }
    E& event = *turn.record.add_events();
    event = std::move(command);
    apply(event);
    if (!event.has_step_scheduled()) continue;
    messages::Payload& value = wanted.values[number - 1];
    try {
      check_size("value of a side effect", value);
    } catch (const std::invalid_argument& error) {
      return refused(error.what());
    }
    turn.steps.push_back({last_, [value = std::move(value)] {
                            messages::MarkerRecorded marker;
                            *marker.mutable_result() = value;
                            return marker;
                          }});
  }
  if (closed_) turn.steps.clear();
  return turn;
}

std::vector<workflow::step_run> remote_decider::unfinished_steps() const {
  std::vector<workflow::step_run> lost;
  for (const auto& [seq, command] : open_) {
    if (command.is != what::step) continue;
    lost.push_back({event_seq(seq), [] {
                      messages::MarkerRecorded marker;
                      marker.mutable_failure()->set_kind(messages::Failure::LOST);
                      marker.mutable_failure()->set_type("SideEffectLost");
                      marker.mutable_failure()->set_message("the value was lost before it was journaled; record another one");
                      return marker;
                    }});
  }
  return lost;
}

}  // namespace evermill::deciders
