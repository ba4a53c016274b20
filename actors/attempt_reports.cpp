// What task backends tell, as the decision events that partitions are given.
#include <utility>

#include "actors/node.hpp"
#include "actors/run.hpp"
#include "base/namespaces.hpp"
#include "workflow/conversions.hpp"

namespace evermill::actors {
namespace {

using kind = messages::Failure;

template <class Message>
Message& fill(Message& message, const messages::ActivityTask& task, std::int64_t started_us) {
  message.set_scheduled_seq(task.scheduled_seq());
  message.mutable_attempt()->set_number(task.attempt());
  message.mutable_attempt()->set_dispatch_boot(task.dispatch_boot());
  message.mutable_attempt()->set_started_us(started_us);
  return message;
}

std::shared_ptr<messages::DecisionEvent> event_about(const messages::ActivityTask& task) {
  auto event = std::make_shared<messages::DecisionEvent>();
  event->set_workflow_id(namespaces::qualified(task.name_space(), task.workflow_id()));
  event->set_run_number(task.run_number());
  return event;
}

bool publish(queue::decision_queue& queue, const messages::ActivityTask& task,
             std::shared_ptr<messages::DecisionEvent> event) {
  return queue.publish(partition_id(static_cast<std::uint16_t>(task.partition())), std::move(event));
}

messages::Failure::Kind kind_of(tasks::timed_out how) {
  switch (how.which) {
    case tasks::timed_out::limit::start_to_close: return kind::START_TO_CLOSE;
    case tasks::timed_out::limit::heartbeat: return kind::HEARTBEAT;
    case tasks::timed_out::limit::schedule_to_start: return kind::SCHEDULE_TO_START;
  }
  return kind::START_TO_CLOSE;
}

struct end_writer {
  tasks::attempt_end& end;
  messages::DecisionEvent& event;

  messages::ActivityAttemptClosed& closed() {
    messages::ActivityAttemptClosed& to = *event.mutable_activity_attempt_closed();
    if (end.heartbeat_details) *to.mutable_heartbeat_details() = std::move(*end.heartbeat_details);
    return to;
  }
  template <class Message>
  Message& filled(Message* message) {
    return fill(*message, *end.task, end.started_us);
  }

  void operator()(tasks::completed& how) {
    const auto too_large = how.result ? workflow::too_large(how.result->data().size()) : std::nullopt;
    if (!too_large) {
      auto& completed = filled(event.mutable_activity_attempt_closed()->mutable_completed());
      if (how.result) *completed.mutable_result() = std::move(*how.result);
      return;
    }
    messages::Failure& failure = *filled(closed().mutable_failed()).mutable_failure();
    failure.set_kind(kind::APPLICATION);
    failure.set_type("PayloadTooLarge");
    failure.set_non_retryable(true);
    failure.set_message("the activity's result: " + *too_large);
  }
  void operator()(tasks::failed& how) { *filled(closed().mutable_failed()).mutable_failure() = std::move(how.failure); }
  void operator()(tasks::timed_out& how) { set_timeout(*filled(closed().mutable_timed_out()).mutable_failure(), kind_of(how)); }
  void operator()(tasks::canceled&) { filled(closed().mutable_canceled()); }
  void operator()(tasks::completes_later&) {
    auto& later = filled(event.mutable_activity_completes_later());
    if (end.heartbeat_details) *later.mutable_heartbeat_details() = std::move(*end.heartbeat_details);
  }
};

}  // namespace

bool node::publish_attempt_end(queue::decision_queue& queue, tasks::attempt_end&& end, std::uint64_t reply_token) {
  auto event = event_about(*end.task);
  event->set_reply_token(reply_token);
  std::visit(end_writer{end, *event}, end.how);
  return publish(queue, *end.task, std::move(event));
}

void node::publish_heartbeat(queue::decision_queue& queue, const messages::ActivityTask& task,
                             std::optional<messages::Payload> details) {
  auto event = event_about(task);
  auto& beat = fill(*event->mutable_activity_heartbeat(), task, 0);
  if (details) *beat.mutable_details() = std::move(*details);
  publish(queue, task, std::move(event));
}

}  // namespace evermill::actors
