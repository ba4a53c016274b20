// What may name an execution, a signal or a workflow, and how large what it is given may be.
#pragma once

#include <string_view>

#include "evermill/payload.hpp"

namespace evermill {

/// Throws engine_error (invalid_argument) unless `name` is 1 to 512 bytes of UTF-8 without control characters. `what` is
/// what it names, for the message.
void check_name(std::string_view what, std::string_view name);
/// Throws engine_error (invalid_argument) for more than max_payload_bytes.
void check_size(std::string_view what, const payload& value);

}  // namespace evermill
