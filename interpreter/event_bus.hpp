// The workflow behind evermill::event_bus.
#pragma once

#include "evermill/context.hpp"
#include "evermill/dsl.hpp"
#include "evermill/task.hpp"

namespace evermill::interpreter {

task<void> pass_events(context ctx, event_bus_state state);

}  // namespace evermill::interpreter
