// Drives a decider as a partition would, keeps the journal, and replays it when the test ends: every test of a workflow
// runs twice, fresh and from its journal, and the commands must be the same.
#pragma once

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "evermill/registry.hpp"
#include "workflow/conversions.hpp"
#include "workflow/decider.hpp"

namespace evermill::workflow {

/// "ActivityTaskScheduled square", "TimerStarted", "StepScheduled read", …
inline std::string brief(const messages::Event& event) {
  using E = messages::Event;
  const auto* field = E::descriptor()->FindFieldByNumber(static_cast<int>(event.event_case()));
  std::string text = field == nullptr ? "none" : field->message_type()->name();
  switch (event.event_case()) {
    case E::kActivityTaskScheduled:
      return text + " " + event.activity_task_scheduled().activity_type();
    case E::kStepScheduled:
      return text + " " + event.step_scheduled().name();
    case E::kActivityTaskCancelRequested:
      return text + " " + std::to_string(event.activity_task_cancel_requested().scheduled_seq());
    case E::kTimerCanceled:
      return text + " " + std::to_string(event.timer_canceled().started_seq());
    case E::kStartChildWorkflowExecutionInitiated: {
      const auto& child = event.start_child_workflow_execution_initiated();
      return text + " " + child.workflow_type() + " as " + child.workflow_id();
    }
    case E::kRequestCancelChildWorkflowExecutionInitiated:
      return text + " " + std::to_string(event.request_cancel_child_workflow_execution_initiated().initiated_seq());
    case E::kWorkflowExecutionUpdateCompleted:
      return text + " " + event.workflow_execution_update_completed().update_id() + " " +
             (event.workflow_execution_update_completed().has_failure()
                  ? event.workflow_execution_update_completed().failure().type()
                  : event.workflow_execution_update_completed().result().data());
    case E::kPatchRecorded:
      return text + " " + event.patch_recorded().patch_id();
    case E::kWorkflowExecutionCompleted:
      return text + " " + event.workflow_execution_completed().result().data();
    case E::kWorkflowExecutionFailed:
      return text + " " + event.workflow_execution_failed().failure().type();
    default:
      return text;
  }
}

class decider_rig {
 public:
  using commands = std::vector<std::string>;
  static constexpr std::uint64_t run = 7;

  decider_rig(const registry& definitions, const std::string& workflow)
      : definition_(*definitions.find_workflow(workflow)),
        live_(std::make_unique<decider>(definition_, run_number(run))) {}
  ~decider_rig() { expect_same_in_replay(); }

  commands start(payload input = {}, messages::WorkflowExecutionStarted started = {}) {
    started.set_workflow_id("w");
    started.set_run_id("run-id");
    started.set_workflow_type(definition_.name);
    started.set_random_seed(42);
    to_message(std::move(input), *started.mutable_input());
    messages::Event event;
    *event.mutable_workflow_execution_started() = std::move(started);
    return handle(std::move(event));
  }
  commands complete(std::uint64_t seq, const std::string& json = {}) {
    messages::Event event;
    event.mutable_activity_task_completed()->set_scheduled_seq(seq);
    if (!json.empty()) to_message(json_payload(json), *event.mutable_activity_task_completed()->mutable_result());
    return handle(std::move(event));
  }
  commands fail(std::uint64_t seq, const failure& why) {
    messages::Event event;
    event.mutable_activity_task_failed()->set_scheduled_seq(seq);
    to_message(why, *event.mutable_activity_task_failed()->mutable_failure());
    return handle(std::move(event));
  }
  commands fire(std::uint64_t seq) {
    messages::Event event;
    event.mutable_timer_fired()->set_started_seq(seq);
    return handle(std::move(event));
  }
  commands signal(const std::string& name, const std::string& json) {
    messages::Event event;
    event.mutable_workflow_execution_signaled()->set_signal_name(name);
    to_message(json_payload(json), *event.mutable_workflow_execution_signaled()->mutable_input());
    return handle(std::move(event));
  }
  /// As an instance does: what is refused is not handled. The refusal's type is told then.
  commands update(const std::string& id, const std::string& name, const std::string& json) {
    messages::Event event;
    auto& accepted = *event.mutable_workflow_execution_update_accepted();
    accepted.set_update_id(id);
    accepted.set_update_name(name);
    to_message(json_payload(json), *accepted.mutable_input());
    if (const auto refused = live_->refusal(accepted)) return {"refused " + refused->type()};
    return handle(std::move(event));
  }
  /// The answer's JSON, or the type of its failure.
  std::string query(const std::string& name, const std::string& json = "null") {
    messages::Payload input;
    to_message(json_payload(json), input);
    const auto answer = live_->query(name, input);
    const auto* value = std::get_if<messages::Payload>(&answer);
    return value != nullptr ? value->data() : std::get<messages::Failure>(answer).type();
  }
  commands cancel(const std::string& reason = "enough") {
    messages::Event event;
    event.mutable_workflow_execution_cancel_requested()->set_reason(reason);
    return handle(std::move(event));
  }
  commands child_completed(std::uint64_t seq, const std::string& json) {
    messages::Event event;
    event.mutable_child_workflow_execution_completed()->set_initiated_seq(seq);
    to_message(json_payload(json), *event.mutable_child_workflow_execution_completed()->mutable_result());
    return handle(std::move(event));
  }
  /// Runs a step that was asked for and hands its marker over.
  commands run_step(const step_run& step) {
    messages::Event event;
    *event.mutable_marker_recorded() = step.run();
    event.mutable_marker_recorded()->set_scheduled_seq(step.scheduled.value);
    return handle(std::move(event));
  }

  commands handle(messages::Event event) {
    time_ += std::chrono::seconds(1);
    last = live_->handle(std::move(event), time_);
    if (!last) return {"nothing"};
    journal.push_back(last->record);
    commands made;
    for (int i = 1; i < last->record.events_size(); ++i) made.push_back(brief(last->record.events(i)));
    return made;
  }

  const messages::Event& last_event() const { return last->record.events(last->record.events_size() - 1); }
  failure end_failure() const { return from_message(last_event().workflow_execution_failed().failure()); }
  decider& live() { return *live_; }

  /// A decider that has replayed the journal up to and without the first difference.
  std::optional<divergence> replay_into(decider& fresh) const {
    for (const messages::TurnRecord& turn : journal) {
      if (auto difference = fresh.replay(turn)) return difference;
    }
    return std::nullopt;
  }

  std::vector<messages::TurnRecord> journal;
  std::optional<turn> last;

 private:
  void expect_same_in_replay() {
    decider fresh(definition_, run_number(run));
    const auto difference = replay_into(fresh);
    EXPECT_FALSE(difference) << "event " << difference->at.value << ": " << difference->message;
    EXPECT_EQ(fresh.last_seq(), live_->last_seq());
    EXPECT_EQ(fresh.closed(), live_->closed());
    EXPECT_EQ(fresh.argument_mismatches(), 0U);
  }

  const workflow_definition& definition_;
  std::unique_ptr<decider> live_;
  timestamp time_{std::chrono::seconds(1'000'000)};
};

}  // namespace evermill::workflow
