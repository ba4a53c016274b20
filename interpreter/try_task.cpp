// try: catching errors, trying again, and what is done then.
#include <algorithm>
#include <cmath>
#include <utility>

#include "dsl/errors.hpp"
#include "interpreter/errors.hpp"
#include "interpreter/evaluation.hpp"
#include "interpreter/lifecycle.hpp"
#include "interpreter/tasks.hpp"
#include "interpreter/time_limit.hpp"

namespace evermill::interpreter {
namespace {

using std::chrono::microseconds;

/// What a filter and conditions say of an error. The frame is the task's; the error is a variable.
class catching {
 public:
  catching(const context& ctx, instance& in, const frame& at, const dsl::try_task& what, const json& error)
      : at_(at), what_(what), error_(error), evaluate_(ctx, in, at_), input_(*at.input) {
    at_.locals = with_name(at.locals, what.as, make_value(error));
  }
  catching(const catching&) = delete;
  catching& operator=(const catching&) = delete;

  const names& locals() const noexcept { return at_.locals; }
  bool catches() const { return fits(what_.errors) && allowed(what_.when, what_.except_when); }
  bool retries() const { return what_.retry != nullptr && allowed(what_.retry->when, what_.retry->except_when); }
  microseconds duration(const dsl::duration_value& of) const { return evaluate_(of, input_); }

 private:
  bool allowed(const std::optional<dsl::expression>& when, const std::optional<dsl::expression>& except) const {
    if (when && !evaluate_.holds(*when, input_)) return false;
    return !except || !evaluate_.holds(*except, input_);
  }
  bool equals(const std::optional<dsl::value_template>& wanted, const char* property) const {
    if (!wanted) return true;
    return error_.contains(property) && evaluate_(*wanted, input_) == error_[property];
  }
  bool fits(const std::optional<dsl::error_filter>& filter) const {
    if (!filter) return true;
    if (filter->status && (!error_.contains("status") || error_["status"] != *filter->status)) return false;
    return equals(filter->type, "type") && equals(filter->instance, "instance") && equals(filter->title, "title") &&
           equals(filter->details, "detail");
  }

  frame at_;
  const dsl::try_task& what_;
  const json& error_;
  const evaluation evaluate_;
  const json& input_;
};

microseconds limited(double us) {
  const auto most = static_cast<double>(dsl::longest_duration.count());
  return microseconds(static_cast<std::int64_t>(std::clamp(us, 0.0, most)));
}

/// Before try `next` (1 is the first one again). Jitter comes from the run's own random numbers.
microseconds delay_before(const context& ctx, const catching& caught, const dsl::retry_policy& policy, std::int64_t next) {
  const auto delay = policy.delay ? static_cast<double>(caught.duration(*policy.delay).count()) : 0.0;
  double us = delay;
  if (policy.growth == dsl::retry_policy::backoff::linear) us = delay * static_cast<double>(next);
  if (policy.growth == dsl::retry_policy::backoff::exponential) {
    us = delay * std::exp2(static_cast<double>(std::min<std::int64_t>(next - 1, 60)));
  }
  if (policy.jitter) {
    const auto from = static_cast<double>(caught.duration(policy.jitter->from).count());
    const auto to = static_cast<double>(caught.duration(policy.jitter->to).count());
    us += from + (to - from) * (static_cast<double>(ctx.random() >> 11) / static_cast<double>(std::uint64_t{1} << 53));
  }
  return limited(us);
}

/// How long to wait for another try; nothing where there is none.
std::optional<microseconds> next_try(const context& ctx, const catching& caught, const dsl::try_task& what, std::int64_t tries,
                                     time_point began) {
  if (!caught.retries()) return std::nullopt;
  const dsl::retry_policy& policy = *what.retry;
  if (policy.attempt_limit && tries > *policy.attempt_limit) return std::nullopt;
  const microseconds delay = delay_before(ctx, caught, policy, tries);
  if (policy.total_duration && (ctx.now() - began) + delay > caught.duration(*policy.total_duration)) return std::nullopt;
  return delay;
}

task<void> attempt_into(context ctx, instance_pointer in, frame_pointer at, std::shared_ptr<list_outcome> into) {
  const auto& what = std::get<dsl::try_task>(at->task->what);
  task<list_outcome> doing = run_list(ctx, in, {at->of, &what.tasks}, at->input, at->locals, at->extended);
  *into = co_await std::move(doing);
}

/// One attempt; within its limit, where it has one.
task<list_outcome> attempt(context ctx, instance_pointer in, frame_pointer at) {
  const auto& what = std::get<dsl::try_task>(at->task->what);
  const auto result = std::make_shared<list_outcome>();
  if (what.retry == nullptr || !what.retry->attempt_duration) {
    task<void> doing = attempt_into(ctx, in, at, result);
    co_await std::move(doing);
    co_return *result;
  }
  const microseconds limit = evaluation(ctx, *in, *at)(*what.retry->attempt_duration, *at->input);
  const auto part = [in, at, result](context inside) { return attempt_into(std::move(inside), in, at, result); };
  time_limit until{limit, "the attempt", "the attempt takes too long", at->pointer()};
  task<void> limited = in_time(ctx, std::move(until), part);
  co_await std::move(limited);
  co_return *result;
}

}  // namespace

task<performed> perform_try(context ctx, instance_pointer in, frame_pointer at) {
  const auto& what = std::get<dsl::try_task>(at->task->what);
  const time_point began = ctx.now();
  json error;
  names locals;
  for (std::int64_t tries = 1;; ++tries) {
    if (must_breathe(*in)) co_await breathe(ctx, *in);
    std::optional<list_outcome> done;
    try {
      task<list_outcome> doing = attempt(ctx, in, at);
      done = co_await std::move(doing);
    } catch (const fault& why) {
      error = why.error();
    }
    if (done) co_return performed_by(std::move(*done));
    const catching caught(ctx, *in, *at, what, error);
    if (!caught.catches()) throw fault(error);
    locals = caught.locals();
    in->work += 100;  // exceptions cost more than they seem to
    const auto delay = next_try(ctx, caught, what, tries, began);
    if (!delay) break;
    tell_task(ctx, *in, *at, task_event::retried);
    if (in->is_recorded(*at)) in->records.await_attempt(*at->task, ctx.now() + *delay, in_short(error));
    if (delay->count() > 0) co_await ctx.sleep(*delay);
    if (in->is_recorded(*at)) in->records.begin_attempt(*at->task);
  }
  if (!what.catch_tasks) {
    if (what.retry != nullptr) throw fault(error);  // trying again was all that was to be done about it
    performed left{at->input, std::nullopt};
    co_return left;
  }
  task<list_outcome> doing = run_list(ctx, in, {at->of, &*what.catch_tasks}, at->input, locals, at->extended);
  list_outcome done = co_await std::move(doing);
  co_return performed_by(std::move(done));
}

}  // namespace evermill::interpreter
