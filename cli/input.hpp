#pragma once

#include <string>

#include "evermill/payload.hpp"

namespace evermill::cli {

/// The payload of an argument: JSON text, @file, or - for standard input; "" is no value. Throws usage_error that says
/// where the JSON is wrong.
payload read_input(const std::string& argument);

}  // namespace evermill::cli
