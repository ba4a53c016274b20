#include "server/grpc/status.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "messages/rpc_status.pb.h"

namespace evermill::server {
namespace {

using code = grpc::StatusCode;

constexpr const char* domain = "evermill";
constexpr const char* error_info_url = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr const char* retry_info_url = "type.googleapis.com/google.rpc.RetryInfo";

struct kind {
  control_errc errc;
  code status;
  std::string_view reason;
};

/// messages/evermill/v1/common.proto says the same to those who call.
constexpr std::array kinds{
    kind{control_errc::invalid_argument, code::INVALID_ARGUMENT, "INVALID_ARGUMENT"},
    kind{control_errc::unauthenticated, code::UNAUTHENTICATED, "UNAUTHENTICATED"},
    kind{control_errc::permission_denied, code::PERMISSION_DENIED, "PERMISSION_DENIED"},
    kind{control_errc::not_found, code::NOT_FOUND, "NOT_FOUND"},
    kind{control_errc::unknown_workflow, code::NOT_FOUND, "UNKNOWN_WORKFLOW"},
    kind{control_errc::already_exists, code::ALREADY_EXISTS, "ALREADY_EXISTS"},
    kind{control_errc::closed, code::FAILED_PRECONDITION, "CLOSED"},
    kind{control_errc::blocked, code::FAILED_PRECONDITION, "BLOCKED"},
    kind{control_errc::refused, code::ABORTED, "REFUSED"},
    kind{control_errc::conflict, code::ABORTED, "CONFLICT"},
    kind{control_errc::overloaded, code::RESOURCE_EXHAUSTED, "OVERLOADED"},
    kind{control_errc::storage, code::DATA_LOSS, "STORAGE"},
    kind{control_errc::stopped, code::UNAVAILABLE, "STOPPED"},
    kind{control_errc::unreachable, code::UNAVAILABLE, "UNREACHABLE"},
    kind{control_errc::incompatible, code::UNIMPLEMENTED, "INCOMPATIBLE"},
    kind{control_errc::internal, code::INTERNAL, "INTERNAL"},
};

const kind& kind_of(control_errc errc) {
  for (const kind& each : kinds) {
    if (each.errc == errc) return each;
  }
  return kinds.back();
}

template <class Message>
void add_detail(rpc::Status& to, const char* url, const Message& what) {
  google::protobuf::Any& any = *to.add_details();
  any.set_type_url(url);
  what.SerializeToString(any.mutable_value());
}

}  // namespace

std::string reason_in(const grpc::Status& status) {
  rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return {};
  for (const google::protobuf::Any& each : details.details()) {
    rpc::ErrorInfo info;
    if (each.type_url() == error_info_url && info.ParseFromString(each.value()) && info.domain() == domain) return info.reason();
  }
  return {};
}

std::optional<std::chrono::milliseconds> retry_delay_in(const grpc::Status& status) {
  rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return std::nullopt;
  for (const google::protobuf::Any& each : details.details()) {
    rpc::RetryInfo info;
    if (each.type_url() != retry_info_url || !info.ParseFromString(each.value())) continue;
    constexpr std::int64_t longest = 3'600;  // s; what is longer is nothing to wait for
    const std::int64_t seconds = std::clamp<std::int64_t>(info.retry_delay().seconds(), 0, longest);
    return std::chrono::milliseconds(seconds * 1000 + std::clamp(info.retry_delay().nanos(), 0, 999'999'999) / 1'000'000);
  }
  return std::nullopt;
}

grpc::Status status_with(int status_code, const std::string& reason, const std::string& message) {
  rpc::Status details;
  details.set_code(status_code);
  details.set_message(message);
  rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain(domain);
  add_detail(details, error_info_url, info);
  return {static_cast<code>(status_code), message, details.SerializeAsString()};
}

std::string_view reason_of(control_errc errc) noexcept { return kind_of(errc).reason; }
code code_of(control_errc errc) noexcept { return kind_of(errc).status; }

grpc::Status to_status(const control_error& error) {
  const kind& as = kind_of(error.code());
  rpc::Status details;
  details.set_code(as.status);
  details.set_message(error.what());
  rpc::ErrorInfo info;
  info.set_reason(std::string(as.reason));
  info.set_domain(domain);
  add_detail(details, error_info_url, info);
  const bool passes = error.code() == control_errc::overloaded || error.code() == control_errc::stopped;
  const std::optional<std::chrono::milliseconds> usual = passes ? std::optional(usual_retry_after) : std::nullopt;
  if (const auto after = error.retry_after() ? error.retry_after() : usual) {
    rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(after->count() / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<std::int32_t>(after->count() % 1000 * 1'000'000));
    add_detail(details, retry_info_url, retry);
  }
  return {as.status, error.what(), details.SerializeAsString()};
}

control_error to_error(const grpc::Status& status, const std::string& who) {
  const std::string& message = status.error_message();
  const std::string reason = reason_in(status);
  for (const kind& each : kinds) {
    if (reason.empty() || each.reason != reason || each.errc == control_errc::stopped) continue;
    const auto after = retry_delay_in(status);
    return after ? control_error(each.errc, message, *after) : control_error(each.errc, message);
  }
  switch (status.error_code()) {
    case code::UNIMPLEMENTED:
      return {control_errc::incompatible, who + " runs another version of evermill that does not know this request"};
    case code::UNAVAILABLE:
    case code::CANCELLED:
      return {control_errc::stopped, who + " stopped before it answered; what it had acknowledged is kept"};
    case code::DEADLINE_EXCEEDED: return {control_errc::unreachable, who + " does not answer"};
    case code::RESOURCE_EXHAUSTED: return {control_errc::overloaded, who + ": " + message};  // of gRPC itself
    case code::UNAUTHENTICATED: return {control_errc::unauthenticated, message};
    case code::PERMISSION_DENIED: return {control_errc::permission_denied, message};
    default: return {control_errc::internal, who + ": " + message};
  }
}

}  // namespace evermill::server
