// To executions: signals, queries, updates, and what ends them or wakes them up.
#include <mutex>
#include <utility>

#include "server/http/api/call.hpp"
#include "server/http/api/executions_json.hpp"

namespace evermill::server::http::api {
namespace {

control::done_callback telling(const call_ptr& call) {
  return [call](std::optional<control_error> error) { error ? call->fail(*error) : call->answer_nothing(); };
}

void send_signal(const call_ptr& call) {
  call->control().signal(call->path("workflow_id"), call->path("signal_name"), call->body_value(), call->request_id(),
                         telling(call));
}

void answer_query(const call_ptr& call) {
  payload about = call->body_value();
  call->on_thread([about = std::move(about)](const api::call& on) {
    json_writer to;
    to.begin_object().value("answer", on.control().query(on.path("workflow_id"), on.path("query_name"), about));
    on.answer(200, to.end_object().take());
  });
}

/// An update that may outlast the API: whichever comes first of its end and the API's answers, and the other one touches nothing.
struct pending_update {
  std::mutex mutex;
  bool over = false;
};

void do_update(const call_ptr& call) {
  const auto pending = std::make_shared<pending_update>();
  const std::uint64_t ticket = call->parts().waits.entered([call, pending](const control_error&) {
    const std::lock_guard lock(pending->mutex);
    if (std::exchange(pending->over, true)) return;
    call->fail(control_error(control_errc::stopped, "the process is stopping; ask again with the same Idempotency-Key"));
  }, nullptr);
  if (ticket == 0) throw control_error(control_errc::overloaded, "too many requests wait for an end already");
  const auto ended = [call, pending, ticket](const std::optional<control_error>& error, const update_end& end) {
    const std::lock_guard lock(pending->mutex);
    if (std::exchange(pending->over, true)) return;
    call->parts().waits.left(ticket);
    if (error) return call->fail(*error);
    json_writer to;
    to.begin_object().boolean("accepted", end.accepted).value("result", end.result);
    if (end.why) to.failure("failure", *end.why);
    call->answer(200, to.end_object().take());
  };
  try {
    call->control().update(call->path("workflow_id"), call->path("update_name"), call->body_value(), call->request_id(), ended);
  } catch (...) {
    call->parts().waits.left(ticket);
    throw;
  }
}

std::string reason_of(const call_ptr& call) {
  object_reader body = call->body_object();
  std::string reason = body.text("reason");
  body.finish();
  return reason;
}

void cancel(const call_ptr& call) { call->control().cancel(call->path("workflow_id"), reason_of(call), telling(call)); }
void terminate(const call_ptr& call) {
  call->control().terminate(call->path("workflow_id"), reason_of(call), telling(call));
}

void taint(const call_ptr& call) {
  call->on_thread([](const api::call& on) {
    on.control().taint(on.path("workflow_id"));
    on.answer_nothing();
  });
}

}  // namespace

void add_message_routes(route_table& to) {
  using op = operation;
  const std::string one = in_namespace("/workflows/{workflow_id}");
  const std::string values =
      "The body is the value itself: JSON, or other bytes with their Content-Type; none: no value.";
  const parameter key{"Idempotency-Key", "The same one again within a day is not delivered again.",
                      R"({"type": "string", "maxLength": 512})"};
  to.push_back(api_route{"POST", one + "/signals/{signal_name}", "signalWorkflow", op::signal_workflow, "workflow_id",
                         send_signal, "workflows"}
                   .says("Send a signal", "It is kept until the code reads it; durable when it is answered.")
                   .reads(key)
                   .takes_value(R"("alice")", values)
                   .gives(204, "Sent."));
  to.push_back(api_route{"POST", one + "/queries/{query_name}", "queryWorkflow", op::query_workflow, "workflow_id",
                         answer_query, "workflows"}
                   .says("Ask a question", "Changes nothing. An execution that has ended answers from its journal.")
                   .takes_value("null", values)
                   .gives(200, "The answer.", "QueryAnswer"));
  to.push_back(
      api_route{"POST", one + "/updates/{update_name}", "updateWorkflow", op::update_workflow, "workflow_id", do_update,
                "workflows"}
          .says("Have the code do something",
                "Answers when it is done, however long that takes. Where the answer is lost: again, with the same key.")
          .reads({"Idempotency-Key",
                  "Names the update: the same one again within a day is not done again, and has the same answer.",
                  R"({"type": "string", "maxLength": 512})"})
          .takes_value(R"("candle")", values)
          .gives(200, "Done, failed, or refused: `accepted`, `failure`.", "UpdateEnd"));
  to.push_back(
      api_route{"POST", one + ":cancel", "cancelWorkflow", op::cancel_workflow, "workflow_id", cancel, "workflows"}
          .says("Ask it to end itself", "Its code may clean up first.")
          .takes_object("Reason", R"({"reason": "the customer asked for it"})", false)
          .gives(204, "Asked."));
  to.push_back(api_route{"POST", one + ":terminate", "terminateWorkflow", op::terminate_workflow, "workflow_id",
                         terminate, "workflows"}
                   .says("End it now", "Its code is not asked.")
                   .takes_object("Reason", R"({"reason": "a mistake"})", false)
                   .gives(204, "Ended."));
  to.push_back(api_route{"POST", one + ":taint", "taintWorkflow", op::taint_workflow, "workflow_id", taint, "workflows"}
                   .says("Have it look again", "An execution that takes no turns is tried anew. Safe to repeat.")
                   .gives(204, "Told."));
}

}  // namespace evermill::server::http::api
