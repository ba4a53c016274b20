// The workflow behind evermill::dsl_workflow, and what it starts where a file has a schedule.
#pragma once

#include "evermill/task.hpp"
#include "interpreter/instance.hpp"

namespace evermill::interpreter {

task<json> run_definition(context ctx, dsl_input given);

/// Starts runs of the definition as its schedule says, for ever.
task<json> follow_schedule(context ctx, instance_pointer in);

}  // namespace evermill::interpreter
