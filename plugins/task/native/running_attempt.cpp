#include "plugins/task/native/running_attempt.hpp"

#include <stdexcept>
#include <utility>
#include <variant>

#include "base/clock.hpp"
#include "evermill/exceptions.hpp"
#include "workflow/conversions.hpp"

namespace evermill::tasks {

failed not_registered(const std::string& activity_type) {
  failed how;
  how.failure.set_kind(messages::Failure::NOT_REGISTERED);
  how.failure.set_type("NotRegistered");
  how.failure.set_message("no activity named \"" + activity_type + "\" is registered in this process");
  return how;
}

outcome running_attempt::run(const activity_definition& activity) {
  activity_context about(*this);
  auto result = activity.run(about, workflow::from_message(task_.input()));
  if (auto* value = std::get_if<std::optional<payload>>(&result)) {
    if (later_) return completes_later{};
    completed done;
    if (*value) workflow::to_message(std::move(**value), done.result.emplace());
    return done;
  }
  const failure& why = std::get<failure>(result);
  if (why.kind == failure_kind::canceled) return canceled{};
  failed how;
  workflow::to_message(why, how.failure);
  return how;
}

activity_info running_attempt::info() const {
  const dispatch_id id = dispatch_id_of(task_);
  const messages::ActivityOptions& options = task_.options();
  return {.workflow_id = task_.workflow_id(),
          .run_id = task_.run_id(),
          .activity_type = task_.activity_type(),
          .attempt = task_.attempt(),
          .dispatch_id = to_string(id),
          .idempotency_key = tasks::idempotency_key(id),
          .task_queue = options.task_queue().empty() ? std::string(default_task_queue) : options.task_queue(),
          .scheduled_at = from_micros(task_.scheduled_us()),
          .heartbeat_timeout = std::chrono::microseconds(options.heartbeat_us()),
          .start_to_close_timeout = std::chrono::microseconds(options.start_to_close_us()),
          .traceparent = task_.traceparent(),
          .tracestate = task_.tracestate()};
}

void running_attempt::heartbeat(payload details) {
  if (const auto why = workflow::too_large(details.data.size())) {
    throw std::length_error("the details of a heartbeat: " + *why);
  }
  std::optional<messages::Payload> message;
  if (details != payload{}) workflow::to_message(std::move(details), message.emplace());
  pass_on(std::move(message));
}

std::optional<payload> running_attempt::heartbeat_details() const {
  if (!task_.has_heartbeat_details()) return std::nullopt;
  return workflow::from_message(task_.heartbeat_details());
}

std::string running_attempt::complete_later() {
  const messages::ActivityOptions& options = task_.options();
  if (options.start_to_close_us() <= 0 && options.heartbeat_us() <= 0 && options.schedule_to_close_us() <= 0) {
    throw application_error("NoTimeout",
                            "an activity that is completed later needs a timeout, or nobody would notice that its end "
                            "never comes: give it start_to_close, heartbeat or schedule_to_close",
                            {}, true);
  }
  later_ = true;
  return to_string(dispatch_id_of(task_));
}

}  // namespace evermill::tasks
