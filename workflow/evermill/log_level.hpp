#pragma once

namespace evermill {

enum class log_level : unsigned char { debug, info, warn, error };

}  // namespace evermill
