// schedule: an execution that starts others, one for each time or event, and never ends by itself.
#include <utility>

#include "interpreter/evaluation.hpp"
#include "interpreter/listening.hpp"
#include "interpreter/run_definition.hpp"

namespace evermill::interpreter {
namespace {

constexpr std::int64_t starts_per_run = 100;  // its journal stays short
constexpr std::chrono::microseconds shortest_interval{1000};

/// What the next run of the execution goes on with.
struct progress_so_far {
  std::int64_t started = 0;     ///< executions, in all
  std::int64_t next_us = 0;     ///< of `every`: the next time, since the epoch; 0: now
  std::string signal_name;      ///< of `on`: as its subscriptions have it
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(progress_so_far, started, next_us, signal_name)

future<json> start_one(const context& ctx, instance& in, progress_so_far& so_far, json input) {
  dsl_input given = in.given;
  given.input = std::move(input);
  given.once = true;
  given.schedule_progress = nullptr;
  const std::string id = label_of(ctx.workflow_id() + "/" + std::to_string(++so_far.started));
  in.scheduled = so_far.started;
  const child_options how{.id = id, .when_parent_closes = parent_close_policy::abandon};
  return ctx.start_with(how, dsl_workflow, given);
}

frame_pointer frame_of_schedule(const instance& in) {
  auto at = std::make_shared<frame>();
  at->of = in.main.get();
  at->raw_input = at->input = in.raw_input;
  at->started_at = in.started_at;
  return at;
}

time_point time_of(std::int64_t us) { return time_point(std::chrono::microseconds(us)); }
std::int64_t micros(time_point of) { return of.time_since_epoch().count(); }

/// The next time of `every` and `cron`. Times that have passed while nobody was there are not made up for.
time_point next_time(const context& ctx, const dsl::schedule& what, std::chrono::microseconds interval,
                     const progress_so_far& so_far) {
  if (what.cron) return what.cron->next(std::chrono::floor<std::chrono::seconds>(ctx.now()));
  if (so_far.next_us == 0) return ctx.now();
  const time_point planned = time_of(so_far.next_us);
  if (planned >= ctx.now()) return planned;
  const auto missed = (ctx.now() - planned) / interval;
  return planned + (missed + 1) * interval;
}

task<void> start_at_times(context ctx, instance_pointer in, std::shared_ptr<progress_so_far> so_far) {
  const dsl::schedule& what = *in->main->definition->schedule;
  const frame_pointer at = frame_of_schedule(*in);
  std::chrono::microseconds interval{0};
  if (what.every) interval = std::max(evaluation(ctx, *in, *at)(*what.every, *in->raw_input), shortest_interval);
  for (std::int64_t i = 0; i < starts_per_run; ++i) {
    const time_point next = next_time(ctx, what, interval, *so_far);
    if (next > ctx.now()) co_await ctx.sleep(next - ctx.now());
    static_cast<void>(start_one(ctx, *in, *so_far, *in->raw_input));
    so_far->next_us = micros(next + interval);
  }
}

task<void> start_after_ends(context ctx, instance_pointer in, std::shared_ptr<progress_so_far> so_far) {
  const dsl::schedule& what = *in->main->definition->schedule;
  const frame_pointer at = frame_of_schedule(*in);
  const auto pause = evaluation(ctx, *in, *at)(*what.after, *in->raw_input);
  for (std::int64_t i = 0; i < starts_per_run; ++i) {
    future<json> running = start_one(ctx, *in, *so_far, *in->raw_input);
    try {
      static_cast<void>(co_await std::move(running));
    } catch (const child_workflow_error&) {  // how it ended decides nothing here
    }
    co_await ctx.sleep(pause);
  }
}

task<void> start_on_events(context ctx, instance_pointer in, std::shared_ptr<progress_so_far> so_far) {
  const dsl::schedule& what = *in->main->definition->schedule;
  const frame_pointer at = frame_of_schedule(*in);
  if (so_far->signal_name.empty()) so_far->signal_name = "evermill.event/" + ctx.uuid();
  subscription events(ctx, *what.on, so_far->signal_name);
  const evaluation evaluate(ctx, *in, *at);
  for (std::int64_t i = 0; i < starts_per_run; ++i) {
    consumption taking(*what.on);
    json consumed = json::array();
    for (bool complete = false; !complete;) {
      const signal<json> told{.name = events.signal_name()};
      const json event = co_await ctx.wait(told);
      const consumption::verdict verdict = taking.offer(event, evaluate, *in->raw_input);
      if (verdict == consumption::verdict::finished) break;
      if (verdict == consumption::verdict::ignored) continue;
      consumed.push_back(event);
      complete = taking.is_complete(evaluate, consumed);
    }
    static_cast<void>(start_one(ctx, *in, *so_far, std::move(consumed)));
  }
  events.keep();
}

}  // namespace

task<json> follow_schedule(context ctx, instance_pointer in) {
  const dsl::schedule& what = *in->main->definition->schedule;
  const auto so_far = std::make_shared<progress_so_far>();
  if (!in->given.schedule_progress.is_null()) *so_far = in->given.schedule_progress.get<progress_so_far>();
  in->scheduled = so_far->started;
  task<void> starting = what.on      ? start_on_events(ctx, in, so_far)
                        : what.after ? start_after_ends(ctx, in, so_far)
                                     : start_at_times(ctx, in, so_far);
  co_await std::move(starting);
  dsl_input next = in->given;
  next.schedule_progress = *so_far;
  co_await ctx.continue_as_new(next);
  co_return json();
}

}  // namespace evermill::interpreter
