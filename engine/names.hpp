// What may name an execution, a signal or a workflow.
#pragma once

#include <string_view>

namespace evermill {

/// Throws engine_error (invalid_argument) unless `name` is 1 to 512 bytes of UTF-8 without control characters. `what` is
/// what it names, for the message.
void check_name(std::string_view what, std::string_view name);

}  // namespace evermill
