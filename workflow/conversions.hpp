// Between the public values and their messages. The overloads that take an rvalue move the bytes.
#pragma once

#include "evermill/failure.hpp"
#include "evermill/payload.hpp"
#include "messages/payload.pb.h"

namespace evermill::workflow {

void to_message(const payload& from, messages::Payload& to);
void to_message(payload&& from, messages::Payload& to);
payload from_message(const messages::Payload& from);
payload from_message(messages::Payload&& from);
/// Into an existing payload, whose memory is used again.
void assign(payload& to, const messages::Payload& from);

void to_message(const failure& from, messages::Failure& to);
void to_message(failure&& from, messages::Failure& to);
failure from_message(const messages::Failure& from);
failure from_message(messages::Failure&& from);

}  // namespace evermill::workflow
