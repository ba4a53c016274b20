// What is told about activities that are completed from elsewhere, as decision events.
#pragma once

#include <optional>
#include <string_view>

#include "base/ids.hpp"
#include "evermill/failure.hpp"
#include "evermill/payload.hpp"
#include "messages/decision.pb.h"

namespace evermill::requests {

/// An event, and the partition that it is for: a token names no workflow id.
struct activity_request {
  partition_id to;
  messages::DecisionEvent event;
};

/// All throw engine_error (invalid_argument) for what is no token, and for values that are too large.
activity_request complete_activity(std::string_view token, payload&& result);
activity_request fail_activity(std::string_view token, const failure& why);
activity_request cancel_activity(std::string_view token);
activity_request heartbeat_activity(std::string_view token, std::optional<payload>&& details);

}  // namespace evermill::requests
