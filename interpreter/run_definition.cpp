#include "interpreter/run_definition.hpp"

#include <utility>

#include "dsl/errors.hpp"
#include "interpreter/data_flow.hpp"
#include "interpreter/errors.hpp"
#include "interpreter/evaluation.hpp"
#include "interpreter/lifecycle.hpp"
#include "interpreter/loaded.hpp"
#include "interpreter/resources.hpp"
#include "interpreter/tasks.hpp"
#include "interpreter/time_limit.hpp"

namespace evermill::interpreter {
namespace {

constexpr query<json()> status{.name = "status"};
constexpr query<json(json)> progress{.name = "progress"};

instance_pointer begin(const context& ctx, dsl_input given) {
  auto made = std::make_shared<instance>();
  made->main = load(given.definition);
  if (given.events != "none" && given.events != "workflow" && given.events != "all") {
    throw application_error("InvalidInput", "\"events\" is none, workflow or all, not \"" + given.events + "\"",
                            std::nullopt, true);
  }
  made->tells_workflow = given.events != "none";
  made->tells_tasks = given.events == "all";
  made->raw_input = make_value(given.input_may_name_secrets ? given.input : without_secret_texts(given.input));
  made->given = std::move(given);
  made->workflow_id = ctx.workflow_id();
  made->started_at = ctx.now();
  return made;
}

/// The workflow's own.
std::string phase_of(const instance& in) {
  bool waits = !in.phases.empty();
  for (const auto& [pointer, phase] : in.phases) {
    const bool leaf = in.phases.lower_bound(pointer + "/") == in.phases.end() ||
                      !in.phases.lower_bound(pointer + "/")->first.starts_with(pointer + "/");
    if (leaf) waits = waits && phase == "waiting";
  }
  return in.phase == "running" && waits ? "waiting" : in.phase;
}

/// What `evermill query ID status` shows.
json status_of(const instance& in) {
  json tasks = json::object();
  for (const auto& [pointer, each] : in.phases) tasks[pointer] = each;
  return {{"phase", phase_of(in)}, {"tasks", tasks}};
}

/// Of a look at all tasks: {"since": the "upto" of the look before}.
json progress_of(const instance& in, const json& asked) {
  json made = in.records.since(asked.is_object() ? asked.value("since", std::uint64_t{0}) : 0);
  made["phase"] = phase_of(in);
  made["started_us"] = in.started_at.time_since_epoch().count();
  if (in.scheduled > 0) made["scheduled"] = in.scheduled;
  return made;
}

frame_pointer workflow_frame(const instance& in) {
  auto at = std::make_shared<frame>();
  at->of = in.main.get();
  at->raw_input = in.raw_input;
  at->started_at = in.started_at;
  return at;
}

task<json> do_workflow(context ctx, instance_pointer in) {
  const dsl::definition& of = *in->main->definition;
  const frame_pointer at = workflow_frame(*in);
  for (const dsl::transformation* each : {&of.input, &of.output}) {
    if (const auto* schema = schema_elsewhere(*each)) {
      task<void> fetching = fetch_schema(ctx, in, at, {schema});
      co_await std::move(fetching);
    }
  }
  const value input = transformed(ctx, *in, of.input, in->raw_input, *at, "input", true);
  in->context = input->is_object() ? input : make_value(json::object());
  task<list_outcome> doing = run_list(ctx, in, {in->main.get(), &of.tasks}, input, nullptr, nullptr);
  const list_outcome done = co_await std::move(doing);
  const value output = transformed(ctx, *in, of.output, done.output, *at, "output", false);
  co_return *output;
}

task<void> do_into(context ctx, instance_pointer in, std::shared_ptr<json> into) {
  task<json> doing = do_workflow(ctx, in);
  *into = co_await std::move(doing);
}

task<json> do_within(context ctx, instance_pointer in, std::chrono::microseconds limit) {
  const auto result = std::make_shared<json>();
  const auto part = [in, result](context inside) { return do_into(std::move(inside), in, result); };
  time_limit until{limit, "the workflow", "the workflow's time is over", "/"};
  task<void> limited = in_time(ctx, std::move(until), part);
  co_await std::move(limited);
  co_return *result;
}

task<json> do_in_time(context ctx, instance_pointer in) {
  const auto& limit = in->main->definition->timeout;
  if (!limit) return do_workflow(ctx, in);
  return do_within(ctx, in, evaluation(ctx, *in, *workflow_frame(*in))(*limit, *in->raw_input));
}

/// Tells of the exception that is being handled, and ends the execution with it.
[[noreturn]] void fail_workflow(const context& ctx, instance& in) {
  try {
    throw_as_fault("/");
  } catch (const fault& why) {
    in.phase = "faulted";
    tell_workflow_fault(ctx, in, why);
    throw as_failure(why);
  } catch (const canceled_error&) {
    in.phase = "cancelled";
    tell_workflow(ctx, in, workflow_event::cancelled);
    throw;
  }
}

}  // namespace

task<json> run_definition(context ctx, dsl_input given) {
  const instance_pointer in = begin(ctx, std::move(given));
  ctx.on_query(status, [in] { return status_of(*in); }).keep();
  ctx.on_query(progress, [in](const json& asked) { return progress_of(*in, asked); }).keep();
  json output;
  try {
    const bool follows = in->main->definition->schedule && !in->given.once;
    if (!follows) {
      const dsl::definition& of = *in->main->definition;
      tell_workflow(ctx, *in, workflow_event::started,
                    {{"definition", {{"name", of.name}, {"namespace", of.workflow_namespace}, {"version", of.version}}}});
    }
    task<json> doing = follows ? follow_schedule(ctx, in) : do_in_time(ctx, in);
    output = co_await std::move(doing);
  } catch (const std::exception&) {
    fail_workflow(ctx, *in);
  }
  in->phase = "completed";
  tell_workflow(ctx, *in, workflow_event::completed, {{"output", output}});
  co_return output;
}

}  // namespace evermill::interpreter
