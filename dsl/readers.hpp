// The readers of the parts of a file. Each takes a value and its JSON Pointer, reports what is wrong with it, and gives what it
// could make of it: what comes out of a file with errors is thrown away.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "dsl/reading.hpp"

namespace evermill::dsl {

// read_resources.cpp
endpoint read_endpoint(reading& in, const node& from, const std::string& pointer);
external_resource read_external_resource(reading& in, const node& from, const std::string& pointer);
/// A policy of its own, not a reference to one.
authentication_pointer read_authentication(reading& in, const node& from, const std::string& pointer);
/// A policy, or `{ use: NAME }`.
authentication_pointer read_authentication_or_reference(reading& in, const node& from, const std::string& pointer);

// read_data_flow.cpp
enum class step : std::uint8_t { input, output, exports };
transformation read_transformation(reading& in, const node& from, const std::string& pointer, step which,
                                   variable_set available);
/// An object with `after`, or the name of one of `use.timeouts`.
std::optional<duration_value> read_timeout(reading& in, const node& from, const std::string& pointer, variable_set available);
std::optional<duration_value> read_timeout_definition(reading& in, const node& from, const std::string& pointer,
                                                      variable_set available);

// read_events.cpp
/// `to_send`: attributes that every event has are required.
event_attributes read_event_attributes(reading& in, const node& from, const std::string& pointer, bool to_send,
                                       variable_set available);
event_consumption read_event_consumption(reading& in, const node& from, const std::string& pointer, variable_set available);
subscription_iterator read_subscription_iterator(reading& in, const node& from, const std::string& pointer);

// read_errors.cpp
error_pointer read_error(reading& in, const node& from, const std::string& pointer);
error_pointer read_error_or_reference(reading& in, const node& from, const std::string& pointer);
std::optional<error_filter> read_error_filter(reading& in, const node& from, const std::string& pointer);
retry_pointer read_retry(reading& in, const node& from, const std::string& pointer);
retry_pointer read_retry_or_reference(reading& in, const node& from, const std::string& pointer);

// read_calls.cpp, read_protocol_calls.cpp
call_task read_call(const fields& of_task);
call_task read_asyncapi_call(reading& in, const node& from, const std::string& pointer);
call_task read_a2a_call(reading& in, const node& from, const std::string& pointer);
call_task read_mcp_call(reading& in, const node& from, const std::string& pointer);

// read_ask.cpp
call_task read_ask_call(reading& in, const node& from, const std::string& pointer);

// read_processes.cpp
run_task read_run(reading& in, const node& from, const std::string& pointer);

// read_tasks.cpp
task_list read_task_list(reading& in, const node& from, const std::string& pointer, std::string_view what);
/// One that no list holds, as a function: its `then` can't lead to another one.
task read_single_task(reading& in, const node& from, const std::string& pointer, const std::string& name);

// flow.cpp
/// What follows: `names` are those of the list.
flow_directive read_flow(reading& in, const node& from, const std::string& pointer, const std::vector<std::string>& names);
/// Warns of tasks that nothing leads to.
void check_reachable(reading& in, const task_list& tasks);

}  // namespace evermill::dsl
