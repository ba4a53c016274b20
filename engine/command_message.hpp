// Commands as any client of the broker may write them: JSON in the stream "commands". docs/commands.md says what they look like.
#pragma once

#include <cstdint>
#include <string>

#include "base/random.hpp"
#include "evermill/broker.hpp"
#include "messages/decision.pb.h"

namespace evermill::commands {

/// What the record asks for. One that names no request id gets one of its place, so that it is the same request whenever it is read.
/// `token`: what the command has to show; "": nothing. Throws engine_error (invalid_argument) where it is no command, or shows another
/// token.
messages::DecisionEvent parse_command(const queue::stored_record& record, std::uint32_t partition, const std::string& token,
                                      random_source& random);

}  // namespace evermill::commands
