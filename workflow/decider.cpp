#include "workflow/decider.hpp"

#include <google/protobuf/descriptor.h>

#include <utility>

#include "base/check.hpp"
#include "base/planted.hpp"
#include "workflow/conversions.hpp"
#include "workflow/runtime_impl.hpp"

namespace evermill::workflow {
namespace {

using E = messages::Event;

/// What makes a command the same in a replay: its kind, its name and its id. Refers to the event.
struct identity {
  E::EventCase kind = E::EVENT_NOT_SET;
  std::string_view name;
  std::uint64_t id = 0;
  std::string_view workflow_id = {};
  bool operator==(const identity&) const = default;
};

identity identity_of(const E& e) {
  switch (e.event_case()) {
    case E::kActivityTaskScheduled: return {e.event_case(), e.activity_task_scheduled().activity_type()};
    case E::kActivityTaskCancelRequested:
      return {e.event_case(), {}, e.activity_task_cancel_requested().scheduled_seq()};
    case E::kTimerCanceled: return {e.event_case(), {}, e.timer_canceled().started_seq()};
    case E::kStartChildWorkflowExecutionInitiated: {
      const auto& child = e.start_child_workflow_execution_initiated();
      return {e.event_case(), child.workflow_type(), 0, child.workflow_id()};
    }
    case E::kRequestCancelChildWorkflowExecutionInitiated:
      return {e.event_case(), {}, e.request_cancel_child_workflow_execution_initiated().initiated_seq()};
    case E::kStepScheduled: return {e.event_case(), e.step_scheduled().name()};
    case E::kWorkflowExecutionUpdateCompleted: return {e.event_case(), e.workflow_execution_update_completed().update_id()};
    case E::kPatchRecorded: return {e.event_case(), e.patch_recorded().patch_id()};
    case E::kHumanTaskCreated: return {e.event_case(), e.human_task_created().name()};
    case E::kHumanTaskCanceled: return {e.event_case(), {}, e.human_task_canceled().created_seq()};
    case E::kLockRequested: return {e.event_case(), e.lock_requested().name()};
    case E::kSignalExternalWorkflowExecutionInitiated: {
      const auto& told = e.signal_external_workflow_execution_initiated();
      return {e.event_case(), told.signal_name(), 0, told.workflow_id()};
    }
    case E::kLockReleased: return {e.event_case(), {}, e.lock_released().requested_seq()};
    case E::kLockAssigned:
      return {e.event_case(), {}, e.lock_assigned().requested_seq(), e.lock_assigned().workflow_id()};
    default: return {e.event_case()};
  }
}

std::string describe(const E& event) {
  const auto* field = E::descriptor()->FindFieldByNumber(static_cast<int>(event.event_case()));
  const identity what = identity_of(event);
  std::string text = field != nullptr ? field->message_type()->name() : "nothing";
  if (!what.name.empty()) text += " \"" + std::string(what.name) + "\"";
  if (!what.workflow_id.empty()) text += " as \"" + std::string(what.workflow_id) + "\"";
  if (what.id != 0) text += " of event " + std::to_string(what.id);
  return text;
}

bool same_arguments(const E& a, const E& b) {
  if (a.has_activity_task_scheduled()) {
    return a.activity_task_scheduled().input().data() == b.activity_task_scheduled().input().data();
  }
  if (a.has_start_child_workflow_execution_initiated()) {
    return a.start_child_workflow_execution_initiated().input().data() ==
           b.start_child_workflow_execution_initiated().input().data();
  }
  return true;
}

}  // namespace

class decider::impl {
 public:
  impl(const workflow_definition& definition, run_number run) : runtime(definition, run) {}
  evermill::detail::runtime runtime;
  std::uint64_t argument_mismatches = 0;
  messages::TurnRecord made;  ///< what the code does in a replayed turn; kept for its memory

