// The workflows that the interpreter consists of, as every engine has them.
#pragma once

#include "evermill/registry.hpp"

namespace evermill::interpreter {

/// A copy of the registry that has them, too.
registry with_workflows(const registry& given);

}  // namespace evermill::interpreter
