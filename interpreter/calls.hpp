// The kinds of calls that need more than a request.
#pragma once

#include <string_view>

#include "dsl/calls.hpp"
#include "evermill/task.hpp"
#include "interpreter/instance.hpp"
#include "interpreter/tasks.hpp"

namespace evermill::interpreter {

task<json> call_openapi(context ctx, instance_pointer in, frame_pointer at);
/// Messages and subscriptions; what a subscription does with each message may end the workflow.
task<performed> call_asyncapi(context ctx, instance_pointer in, frame_pointer at);
task<json> call_ask(context ctx, instance_pointer in, frame_pointer at);

/// As the http backend calls it.
std::string_view name_of(dsl::http_output output);

}  // namespace evermill::interpreter
