// Times and durations as people write them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "evermill/timestamp.hpp"

namespace evermill::server::security {

/// "2026-05-01T12:00:00Z"
std::string utc_text(timestamp time);
/// The same, and with a fraction of up to six digits. Nothing: it is no such time.
std::optional<timestamp> read_utc(std::string_view text);

/// "500ms", "45s", "10m", "12h", "90d", "2w": a whole number and its unit, up to 100 years. Nothing: it is none.
std::optional<std::chrono::microseconds> read_duration(std::string_view text);

}  // namespace evermill::server::security
