#include "plugins/task/lambda/lambda_message.hpp"

#include <stdexcept>
#include <utility>

#include "base/encodings.hpp"
#include "base/text.hpp"
#include "base/trace_context.hpp"
#include "evermill/codec.hpp"
#include "evermill/exceptions.hpp"
#include "plugins/task/call_backend.hpp"
#include "plugins/task/http/http_message.hpp"
#include "workflow/conversions.hpp"

namespace evermill::tasks {
namespace {

using json = nlohmann::json;

constexpr std::size_t most_function_bytes = 170;  // of Lambda's own

/// The fourth part of arn:aws:lambda:REGION:ACCOUNT:function:NAME.
std::string region_of_arn(const std::string& function) {
  if (!function.starts_with("arn:")) return {};
  std::size_t begin = 0;
  for (int i = 0; i < 3; ++i) {
    begin = function.find(':', begin);
    if (begin == std::string::npos) return {};
    ++begin;
  }
  return function.substr(begin, function.find(':', begin) - begin);
}

std::string first_of(std::initializer_list<std::string> values) {
  for (const std::string& each : values) {
    if (!each.empty()) return each;
  }
  return {};
}

std::string region_of(const lambda_request& request, const lambda_environment& environment) {
  std::string region = first_of({request.region, region_of_arn(request.function), environment("AWS_REGION"), environment("AWS_DEFAULT_REGION")});
  if (region.empty()) throw payload_error("a lambda invocation needs a \"region\", or AWS_REGION in the environment of whoever runs it");
  if (region.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos) {
    throw payload_error("\"" + region + "\" is no name of a region");
  }
  return region;
}

transfer_signer signer_of(const lambda_request& request, const lambda_environment& environment, const std::string& region) {
  transfer_signer signer{region, "lambda", request.access_key_id, request.secret_access_key, request.session_token};
  if (signer.key_id.empty() && signer.key.empty()) {
    signer.key_id = environment("AWS_ACCESS_KEY_ID");
    signer.key = environment("AWS_SECRET_ACCESS_KEY");
    signer.session_token = environment("AWS_SESSION_TOKEN");
  }
  if (signer.key_id.empty() || signer.key.empty()) {
    throw no_credentials("nothing to sign the invocation of \"" + request.function +
                         "\" with: give it access_key_id and secret_access_key, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the "
                         "environment of whoever runs it");
  }
  return signer;
}

std::string endpoint_of(const lambda_request& request, const std::string& region) {
  std::string endpoint = request.endpoint;
  while (endpoint.ends_with('/')) endpoint.pop_back();
  if (!endpoint.empty()) return endpoint;
  return "https://lambda." + region + ".amazonaws.com" + (region.starts_with("cn-") ? ".cn" : "");
}

std::string header_of(const transfer_result& result, std::string_view name) {
  const std::string* const value = find_header(result.headers, name);
  return value == nullptr ? std::string() : to_utf8(*value);
}

json value_of_payload(const std::string& body) {
  if (body.empty()) return nullptr;
  json value = nests_too_deeply(body) ? json(json::value_t::discarded) : json::parse(body, nullptr, false);
  return value.is_discarded() ? json(to_utf8(body)) : value;
}

std::string text_member(const json& of, const char* name) {
  const auto it = of.is_object() ? of.find(name) : of.end();
  return of.is_object() && it != of.end() && it->is_string() ? it->get<std::string>() : std::string();
}

/// What kind of end of a function this is, by what Lambda itself says of it.
std::string failure_type_of(const std::string& type, const std::string& message) {
  const auto says = [&](const char* words) { return message.find(words) != std::string::npos; };
  if (type == "Sandbox.Timedout" || says("Task timed out after")) return "LambdaFunctionTimeout";
  if (type == "Runtime.OutOfMemory" || (says("Runtime exited") && says("signal: killed"))) return "LambdaOutOfMemory";
  if (type == "Runtime.ExitError" || says("Runtime exited")) return "LambdaFunctionCrash";
  return "LambdaFunctionError";
}

outcome function_error(const lambda_request& request, const lambda_result& result) {
  json details{{"request_id", result.request_id}, {"executed_version", result.executed_version}, {"log_tail", result.log_tail}};
  if (result.payload.is_object()) {
    details.update(result.payload);
  } else {
    details["payload"] = result.payload;
  }
  const std::string message = text_member(result.payload, "errorMessage");
  const std::string type = text_member(result.payload, "errorType");
  const std::string said = (type.empty() ? "" : type + ": ") + (message.empty() ? "it says not why" : message);
  return call_failure(failure_type_of(type, message), "lambda function \"" + request.function + "\" failed: " + said, true, details);
}

outcome service_error(const lambda_request& request, const transfer_result& result, timestamp now) {
  const json said = value_of_payload(result.body);
  std::string type = header_of(result, "x-amzn-errortype");
  type.resize(std::min(type.find(':'), type.size()));
  const std::string message = first_of({text_member(said, "Message"), text_member(said, "message"), text_member(said, "errorMessage")});
  const json details{{"status", result.status}, {"errorType", type}, {"message", message}, {"request_id", header_of(result, "x-amzn-requestid")}};
  const bool passes = may_pass(result.status) || result.status == 409;
  const std::string name = result.status == 429 ? "LambdaThrottled" : passes ? "LambdaService" : "LambdaRefused";
  failed how = call_failure(name,
                            "lambda function \"" + request.function + "\" was not invoked: status " + std::to_string(result.status) +
                                (type.empty() ? "" : ", " + type) + (message.empty() ? "" : ": " + message),
                            passes, details);
  if (passes) set_retry_delay(how, result.headers, now);
  return how;
}

/// A trace as AWS X-Ray writes it: its first eight digits are a time there. "": none.
std::string xray_header(std::string_view traceparent) {
  const auto at = tracing::parse_traceparent(traceparent);
  if (!at) return "";
  const std::string trace = tracing::trace_id_text(*at);
  return "Root=1-" + trace.substr(0, 8) + "-" + trace.substr(8) + ";Parent=" + tracing::span_id_text(at->span) +
         ";Sampled=" + (at->sampled() ? "1" : "0");
}

}  // namespace

lambda_request lambda_request_of(const messages::ActivityTask& task) {
  auto request = codec<lambda_request>::decode(workflow::from_message(task.input()));
  if (request.function.empty()) throw payload_error("a lambda invocation needs a \"function\"");
  if (request.function.size() > most_function_bytes) throw payload_error("\"function\" is longer than a name or an ARN can be");
  const std::string& kind = request.invocation;
  if (kind != "RequestResponse" && kind != "Event" && kind != "DryRun") {
    throw payload_error("\"invocation\" is \"" + kind + "\"; it can be RequestResponse, Event or DryRun");
  }
  if (!request.client_context.is_null() && !request.client_context.is_object()) throw payload_error("\"client_context\" is no object");
  if (request.max_response_bytes < 0) throw payload_error("\"max_response_bytes\" is negative");
  return request;
}

transfer_request transfer_of(const lambda_request& request, const lambda_environment& environment, std::string_view traceparent) {
  const std::string region = region_of(request, environment);
  transfer_request transfer;
  transfer.method = "POST";
  transfer.url = endpoint_of(request, region) + "/2015-03-31/functions/" + percent_encoded(request.function) + "/invocations";
  if (!request.qualifier.empty()) transfer.url += "?Qualifier=" + percent_encoded(request.qualifier);
  transfer.headers = {{"Content-Type", "application/json"}, {"X-Amz-Invocation-Type", request.invocation}};
  if (request.log_tail && request.invocation == "RequestResponse") transfer.headers.emplace_back("X-Amz-Log-Type", "Tail");
  if (!request.client_context.is_null()) transfer.headers.emplace_back("X-Amz-Client-Context", base64_encoded(request.client_context.dump()));
  if (std::string trace = xray_header(traceparent); !trace.empty()) transfer.headers.emplace_back("X-Amzn-Trace-Id", std::move(trace));
  transfer.body = request.payload.dump();
  transfer.signer = signer_of(request, environment, region);
  transfer.verify_peer = request.verify_peer;
  transfer.ca_file = request.ca_file;
  transfer.max_body_bytes = static_cast<std::uint64_t>(request.max_response_bytes);
  return transfer;
}

outcome outcome_of(const lambda_request& request, const transfer_result& result, timestamp now) {
  if (result.error != transfer_error::none) return failure_of_transfer(result, "invoking lambda function \"" + request.function + "\"");
  lambda_result made;
  made.payload = value_of_payload(result.body);
  made.status = result.status;
  made.executed_version = header_of(result, "x-amz-executed-version");
  made.request_id = header_of(result, "x-amzn-requestid");
  made.log_tail = to_utf8(base64_decoded(header_of(result, "x-amz-log-result")).value_or(""));
  if (find_header(result.headers, "x-amz-function-error") != nullptr) return function_error(request, made);
  if (result.status == 502 && text_member(made.payload, "errorType").starts_with("Runtime.")) return function_error(request, made);  // emulators
  if (result.status < 200 || result.status > 299) return service_error(request, result, now);
  completed done;
  workflow::to_message(codec<lambda_result>::encode(made), done.result.emplace());
  return done;
}

}  // namespace evermill::tasks
