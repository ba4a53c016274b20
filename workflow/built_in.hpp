// Workflows that every engine has, under names that begin with "evermill.".
#pragma once

#include "evermill/registry.hpp"

namespace evermill::workflow {

/// A registry that holds what `given` holds, shares nothing with it, and has what `add` adds: once, however often it is copied so.
registry with_built_in(const registry& given, void (*add)(registry&));

}  // namespace evermill::workflow
