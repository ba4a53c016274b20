/// @file
/// Moments, as evermill counts them.
#pragma once

#include <chrono>
#include <cstdint>

namespace evermill {

/// Microseconds since the Unix epoch: the resolution of every time that is journaled.
using timestamp = std::chrono::sys_time<std::chrono::microseconds>;

/// Since the Unix epoch.
constexpr std::int64_t to_micros(timestamp t) noexcept { return t.time_since_epoch().count(); }
/// The moment so many microseconds after the Unix epoch; before it where negative.
constexpr timestamp from_micros(std::int64_t micros) noexcept { return timestamp(std::chrono::microseconds(micros)); }

}  // namespace evermill
