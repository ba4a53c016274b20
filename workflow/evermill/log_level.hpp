// How much a line of a workflow's log matters.
#pragma once

namespace evermill {

enum class log_level : unsigned char { debug, info, warning, error };

}  // namespace evermill
