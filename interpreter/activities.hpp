// Calling activities: those of task backends and those of the program, all with JSON.
#pragma once

#include <string>
#include <string_view>

#include "evermill/future.hpp"
#include "interpreter/instance.hpp"

namespace evermill::interpreter {

/// Schedules it. What fails is not tried again, as the file says what is to be tried again; attempts that are lost are.
/// `kept`: it goes on when nobody waits any more.
future<payload> call_activity(const context& ctx, std::string_view name, const json& input, bool kept = false);

/// What it gave: null where it gave nothing, a text where that is no JSON.
json json_of(const payload& from);

/// The same in one: its result. Throws what activities throw.
task<json> result_of(context ctx, std::string name, json input);

}  // namespace evermill::interpreter
