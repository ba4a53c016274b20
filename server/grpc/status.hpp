// Errors as gRPC carries them: a code, a message, and google.rpc.Status with google.rpc.ErrorInfo and RetryInfo in its details.
#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "server/control.hpp"

namespace evermill::server {

grpc::Status to_status(const control_error& error);
/// As one that came as a call's status.
grpc::Status status_with(int status_code, const std::string& reason, const std::string& message);
/// Of a call that did not succeed. `who` names the other process.
control_error to_error(const grpc::Status& status, const std::string& who);
/// The one that the status's details name; "": none.
std::string reason_in(const grpc::Status& status);
/// When to try again, as the status's details say.
std::optional<std::chrono::milliseconds> retry_delay_in(const grpc::Status& status);
/// The reason that google.rpc.ErrorInfo names: "BLOCKED", ….
std::string_view reason_of(control_errc code) noexcept;
grpc::StatusCode code_of(control_errc code) noexcept;

}  // namespace evermill::server
