// A journal event as one line of JSON, for people and tools.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.hpp"
#include "messages/journal.pb.h"

namespace evermill {

/// "ActivityTaskScheduled", …: the name of the event's message.
std::string event_type(const messages::Event& event);

/// {"seq":…,"type":…,"time":…, then the event's own fields by their protobuf names}. Payloads that hold JSON appear as
/// JSON; others as {"content_type":…,"base64":…}. Fields that have their default value are left out.
std::string event_json(std::uint64_t seq, timestamp time, const messages::Event& event);

/// "2026-05-01T12:00:00.000000Z"
std::string iso_time(timestamp time);

}  // namespace evermill