  step_run make_step(std::uint64_t seq) {
    return {event_seq(seq), [run = runtime.steps_.at(seq)] {
              messages::MarkerRecorded marker;
              try {
                payload result = run();
                if (const auto why = too_large(result.data.size())) throw std::length_error("the step's result: " + *why);
                if (result.type != payload::content_type::json || !result.data.empty()) to_message(std::move(result), *marker.mutable_result());
              } catch (...) {
                to_message(current_failure(), *marker.mutable_failure());
              }
              return marker;
            }};
  }
};

decider::decider(const workflow_definition& definition, run_number run)
    : impl_(std::make_unique<impl>(definition, run)) {}
decider::~decider() = default;

std::optional<turn> decider::handle(messages::Event&& decision, timestamp time) {
  EVERMILL_CHECK(!closed(), "an ended run decides nothing");
  if (!impl_->runtime.concerns(decision)) return std::nullopt;
  messages::TurnRecord record;
  messages::Event& first = *record.add_events();
  first = std::move(decision);
  return decide(std::move(record), first, time);  // a moved record keeps its events where they are
}

std::optional<turn> decider::handle(const messages::Event& decision, timestamp time) {
  EVERMILL_CHECK(!closed(), "an ended run decides nothing");
  if (!impl_->runtime.concerns(decision)) return std::nullopt;
  messages::TurnRecord record;
  record.add_events();
  return decide(std::move(record), decision, time);
}

turn decider::decide(messages::TurnRecord&& record, const messages::Event& decision, timestamp time) {
  evermill::detail::runtime& rt = impl_->runtime;
  turn result;
  result.record = std::move(record);
  result.record.set_time_us(to_micros(time));
  rt.handle(decision, result.record, time);
  result.refused = rt.refused_;
  if (!result.refused.empty()) return result;
  for (const std::uint64_t seq : std::exchange(rt.new_steps_, {})) {
    if (rt.steps_.contains(seq)) result.steps.push_back(impl_->make_step(seq));
  }
  result.log_lines = std::exchange(rt.log_lines_, {});
  if (result.record.events(result.record.events_size() - 1).has_workflow_execution_continued_as_new()) {
    result.unread_signals = rt.unread_in_order();
    result.unfinished_updates = std::exchange(rt.unfinished_updates_, {});
    result.cancel_requested = rt.cancel_requested_;
  }
  return result;
}

std::optional<divergence> decider::replay(const messages::TurnRecord& journal) {
  return replay(messages::TurnRecord(journal));
}

std::optional<divergence> decider::replay(messages::TurnRecord&& journal) {
  evermill::detail::runtime& rt = impl_->runtime;
  const event_seq first = rt.last_.next();
  if (rt.closed_) return divergence{first, "the code has ended, the journal goes on"};
  if (!rt.concerns(journal.events(0))) {
    return divergence{first, "the journal has " + describe(journal.events(0)) + ", which concerns nothing the code has open"};
  }
  messages::TurnRecord& made = impl_->made;
  made.Clear();
  made.add_events()->Swap(journal.mutable_events(0));
  rt.replaying_ = true;
  rt.journaled_ = &journal;
  rt.handle(made.events(0), made, from_micros(journal.time_us()));
  rt.journaled_ = nullptr;
  rt.replaying_ = false;
  rt.new_steps_.clear();
  if (!rt.refused_.empty()) return divergence{first, "the turn can't be decided again: " + rt.refused_};
  if (planted(bug::no_replay_comparison)) return std::nullopt;
  const int both = std::min(made.events_size(), journal.events_size());
  for (int i = 1; i < both; ++i) {
    if (identity_of(made.events(i)) != identity_of(journal.events(i))) {
      return divergence{event_seq(first.value + static_cast<std::uint64_t>(i)),
                        "the journal has " + describe(journal.events(i)) + ", the code asked for " +
                            describe(made.events(i))};
    }
    if (!same_arguments(made.events(i), journal.events(i))) ++impl_->argument_mismatches;
  }
  const event_seq next(first.value + static_cast<std::uint64_t>(both));
  if (made.events_size() > both) {
    return divergence{next, "the journal has nothing more in this turn, the code asked for " + describe(made.events(both))};
  }
  if (journal.events_size() > both) {
    return divergence{next, "the journal has " + describe(journal.events(both)) + ", the code asked for nothing more"};
  }
  return std::nullopt;
}

std::optional<messages::Failure> decider::refusal(const messages::WorkflowExecutionUpdateAccepted& update) {
  try {
    impl_->runtime.validate(update);
    return std::nullopt;
  } catch (...) {
    messages::Failure why;
    to_message(current_failure(), why);
    return why;
  }
}

std::variant<messages::Payload, messages::Failure> decider::query(const std::string& name, const messages::Payload& input) {
  try {
    messages::Payload answer;
    to_message(impl_->runtime.query(name, from_message(input)), answer);
    return answer;
  } catch (...) {
    messages::Failure why;
    to_message(current_failure(), why);
    return why;
  }
}

std::vector<step_run> decider::unfinished_steps() {
  std::vector<step_run> steps;
  for (const auto& [seq, run] : impl_->runtime.steps_) steps.push_back(impl_->make_step(seq));
  return steps;
}

event_seq decider::last_seq() const noexcept { return impl_->runtime.last_; }
bool decider::closed() const noexcept { return impl_->runtime.closed_; }
std::uint64_t decider::argument_mismatches() const noexcept { return impl_->argument_mismatches; }

}  // namespace evermill::workflow
