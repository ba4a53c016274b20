// How data goes into a task and out of it (dsl.md, "Data Flow").
#pragma once

#include "interpreter/instance.hpp"

namespace evermill::interpreter {

/// Whether the task is done at all: its `if`.
bool is_wanted(const context& ctx, instance& in, const frame& at);
/// Checks and transforms its input.
void take_input(const context& ctx, instance& in, frame& at);
/// Transforms and checks its output, and exports to the context.
void give_output(const context& ctx, instance& in, frame& at);

/// The same of one step: checks where `before`, transforms, checks otherwise. `what` is for messages.
value transformed(const context& ctx, instance& in, const dsl::transformation& by, value of, const frame& at, const char* what,
                  bool before);
/// What `export` makes of the context. `output` is the frame's.
void export_context(const context& ctx, instance& in, const dsl::transformation& by, const frame& at);

}  // namespace evermill::interpreter
