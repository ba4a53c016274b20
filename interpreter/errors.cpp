#include "interpreter/errors.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.hpp"
#include "dsl/errors.hpp"

namespace evermill::interpreter {
namespace {

namespace types = dsl::error_type;

constexpr std::size_t longest_detail = 2'000;  // of what others say

std::string shortened(std::string text) {
  if (text.size() <= longest_detail) return to_utf8(std::move(text));
  text.resize(longest_detail);
  return to_utf8(std::move(text)) + "…";
}

json details_of(const failure& why) {
  if (!why.details || why.details->type != payload::content_type::json) return json();
  json details = json::parse(why.details->data, nullptr, false);
  return details.is_discarded() ? json() : details;
}

std::string text_of(const json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

/// An HTTP status that tells no success.
fault http_fault(const failure& why, const json& details, const std::string& pointer) {
  std::int64_t status = 500;
  if (details.is_object() && details.contains("status") && details["status"].is_number_integer()) status = details["status"];
  std::string detail = why.message;
  if (details.is_object() && details.contains("body") && !details["body"].is_null()) {
    detail.append(": ").append(text_of(details["body"]));
  }
  const std::string_view reason = reason_of_status(status);
  return {types::communication, status, reason.empty() ? "The call failed" : reason, shortened(std::move(detail)), pointer};
}

/// A gRPC status, as the HTTP status that says the same.
fault grpc_fault(const failure& why, const std::string& pointer) {
  static constexpr std::array statuses = std::to_array<std::pair<std::string_view, std::int64_t>>({
      {"GrpcInvalidArgument", 400}, {"GrpcUnauthenticated", 401}, {"GrpcPermissionDenied", 403}, {"GrpcNotFound", 404},
      {"GrpcAlreadyExists", 409}, {"GrpcAborted", 409}, {"GrpcFailedPrecondition", 412}, {"GrpcResourceExhausted", 429},
      {"GrpcUnimplemented", 501}, {"GrpcUnavailable", 503}, {"GrpcDeadlineExceeded", 504}});
  const auto known = std::find_if(statuses.begin(), statuses.end(), [&](const auto& each) { return each.first == why.type; });
  const std::int64_t status = known == statuses.end() ? 500 : known->second;
  return {types::communication, status, reason_of_status(status), shortened(why.message), pointer};
}

fault kafka_fault(const failure& why, const std::string& pointer) {
  if (why.type == "KafkaRefused") return {types::authentication, 401, "Unauthorized", shortened(why.message), pointer};
  static constexpr std::array statuses = std::to_array<std::pair<std::string_view, std::int64_t>>(
      {{"KafkaTopicNotFound", 404}, {"KafkaPositionGone", 410}, {"KafkaMessageTooLarge", 413}, {"KafkaBusy", 429}});
  const auto known = std::find_if(statuses.begin(), statuses.end(), [&](const auto& each) { return each.first == why.type; });
  const std::int64_t status = known == statuses.end() ? 503 : known->second;
  return {types::communication, status, reason_of_status(status), shortened(why.message), pointer};
}

/// Is it an error object of the standard's already, as a child workflow or a function of the program gives it?
bool is_error_object(const json& value) {
  return value.is_object() && value.contains("type") && value["type"].is_string() && value.contains("status") &&
         value["status"].is_number_integer();
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> of) {
  return std::find(of.begin(), of.end(), text) != of.end();
}

}  // namespace

std::string_view reason_of_status(std::int64_t status) noexcept {
  static constexpr std::array reasons = std::to_array<std::pair<std::int64_t, std::string_view>>({
      {300, "Multiple Choices"}, {301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"}, {304, "Not Modified"},
      {307, "Temporary Redirect"}, {308, "Permanent Redirect"}, {400, "Bad Request"}, {401, "Unauthorized"},
      {402, "Payment Required"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"}, {406, "Not Acceptable"},
      {408, "Request Timeout"}, {409, "Conflict"}, {410, "Gone"}, {412, "Precondition Failed"}, {413, "Content Too Large"},
      {415, "Unsupported Media Type"}, {422, "Unprocessable Content"}, {425, "Too Early"}, {429, "Too Many Requests"},
      {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
  });
  const auto found = std::find_if(reasons.begin(), reasons.end(), [&](const auto& each) { return each.first == status; });
  return found == reasons.end() ? std::string_view() : found->second;
}

fault::fault(std::string_view type, std::int64_t status, std::string_view title, const std::string& detail,
             const std::string& instance)
    : error_{{"type", type}, {"status", status}, {"title", title}, {"instance", instance}} {
  if (!detail.empty()) error_["detail"] = to_utf8(detail);
}

const char* fault::what() const noexcept { return "a workflow's error"; }

application_error as_failure(const fault& of) {
  const json& error = of.error();
  const auto text = [&](const char* name) {
    return error.contains(name) && error[name].is_string() ? error[name].get<std::string>() : std::string();
  };
  std::string message = text("title");
  if (message.empty()) message = text("type");
  if (const std::string detail = text("detail"); !detail.empty()) message.append(": ").append(detail);
  if (const std::string instance = text("instance"); !instance.empty()) message.append(" (").append(instance).append(")");
  return {text("type"), message, json_payload(error.dump(-1, ' ', false, json::error_handler_t::replace)), true};
}

fault fault_of(const failure& why, const std::string& pointer) {
  const json details = details_of(why);
  switch (why.kind) {
    case failure_kind::start_to_close:
    case failure_kind::schedule_to_start:
    case failure_kind::schedule_to_close:
    case failure_kind::heartbeat:
    case failure_kind::timed_out:
      return {types::timeout, 408, "Timed out", why.message, pointer};
    case failure_kind::invalid_payload: return {types::configuration, 400, "Invalid call", shortened(why.message), pointer};
    default: break;
  }
  if (is_error_object(details)) {
    json error = details;
    if (!error.contains("instance")) error["instance"] = pointer;
    return fault(std::move(error));
  }
  if (why.type == "HttpStatus") return http_fault(why, details, pointer);
  if (why.type == "HttpTimeout") return {types::timeout, 408, "Timed out", shortened(why.message), pointer};
  if (why.type == "HttpConnection") return {types::communication, 503, "Service Unavailable", shortened(why.message), pointer};
  if (why.type == "HttpAuthentication") return {types::authentication, 401, "Unauthorized", shortened(why.message), pointer};
  if (why.type.starts_with("Grpc")) return grpc_fault(why, pointer);
  if (why.type.starts_with("Kafka")) return kafka_fault(why, pointer);
  if (why.type == "InvalidPayload") return {types::configuration, 400, "Invalid call", shortened(why.message), pointer};
  if (is_one_of(why.type, {"SecretNotFound", "SecretUnavailable"})) {
    return {types::authorization, 403, "No such secret", shortened(why.message), pointer};
  }
  std::string title = why.type.empty() ? std::string("The activity failed") : why.type;
  return {types::runtime, 500, title, shortened(why.message), pointer};
}

void throw_as_fault(const std::string& pointer) {
  try {
    throw;
  } catch (const fault&) {
    throw;
  } catch (const canceled_error&) {
    throw;
  } catch (const activity_error& error) {
    throw fault_of(error.why(), pointer);
  } catch (const child_workflow_error& error) {
    throw fault_of(error.why(), pointer);
  } catch (const std::exception& error) {
    throw fault(types::runtime, 500, "The task could not be done", shortened(error.what()), pointer);
  }
}

}  // namespace evermill::interpreter
