#include "engine/cluster_messages.hpp"

#include <utility>

namespace evermill {
namespace {

using outcome = actors::answer::outcome;
using wire = messages::RequestAnswer;

wire::Outcome to_message(outcome what) {
  switch (what) {
    case outcome::accepted: return wire::ACCEPTED;
    case outcome::already_exists: return wire::ALREADY_EXISTS;
    case outcome::not_found: return wire::NOT_FOUND;
    case outcome::closed: return wire::CLOSED;
    case outcome::conflict: return wire::CONFLICT;
    case outcome::unavailable: return wire::UNAVAILABLE;
    case outcome::refused: return wire::REFUSED;
    case outcome::blocked: return wire::BLOCKED;
    case outcome::overloaded: return wire::OVERLOADED;
  }
  return wire::UNAVAILABLE;
}

outcome from_message(wire::Outcome what) {
  switch (what) {
    case wire::ACCEPTED: return outcome::accepted;
    case wire::ALREADY_EXISTS: return outcome::already_exists;
    case wire::NOT_FOUND: return outcome::not_found;
    case wire::CLOSED: return outcome::closed;
    case wire::CONFLICT: return outcome::conflict;
    case wire::REFUSED: return outcome::refused;
    case wire::BLOCKED: return outcome::blocked;
    case wire::OVERLOADED: return outcome::overloaded;
    default: return outcome::unavailable;
  }
}

}  // namespace

messages::RequestAnswer to_message(const actors::answer& what) {
  messages::RequestAnswer message;
  message.set_outcome(to_message(what.what));
  message.set_workflow_id(what.workflow_id);
  message.set_run_id(what.run_id);
  message.set_existed(what.existed);
  message.set_message(what.message);
  message.set_cancel_requested(what.cancel_requested);
  if (!what.code) return message;
  messages::CodeResult& code = *message.mutable_code();
  if (what.code->result) *code.mutable_result() = *what.code->result;
  if (what.code->failure) *code.mutable_failure() = *what.code->failure;
  return message;
}

actors::answer from_message(messages::RequestAnswer&& what) {
  actors::answer answer{.what = from_message(what.outcome()),
                        .workflow_id = std::move(*what.mutable_workflow_id()),
                        .run_id = std::move(*what.mutable_run_id()),
                        .existed = what.existed(),
                        .message = std::move(*what.mutable_message())};
  answer.cancel_requested = what.cancel_requested();
  if (!what.has_code()) return answer;
  auto code = std::make_shared<actors::code_result>();
  if (what.code().has_result()) code->result = std::move(*what.mutable_code()->mutable_result());
  if (what.code().has_failure()) code->failure = std::move(*what.mutable_code()->mutable_failure());
  answer.code = std::move(code);
  return answer;
}

}  // namespace evermill
