// Attempts of activities that somebody else completes, by their tokens.
#include <utility>

#include "server/http/api/call.hpp"
#include "server/http/api/executions_json.hpp"

namespace evermill::server::http::api {
namespace {

/// Waits until it is durable, on a thread.
void report(const call_ptr& call, activity_report what) {
  call->on_thread([what = std::move(what)](const api::call& on) {
    static_cast<void>(on.control().report_activity(on.path("token"), what));
    on.answer_nothing();
  });
}

void complete_activity(const call_ptr& call) { report(call, activity_completed{call->body_value()}); }
void fail_activity(const call_ptr& call) { report(call, call->body_object().as_failure()); }
void cancel_activity(const call_ptr& call) { report(call, activity_canceled{}); }

void heartbeat_activity(const call_ptr& call) {
  activity_heartbeat beat;
  if (!call->what().body.empty()) beat.details = call->body_value();
  call->on_thread([beat = std::move(beat)](const api::call& on) {
    const bool cancel_requested = on.control().report_activity(on.path("token"), beat);
    json_writer to;
    on.answer(200, to.begin_object().boolean("cancel_requested", cancel_requested).end_object().take());
  });
}

}  // namespace

void add_activity_routes(route_table& to) {
  using op = operation;
  const std::string one = in_namespace("/activities/{token}");
  const std::string values =
      "The body is the value itself: JSON, or other bytes with their Content-Type; none: no value.";
  to.push_back(api_route{"POST", one + ":complete", "completeActivity", op::report_activity, "token", complete_activity,
                         "activities"}
                   .says("Complete an activity", "404 for a token that is not current any more.")
                   .takes_value(R"({"packed": 2})", values)
                   .gives(204, "Completed."));
  to.push_back(
      api_route{"POST", one + ":fail", "failActivity", op::report_activity, "token", fail_activity, "activities"}
          .says("Tell that an attempt has failed", "Another one follows where the activity's retry policy allows it.")
          .takes_object("Failure", R"({"type": "OutOfStock", "message": "no lamp is left", "non_retryable": true})",
                        true, 0)
          .gives(204, "Told."));
  to.push_back(
      api_route{"POST", one + ":cancel", "cancelActivity", op::report_activity, "token", cancel_activity, "activities"}
          .says("Tell that an attempt was canceled", "No other attempt follows.")
          .gives(204, "Told."));
  to.push_back(api_route{"POST", one + ":heartbeat", "heartbeatActivity", op::report_activity, "token",
                         heartbeat_activity, "activities"}
                   .says("Tell that an attempt is alive", "Says whether its cancellation was asked for.")
                   .takes_value(R"({"percent": 50})",
                                "The body is details for the next attempt, should there be one; none: none.")
                   .gives(200, "Heard.", "Heartbeat"));
}

}  // namespace evermill::server::http::api
