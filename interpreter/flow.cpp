// Lists of tasks, and what every kind of task has: input, timeout, extensions, output, lifecycle.
#include <utility>

#include "dsl/errors.hpp"
#include "evermill/future.hpp"
#include "interpreter/data_flow.hpp"
#include "interpreter/errors.hpp"
#include "interpreter/evaluation.hpp"
#include "interpreter/lifecycle.hpp"
#include "interpreter/resources.hpp"
#include "interpreter/tasks.hpp"
#include "interpreter/time_limit.hpp"

namespace evermill::interpreter {
namespace {

using directive = dsl::flow_directive::kind;

constexpr int work_of_a_turn = 5'000;
constexpr int work_of_a_task = 1;

bool needs_fetching(const dsl::task& what) {
  return schema_elsewhere(what.input) != nullptr || schema_elsewhere(what.output) != nullptr ||
         schema_elsewhere(what.exports) != nullptr;
}

/// Nothing of the task waits: neither what it is, nor what belongs to every task.
bool is_done_at_once(const instance& in, const task_reference& which) {
  return is_simple(*which.task) && !which.task->timeout && in.main->definition->extensions.empty() &&
         !needs_fetching(*which.task);
}

frame frame_of(const context& ctx, const task_reference& which, value input, names locals) {
  frame at;
  at.of = which.of;
  at.task = which.task;
  at.locals = std::move(locals);
  at.raw_input = std::move(input);
  at.started_at = ctx.now();
  return at;
}

/// Tells of the exception that is being handled, and throws it as what a workflow may catch.
[[noreturn]] void fail_task(const context& ctx, instance& in, const frame& at) {
  try {
    throw_as_fault(at.pointer());
  } catch (const fault& why) {
    tell_fault(ctx, in, at, why);
    throw;
  } catch (const canceled_error&) {
    tell_task(ctx, in, at, task_event::cancelled);
    throw;
  }
}

/// Its `if` does not hold.
outcome skip_task(const context& ctx, instance& in, const frame& at, const value& input) {
  if (in.is_recorded(at)) in.records.skip(*at.task, ctx.now());
  return {input, {}};
}

/// Does the task, and tells of it. Throws what the task throws.
outcome run_at_once(const context& ctx, instance& in, const task_reference& which, const value& input, const names& locals,
                    const value& extended) {
  in.work += work_of_a_task;
  frame at = frame_of(ctx, which, input, locals);
  at.extended = extended;
  try {
    if (!is_wanted(ctx, in, at)) return skip_task(ctx, in, at, input);
    tell_task(ctx, in, at, task_event::started);
    take_input(ctx, in, at);
    performed done = perform_simple(ctx, in, at);
    at.raw_output = std::move(done.output);
    give_output(ctx, in, at);
    tell_task(ctx, in, at, task_event::completed);
    return {at.output, done.then.value_or(which.task->then)};
  } catch (const std::exception&) {
    fail_task(ctx, in, at);
  }
}

/// A task's place among those that are being done, for `status`.
class being_done {
 public:
  being_done(instance& in, const dsl::task& what) : in_(in), place_(in.phases.emplace(what.pointer, phase_of(what))) {}
  ~being_done() { in_.phases.erase(place_); }
  being_done(const being_done&) = delete;
  being_done& operator=(const being_done&) = delete;

