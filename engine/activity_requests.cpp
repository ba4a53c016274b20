#include "engine/activity_requests.hpp"

#include <string>
#include <utility>

#include "base/namespaces.hpp"
#include "engine/names.hpp"
#include "evermill/engine.hpp"
#include "plugins/task/task_backend.hpp"
#include "workflow/conversions.hpp"

namespace evermill::requests {
namespace {

tasks::dispatch_id id_of(std::string_view token) {
  if (const auto id = tasks::parse_dispatch_id(namespaces::plain(token))) return *id;
  throw engine_error(engine_errc::invalid_argument,
                     "\"" + std::string(namespaces::plain(token)) +
                         "\" is no activity token: a token is what activity_context::complete_later gave, five numbers "
                         "with points between them");
}

/// A token that names a namespace counts there only.
activity_request request_about(const tasks::dispatch_id& id, std::string_view token) {
  activity_request request{partition_id(static_cast<std::uint16_t>(id.partition)), {}};
  request.event.set_workflow_id(std::string(namespaces::prefix_in(token)));
  request.event.set_run_number(id.run);
  return request;
}

template <class Message>
Message& fill(Message* message, const tasks::dispatch_id& id) {
  message->set_scheduled_seq(id.scheduled_seq);
  message->mutable_attempt()->set_number(id.attempt);
  message->mutable_attempt()->set_dispatch_boot(id.boot);
  return *message;
}

bool is_value(const payload& value) { return value.type != payload::content_type::json || !value.data.empty(); }

}  // namespace

activity_request complete_activity(std::string_view token, payload&& result) {
  const tasks::dispatch_id id = id_of(token);
  check_size("activity's result", result);
  activity_request request = request_about(id, token);
  auto& completed = fill(request.event.mutable_activity_attempt_closed()->mutable_completed(), id);
  if (is_value(result)) workflow::to_message(std::move(result), *completed.mutable_result());
  return request;
}

activity_request fail_activity(std::string_view token, const failure& why) {
  const tasks::dispatch_id id = id_of(token);
  if (why.details) check_size("failure's details", *why.details);
  activity_request request = request_about(id, token);
  auto& failed = fill(request.event.mutable_activity_attempt_closed()->mutable_failed(), id);
  workflow::to_message(why, *failed.mutable_failure());
  return request;
}

activity_request cancel_activity(std::string_view token) {
  const tasks::dispatch_id id = id_of(token);
  activity_request request = request_about(id, token);
  fill(request.event.mutable_activity_attempt_closed()->mutable_canceled(), id);
  return request;
}

activity_request heartbeat_activity(std::string_view token, std::optional<payload>&& details) {
  const tasks::dispatch_id id = id_of(token);
  activity_request request = request_about(id, token);
  auto& beat = fill(request.event.mutable_activity_heartbeat(), id);
  if (details) {
    check_size("heartbeat's details", *details);
    workflow::to_message(std::move(*details), *beat.mutable_details());
  }
  return request;
}

}  // namespace evermill::requests
