// What of a gRPC call knows no gRPC: which it is, and what its end means.
#pragma once

#include <string>
#include <vector>

#include "evermill/grpc.hpp"
#include "plugins/task/grpc/grpc_schema.hpp"
#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

/// Throws payload_error.
grpc_request grpc_request_of(const messages::ActivityTask& task);
/// "host:port", as gRPC wants it.
std::string target_of(const grpc_request& request);
/// All messages that are sent. Throws payload_error.
std::vector<std::string> messages_of(const grpc_request& request, const grpc_method& method);
/// Of a status that is not OK, by its number.
failed grpc_failure(const grpc_request& request, int code, const std::string& message);
/// Of an OK one. Not retried where the responses are none: the server has acted.
outcome grpc_outcome(const grpc_request& request, const grpc_method& method, const std::vector<std::string>& responses);

}  // namespace evermill::tasks
