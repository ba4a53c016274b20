// An activity's options as they are journaled: what is a default is not written.
#pragma once

#include "evermill/handles.hpp"
#include "messages/journal.pb.h"

namespace evermill::workflow {

/// Throws std::invalid_argument for options that can't be.
void check(const activity_options& options);
void to_message(const activity_options& from, messages::ActivityTaskScheduled& to);

}  // namespace evermill::workflow
