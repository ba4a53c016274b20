// Doing tasks. Each kind has a coroutine that does it; `run_task` leads the data in and out, `run_list` follows the flow.
//
//     run_list ──▶ run_task: `if`, input ──▶ perform (by kind, within the timeout) ──▶ output, export ──▶ `then`
//
// Tasks that can't wait (set, switch, raise) are done at once, without a coroutine.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "evermill/task.hpp"
#include "interpreter/instance.hpp"

namespace evermill::interpreter {

/// What a task leaves.
struct outcome {
  value output;
  dsl::flow_directive then;
};

/// What a list of tasks leaves.
struct list_outcome {
  value output;
  bool exited = false;         ///< by `exit`: what it belongs to ends, too
  bool ends_workflow = false;  ///< by `end`
};

/// What doing a task gives, before its output is transformed.
struct performed {
  value output;
  std::optional<dsl::flow_directive> then;  ///< in place of the task's own
};
/// Of what a list inside a task left.
performed performed_by(list_outcome&& of);

/// `extended` is for tasks of extensions: the task that is extended, which `$task` is then; null otherwise.
task<list_outcome> run_list(context ctx, instance_pointer in, list_reference tasks, value input, names locals, value extended);
task<outcome> run_task(context ctx, instance_pointer in, task_reference which, value input, names locals, value extended);

/// What `ctx.spawn` runs: the outcome is left in `into`.
task<void> run_task_into(context ctx, instance_pointer in, task_reference which, value input, names locals, value extended,
                         std::shared_ptr<outcome> into);

/// Does a task, by its kind. The frame has the input.
task<performed> perform(context ctx, instance_pointer in, frame_pointer at);

task<performed> perform_for(context ctx, instance_pointer in, frame_pointer at);
task<performed> perform_fork(context ctx, instance_pointer in, frame_pointer at);
task<performed> perform_try(context ctx, instance_pointer in, frame_pointer at);
task<performed> perform_wait(context ctx, instance_pointer in, frame_pointer at);
task<performed> perform_run(context ctx, instance_pointer in, frame_pointer at);
task<performed> perform_call(context ctx, instance_pointer in, frame_pointer at);
task<performed> perform_listen(context ctx, instance_pointer in, frame_pointer at);
performed perform_emit(const context& ctx, instance& in, frame& at);

/// Can it be done without waiting for anything?
bool is_simple(const dsl::task& what) noexcept;
performed perform_simple(const context& ctx, instance& in, frame& at);

/// Lets a turn end now and then where there is nothing to wait for: long computations are several turns.
bool must_breathe(const instance& in) noexcept;
future<void> breathe(const context& ctx, instance& in);

}  // namespace evermill::interpreter
