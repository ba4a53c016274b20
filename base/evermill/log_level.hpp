/// @file
/// How much a line of a workflow's log matters.
#pragma once

namespace evermill {

/// How much a line of a workflow's log matters; spdlog's levels. An engine without a logger of its own shows warnings and
/// errors only.
enum class log_level : unsigned char { debug, info, warning, error };

}  // namespace evermill
