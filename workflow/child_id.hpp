// What children are called whose parents do not say.
#pragma once

#include <string>

#include "base/ids.hpp"

namespace evermill::workflow {

/// Unique, and the same in every replay. A parent's id that leaves no room for more is replaced by its hash.
std::string child_id(const std::string& parent, run_number run, event_seq initiated);

}  // namespace evermill::workflow