 private:
  static std::string phase_of(const dsl::task& what) {
    const bool waits = std::holds_alternative<dsl::wait_task>(what.what) || std::holds_alternative<dsl::listen_task>(what.what);
    return waits ? "waiting" : "running";
  }
  instance& in_;
  std::multimap<std::string, std::string>::iterator place_;
};

task<void> perform_into(context ctx, instance_pointer in, frame_pointer at, std::shared_ptr<performed> into) {
  task<performed> doing = perform(ctx, std::move(in), std::move(at));
  *into = co_await std::move(doing);
}

/// Ends it when its time is over.
task<performed> perform_within(context ctx, instance_pointer in, frame_pointer at, std::chrono::microseconds limit) {
  const auto result = std::make_shared<performed>();
  const auto part = [in, at, result](context inside) { return perform_into(std::move(inside), in, at, result); };
  time_limit until{limit, "the task", "its time is over", at->pointer()};
  task<void> limited = in_time(ctx, std::move(until), part);
  co_await std::move(limited);
  co_return *result;
}

task<performed> perform_in_time(context ctx, instance_pointer in, frame_pointer at) {
  if (!at->task->timeout) {
    task<performed> doing = perform(ctx, in, at);
    performed done = co_await std::move(doing);
    co_return done;
  }
  const auto limit = evaluation(ctx, *in, *at)(*at->task->timeout, *at->input);
  task<performed> doing = perform_within(ctx, in, at, limit);
  performed done = co_await std::move(doing);
  co_return done;
}

bool extends(const dsl::extension& by, const dsl::task& what) {
  const std::string_view kind = dsl::kind_of(what);
  if (by.extend == "all" || by.extend == kind) return true;
  return by.extend == "composite" && kind == "do";
}

/// `$task` of an extension: what the task is, with the members of its definition beside.
value describe_extended(const frame& at) {
  json made = at.of->definition->source_of(*at.task);
  if (!made.is_object()) made = json::object();
  made.update(describe_task(at));
  return make_value(std::move(made));
}

/// Those that apply, in the order of the file.
std::vector<const dsl::extension*> extensions_of(const context& ctx, instance& in, const frame& at, const value& described) {
  std::vector<const dsl::extension*> found;
  if (at.extended != nullptr) return found;  // no extension is extended
  frame seen = at;
  seen.extended = described;
  for (const dsl::extension& each : in.main->definition->extensions) {
    if (!extends(each, *at.task)) continue;
    if (each.when && !evaluation(ctx, in, seen).holds(*each.when, *at.raw_input)) continue;
    found.push_back(&each);
  }
  return found;
}

/// The task with its extensions around it. What those give is not its output, unless one of them exits in its place.
task<performed> perform_extended(context ctx, instance_pointer in, frame_pointer at) {
  const value described = describe_extended(*at);
  const auto extensions = extensions_of(ctx, *in, *at, described);
  for (const dsl::extension* each : extensions) {
    task<list_outcome> before = run_list(ctx, in, {in->main.get(), &each->before}, at->input, at->locals, described);
    list_outcome done = co_await std::move(before);
    if (done.exited || done.ends_workflow) co_return performed_by(std::move(done));
  }
  task<performed> doing = perform_in_time(ctx, in, at);
  performed result = co_await std::move(doing);
  at->raw_output = result.output;
  const value after_it = extensions.empty() ? value() : describe_extended(*at);
  for (const dsl::extension* each : extensions) {
    task<list_outcome> after = run_list(ctx, in, {in->main.get(), &each->after}, result.output, at->locals, after_it);
    const list_outcome done = co_await std::move(after);
    if (done.ends_workflow) result.then = dsl::flow_directive{directive::end};
  }
  co_return result;
}

task<outcome> run_framed(context ctx, instance_pointer in, frame_pointer at) {
  const being_done phase(*in, *at->task);
  if (needs_fetching(*at->task)) {
    for (const dsl::transformation* each : {&at->task->input, &at->task->output, &at->task->exports}) {
      if (const auto* schema = schema_elsewhere(*each)) {
        task<void> fetching = fetch_schema(ctx, in, at, {schema});
        co_await std::move(fetching);
      }
    }
  }
  take_input(ctx, *in, *at);
  const bool extended = !in->main->definition->extensions.empty();
  task<performed> doing = extended ? perform_extended(ctx, in, at) : perform_in_time(ctx, in, at);
  performed done = co_await std::move(doing);
  at->raw_output = std::move(done.output);
  give_output(ctx, *in, *at);
  tell_task(ctx, *in, *at, task_event::completed);
  outcome left{at->output, done.then.value_or(at->task->then)};
  co_return left;
}

task<outcome> run_one(context ctx, instance_pointer in, task_reference which, value input, names locals, value extended) {
  in->work += work_of_a_task;
  const context own = ctx.labeled(label_of(which.task->pointer));
  const auto at = std::make_shared<frame>(frame_of(ctx, which, input, std::move(locals)));
  at->extended = std::move(extended);
  outcome left{input, {}};
  try {
    if (is_wanted(own, *in, *at)) {
      tell_task(own, *in, *at, task_event::started);
      task<outcome> doing = run_framed(own, in, at);
      left = co_await std::move(doing);
    } else {
      left = skip_task(own, *in, *at, input);
    }
  } catch (const std::exception&) {
    fail_task(own, *in, *at);
  }
  co_return left;
}

task<list_outcome> run_all(context ctx, instance_pointer in, list_reference tasks, value input, names locals, value extended) {
  list_outcome left{std::move(input)};
  std::size_t at = 0;
  while (at < tasks.tasks->size()) {
    if (must_breathe(*in)) co_await breathe(ctx, *in);
    const task_reference which{tasks.of, &(*tasks.tasks)[at]};
    outcome done;
    if (is_done_at_once(*in, which)) {
      done = run_at_once(ctx, *in, which, left.output, locals, extended);
    } else {
      task<outcome> doing = run_one(ctx, in, which, left.output, locals, extended);
      done = co_await std::move(doing);
    }
    left.output = std::move(done.output);
    if (done.then.what == directive::end) left.ends_workflow = true;
    if (done.then.what == directive::exit) left.exited = true;
    if (left.ends_workflow || left.exited) break;
    at = done.then.what == directive::task ? done.then.target : at + 1;
  }
  co_return left;
}

}  // namespace

performed performed_by(list_outcome&& of) {
  performed made{std::move(of.output), std::nullopt};
  if (of.ends_workflow) made.then = dsl::flow_directive{directive::end};
  return made;
}

bool must_breathe(const instance& in) noexcept { return in.work >= work_of_a_turn; }

future<void> breathe(const context& ctx, instance& in) {
  in.work = 0;
  return ctx.sleep(std::chrono::microseconds(0));
}

task<list_outcome> run_list(context ctx, instance_pointer in, list_reference tasks, value input, names locals, value extended) {
  return run_all(ctx, std::move(in), tasks, std::move(input), std::move(locals), std::move(extended));
}

task<outcome> run_task(context ctx, instance_pointer in, task_reference which, value input, names locals, value extended) {
  return run_one(ctx, std::move(in), which, std::move(input), std::move(locals), std::move(extended));
}

task<void> run_task_into(context ctx, instance_pointer in, task_reference which, value input, names locals,
                         value extended, std::shared_ptr<outcome> into) {
  task<outcome> doing = run_task(ctx, std::move(in), which, std::move(input), std::move(locals), std::move(extended));
  *into = co_await std::move(doing);
}

}  // namespace evermill::interpreter
