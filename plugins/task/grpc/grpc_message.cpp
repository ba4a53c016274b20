#include "plugins/task/grpc/grpc_message.hpp"

#include <array>
#include <exception>

#include "base/text.hpp"
#include "evermill/codec.hpp"
#include "evermill/exceptions.hpp"
#include "plugins/task/call_backend.hpp"
#include "workflow/conversions.hpp"

namespace evermill::tasks {
namespace {

struct grpc_status {
  std::string_view type;  ///< of the failure
  std::string_view name;  ///< in the standard
  bool retried;
};

/// By number.
constexpr std::array<grpc_status, 17> grpc_statuses{{{"GrpcOk", "OK", false},
                                                     {"GrpcCancelled", "CANCELLED", true},
                                                     {"GrpcUnknown", "UNKNOWN", true},
                                                     {"GrpcInvalidArgument", "INVALID_ARGUMENT", false},
                                                     {"GrpcDeadlineExceeded", "DEADLINE_EXCEEDED", true},
                                                     {"GrpcNotFound", "NOT_FOUND", false},
                                                     {"GrpcAlreadyExists", "ALREADY_EXISTS", false},
                                                     {"GrpcPermissionDenied", "PERMISSION_DENIED", false},
                                                     {"GrpcResourceExhausted", "RESOURCE_EXHAUSTED", true},
                                                     {"GrpcFailedPrecondition", "FAILED_PRECONDITION", false},
                                                     {"GrpcAborted", "ABORTED", true},
                                                     {"GrpcOutOfRange", "OUT_OF_RANGE", false},
                                                     {"GrpcUnimplemented", "UNIMPLEMENTED", false},
                                                     {"GrpcInternal", "INTERNAL", true},
                                                     {"GrpcUnavailable", "UNAVAILABLE", true},
                                                     {"GrpcDataLoss", "DATA_LOSS", false},
                                                     {"GrpcUnauthenticated", "UNAUTHENTICATED", false}}};

constexpr grpc_status unknown_status = grpc_statuses[2];

std::string name_of_call(const grpc_request& request) {
  return "calling " + request.service + "." + request.method + " at " + target_of(request);
}

}  // namespace

grpc_request grpc_request_of(const messages::ActivityTask& task) {
  auto request = codec<grpc_request>::decode(workflow::from_message(task.input()));
  for (const auto& [name, value] : {std::pair("proto", &request.proto), std::pair("service", &request.service),
                                    std::pair("method", &request.method), std::pair("host", &request.host)}) {
    if (value->empty()) throw payload_error(std::string("a gRPC call needs a \"") + name + "\"");
  }
  if (request.port < 1 || request.port > 65'535) throw payload_error("\"port\" must be 1 to 65535");
  if (request.max_response_bytes < 0) throw payload_error("\"max_response_bytes\" is negative");
  for (const auto& [name, value] : request.metadata) {
    const bool is_name = !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == std::string::npos;
    if (!is_name || name.starts_with("grpc-")) throw payload_error("\"metadata\" can't have the name \"" + name + "\"");
    for (const char each : value) {
      if (!name.ends_with("-bin") && (each < ' ' || each > '~')) throw payload_error("\"metadata\": the value of \"" + name + "\" is no ASCII text");
    }
  }
  return request;
}

std::string target_of(const grpc_request& request) {
  const bool ipv6 = request.host.find(':') != std::string::npos && !request.host.starts_with('[');
  return (ipv6 ? "[" + request.host + "]" : request.host) + ":" + std::to_string(request.port);
}

std::vector<std::string> messages_of(const grpc_request& request, const grpc_method& method) {
  if (!method.takes_stream()) return {method.encode(request.arguments)};
  if (!request.arguments.is_array()) throw payload_error("\"arguments\" of " + method.path() + " must be a list: it takes a stream of messages");
  std::vector<std::string> encoded;
  for (const nlohmann::json& each : request.arguments) encoded.push_back(method.encode(each));
  return encoded;
}

failed grpc_failure(const grpc_request& request, int code, const std::string& message) {
  const bool known = code > 0 && static_cast<std::size_t>(code) < grpc_statuses.size();
  const grpc_status& status = known ? grpc_statuses[static_cast<std::size_t>(code)] : unknown_status;
  const nlohmann::json details{{"code", code}, {"status", status.name}, {"message", to_utf8(message)}};
  const std::string said = message.empty() ? std::string() : ": " + message;
  return call_failure(std::string(status.type), name_of_call(request) + ": " + std::string(status.name) + said, status.retried, details);
}

outcome grpc_outcome(const grpc_request& request, const grpc_method& method, const std::vector<std::string>& responses) {
  nlohmann::json all = nlohmann::json::array();
  try {
    for (const std::string& each : responses) all.push_back(method.decode(each));
  } catch (const std::exception& error) {
    return call_failure("GrpcResponse", name_of_call(request) + ": " + error.what(), false);
  }
  if (!method.gives_stream() && all.size() != 1) return call_failure("GrpcResponse", name_of_call(request) + ": there is no response", false);
  const nlohmann::json& value = method.gives_stream() ? all : all.front();
  completed done;
  workflow::to_message(json_payload(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)), done.result.emplace());
  return done;
}

}  // namespace evermill::tasks
