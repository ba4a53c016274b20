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

/// How many causes of causes are journaled: protobuf reads no message that is nested deeper than 100. A parent that fails
/// for its child, which has failed for its own child, and so on, can have any number.
inline constexpr int max_causes = 16;

void to_message(payload from, messages::Payload& to);
void to_message(const failure& from, messages::Failure& to);
payload from_message(const messages::Payload& from);
failure from_message(const messages::Failure& from);

}  // namespace evermill::workflow
