#include "workflow/conversions.hpp"

#include <utility>

#include "base/text.hpp"

namespace evermill::workflow {

std::optional<std::string> too_large(std::size_t bytes) {
  if (bytes <= max_payload_bytes) return std::nullopt;
  return "it has " + std::to_string(bytes) + " bytes, at most " + std::to_string(max_payload_bytes) +
         " are possible; keep the data elsewhere and pass on where";
}

void to_message(payload from, messages::Payload& to) {
  to.set_content_type(static_cast<messages::Payload::ContentType>(from.type));
  to.set_type_name(to_utf8(std::move(from.type_name)));
  to.set_data(std::move(from.data));
}

payload from_message(const messages::Payload& from) {
  return {static_cast<payload::content_type>(from.content_type()), from.type_name(), from.data()};
}

namespace {

/// Without its cause.
void to_message_alone(const failure& from, messages::Failure& to) {
  to.set_kind(static_cast<messages::Failure::Kind>(from.kind));
  to.set_type(to_utf8(from.type));
  to.set_message(to_utf8(from.message));
  if (from.details) to_message(*from.details, *to.mutable_details());
  to.set_non_retryable(from.non_retryable);
  if (from.next_retry_delay) to.set_next_retry_delay_us(from.next_retry_delay->count());
}

}  // namespace

void to_message(const failure& from, messages::Failure& to) {
  to_message_alone(from, to);
  messages::Failure* last = &to;
  const failure* cause = from.cause.get();
  for (int n = 0; cause != nullptr && n < max_causes; ++n, cause = cause->cause.get()) {
    last = last->mutable_cause();
    to_message_alone(*cause, *last);
  }
  if (cause != nullptr) last->set_message(last->message() + " (its causes are left out: there are too many)");
}

failure from_message(const messages::Failure& from) {
  failure to;
  to.kind = static_cast<failure_kind>(from.kind());
  to.type = from.type();
  to.message = from.message();
  if (from.has_details()) to.details = from_message(from.details());
  to.non_retryable = from.non_retryable();
  if (from.has_cause()) to.cause = std::make_shared<const failure>(from_message(from.cause()));
  if (from.has_next_retry_delay_us()) to.next_retry_delay = std::chrono::microseconds(from.next_retry_delay_us());
  return to;
}

}  // namespace evermill::workflow
