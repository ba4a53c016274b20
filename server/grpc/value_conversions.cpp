// Payloads, failures and times.
#include <limits>
#include <string>

#include "base/clock.hpp"
#include "server/grpc/conversions.hpp"

namespace evermill::server {
namespace {

constexpr std::string_view json_type = "application/json";
constexpr std::string_view protobuf_type = "application/protobuf";
constexpr std::string_view bytes_type = "application/octet-stream";

constexpr std::int64_t micros_per_second = 1'000'000;
constexpr std::int64_t longest_seconds = std::numeric_limits<std::int64_t>::max() / micros_per_second - 1;

/// Failures are nested no deeper than this: protobuf reads nothing that is nested deeper than 100.
constexpr int max_causes = 16;

std::int64_t micros_of(std::int64_t seconds, std::int32_t nanos, const char* what) {
  if (seconds > longest_seconds || seconds < -longest_seconds || nanos <= -1'000'000'000 || nanos >= 1'000'000'000) {
    throw control_error(control_errc::invalid_argument, std::string(what) + " is out of range");
  }
  return seconds * micros_per_second + nanos / 1000;
}

void write(const failure& from, wire::Failure& to, int causes) {
  to.set_kind(static_cast<wire::Failure::Kind>(static_cast<int>(from.kind) + 1));
  to.set_type(from.type);
  to.set_message(from.message);
  if (from.details) to_wire(*from.details, *to.mutable_details());
  to.set_non_retryable(from.non_retryable);
  if (from.next_retry_delay) to_wire(*from.next_retry_delay, *to.mutable_next_retry_delay());
  if (from.cause && causes > 0) write(*from.cause, *to.mutable_cause(), causes - 1);
}

}  // namespace

void to_wire(payload from, wire::Payload& to) {
  switch (from.type) {
    case payload::content_type::json: break;  // what "" means
    case payload::content_type::protobuf:
      to.set_content_type(std::string(protobuf_type));
      to.set_type_name(std::move(from.type_name));
      break;
    case payload::content_type::bytes: to.set_content_type(std::string(bytes_type)); break;
    case payload::content_type::other: to.set_content_type(std::move(from.type_name)); break;
  }
  to.set_data(std::move(from.data));
}

payload from_wire(const wire::Payload& from) {
  const std::string& type = from.content_type();
  if (type.empty() || type == json_type) return {payload::content_type::json, {}, from.data()};
  if (type == protobuf_type) return {payload::content_type::protobuf, from.type_name(), from.data()};
  if (type == bytes_type) return {payload::content_type::bytes, {}, from.data()};
  return {payload::content_type::other, type, from.data()};
}

void to_wire(const failure& from, wire::Failure& to) { write(from, to, max_causes); }

failure from_wire(const wire::Failure& from) {
  failure to;
  if (from.kind() > wire::Failure::KIND_HEARTBEAT) {
    throw control_error(control_errc::invalid_argument, "a failure of kind " + std::to_string(from.kind()) + " is unknown here");
  }
  to.kind = static_cast<failure_kind>(from.kind() == wire::Failure::KIND_UNSPECIFIED ? 0 : from.kind() - 1);
  to.type = from.type();
  to.message = from.message();
  if (from.has_details()) to.details = from_wire(from.details());
  to.non_retryable = from.non_retryable();
  if (from.has_next_retry_delay()) to.next_retry_delay = from_wire(from.next_retry_delay());
  if (from.has_cause()) to.cause = std::make_shared<failure>(from_wire(from.cause()));
  return to;
}

void to_wire(std::chrono::sys_time<std::chrono::microseconds> from, google::protobuf::Timestamp& to) {
  std::int64_t seconds = to_micros(from) / micros_per_second;
  std::int64_t rest = to_micros(from) % micros_per_second;
  if (rest < 0) {  // a timestamp's nanoseconds count forwards
    rest += micros_per_second;
    --seconds;
  }
  to.set_seconds(seconds);
  to.set_nanos(static_cast<std::int32_t>(rest * 1000));
}

std::chrono::sys_time<std::chrono::microseconds> from_wire(const google::protobuf::Timestamp& from) {
  return from_micros(micros_of(from.seconds(), from.nanos(), "a time"));
}

void to_wire(std::chrono::microseconds from, google::protobuf::Duration& to) {
  to.set_seconds(from.count() / micros_per_second);
  to.set_nanos(static_cast<std::int32_t>(from.count() % micros_per_second * 1000));
}

std::chrono::microseconds from_wire(const google::protobuf::Duration& from) {
  return std::chrono::microseconds(micros_of(from.seconds(), from.nanos(), "a duration"));
}

}  // namespace evermill::server
