// Between the public values and their protobuf messages.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "evermill/failure.hpp"
#include "evermill/payload.hpp"
#include "messages/payload.pb.h"

namespace evermill::workflow {

/// Why a payload of so many bytes can't be journaled; nothing when it can.
std::optional<std::string> too_large(std::size_t bytes);

void to_message(payload from, messages::Payload& to);
void to_message(const failure& from, messages::Failure& to);
payload from_message(const messages::Payload& from);
failure from_message(const messages::Failure& from);

}  // namespace evermill::workflow
