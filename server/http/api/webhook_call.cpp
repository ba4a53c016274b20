#include "server/http/api/webhook_call.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/encodings.hpp"
#include "server/http/api/call.hpp"
#include "server/http/api/executions_json.hpp"

namespace evermill::server::http::api {
namespace {

/// What a value of the body is as an id: text as it is, numbers and the like as they are written.
std::string at_pointer(std::string_view body, const std::string& pointer, std::string_view what) {
  const nlohmann::json tree = nlohmann::json::parse(body, nullptr, false);
  if (tree.is_discarded())
    throw problem(problem_kind::invalid_body, "the body is no JSON, in which the " + std::string(what) + " would be");
  const nlohmann::json::json_pointer place(pointer);
  if (!tree.contains(place))
    throw problem(problem_kind::invalid_body, "the body has no " + std::string(what) + " at " + pointer);
  const nlohmann::json& value = tree.at(place);
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  throw problem(problem_kind::invalid_body,
                "the " + std::string(what) + " at " + pointer + " is neither text nor a number");
}

std::string value_at(const value_source& from, const request& in, std::string_view what) {
  if (from.empty()) return {};
  if (!from.pointer.empty()) return from.prefix + at_pointer(in.body, from.pointer, what);
  const std::string_view value = in.header(from.header);
  if (value.empty())
    throw problem(problem_kind::malformed_request,
                  "the header " + from.header + " is missing, which has the " + std::string(what));
  return from.prefix + std::string(value);
}

void check_signature(const webhook& hook, const call& on) {
  if (hook.signature.kind == webhook_signature::style::none) return on.admit(hook.name, hook.name_space);
  const auto why_not = why_not_signed(hook.signature, on.what().header(header_of(hook.signature)), on.what().body,
                                      on.parts().time.now());
  if (why_not) throw problem(problem_kind::invalid_signature, *why_not);
}

payload input_of(const call& on) {
  std::string_view type = trimmed(on.what().header("Content-Type"));
  return type.empty() && !on.what().body.empty() ? payload_of("application/octet-stream", on.what().body)
                                                 : on.body_value();
}

void notify(const webhook& hook, const call_ptr& call) {
  check_signature(hook, *call);
  const std::string id = value_at(hook.workflow_id, call->what(), "workflow id");
  const std::string request_id = value_at(hook.request_id, call->what(), "request id");
  local_control control = control_of(call->parts().source, hook.name_space);
  if (hook.workflow_type.empty()) {
    return control.signal(id, hook.signal_name, input_of(*call), request_id,
                          [call, id](std::optional<control_error> error) {
                            if (error) return call->fail(*error);
                            call->answer(200, json_writer().begin_object().text("workflow_id", id).end_object().take());
                          });
  }
  start_options options;
  options.id = id;
  options.request_id = request_id;
  options.traceparent = call->what().header("traceparent");
  options.tracestate = call->what().header("tracestate");
  payload input = input_of(*call);
  if (!hook.signal_name.empty()) options.with_signal = start_signal{hook.signal_name, std::exchange(input, {})};
  control.start(hook.workflow_type, std::move(input), std::move(options),
                [call](std::optional<control_error> error, const started_execution& started) {
                  if (error) return call->fail(*error);
                  json_writer to;
                  write(to, {}, started);
                  call->answer(200, to.take());
                });
}

}  // namespace

void add_webhook_routes(route_table& to, const std::vector<webhook>& hooks) {
  for (const webhook& hook : hooks) {
    const bool open = hook.signature.kind != webhook_signature::style::none;  // the signature is who asks
    to.push_back(api_route{
        "POST", "/hooks/" + percent_encoded(hook.name), "hook_" + hook.name,
        open ? std::nullopt
             : std::optional(hook.workflow_type.empty() ? operation::signal_workflow : operation::start_workflow),
        "", [&hook](const call_ptr& call) { notify(hook, call); }, "webhooks"}
                     .says("The webhook " + hook.name)
                     .gives(200, "Done, or done before.", "HookOutcome"));
    to.back().body = body_kind::anything;
    to.back().max_body_bytes = hook.max_body_bytes;
    to.back().admits_later = true;
  }
}

}  // namespace evermill::server::http::api
