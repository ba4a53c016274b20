// jq 1.6's own functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/jq_syntax.hpp"

namespace evermill::dsl::jq {

bool is_function(std::string_view name, std::size_t parameters);
bool is_format(std::string_view name);
/// What to write in place of a function that exists but is refused, as its result depends on more than its input; "" where it
/// may be used.
std::string_view why_refused(std::string_view name);
native_function native_function_of(std::string_view name, std::size_t parameters);
/// For messages about a name that is none: how it is called with another number of parameters, or the nearest name, or "".
std::string advice(std::string_view name, std::size_t parameters);

}  // namespace evermill::dsl::jq
