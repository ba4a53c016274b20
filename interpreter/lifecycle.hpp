// The standard's lifecycle events: CloudEvents that tell what becomes of a workflow and its tasks. They are sent like those
// that a workflow emits, where the start asked for them. What becomes of tasks is recorded for `progress` in any case.
#pragma once

#include <cstdint>

#include "interpreter/errors.hpp"
#include "interpreter/instance.hpp"

namespace evermill::interpreter {

enum class task_event : std::uint8_t { started, retried, cancelled, completed };

void tell_task(const context& ctx, instance& in, const frame& at, task_event what);
void tell_fault(const context& ctx, instance& in, const frame& at, const fault& why);

enum class workflow_event : std::uint8_t { started, correlation_started, correlation_completed, cancelled, completed };

/// `data` is added to what every such event says.
void tell_workflow(const context& ctx, const instance& in, workflow_event what, json data = json::object());
void tell_workflow_fault(const context& ctx, const instance& in, const fault& why);

/// Sends an event to those who listen: to the bus of its type, and to the one of all.
void send_event(const context& ctx, const json& event);

}  // namespace evermill::interpreter
