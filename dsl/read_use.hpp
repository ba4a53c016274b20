// The reader of `use`, which comes before everything that may refer to it.
#pragma once

#include "dsl/readers.hpp"

namespace evermill::dsl {

/// Fills `in.use` and what the definition owns of it.
void read_use(reading& in, const node& from, const std::string& pointer, definition& into);

}  // namespace evermill::dsl
