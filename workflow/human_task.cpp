// What runs while a person is waited for.
#include "evermill/human_task.hpp"

#include <ctime>
#include <optional>
#include <utility>
#include <vector>

#include "evermill/context.hpp"

namespace evermill::detail {
namespace {

std::string utc(std::chrono::sys_time<std::chrono::microseconds> time) {
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm parts{};
  gmtime_r(&seconds, &parts);  // style: the parts of a given time, no clock
  char text[40];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

nlohmann::json json_or_null(const payload& value) {
  try {
    return parse_json(value);
  } catch (const payload_error&) {
    return nullptr;
  }
}

/// Withdraws the task where nobody waits for its answer any more.
struct withdrawal {
  future<payload>* answer;
  ~withdrawal() {
    if (answer != nullptr && !answer->ready()) answer->cancel();
  }
};

race_awaiter first_of(const future<payload>& answer, const std::optional<future<void>>& a,
                      const std::optional<future<void>>& b) {
  std::vector<cell_ref> cells{answer.shared_cell()};
  if (a) cells.push_back(a->shared_cell());
  if (b) cells.push_back(b->shared_cell());
  return race_awaiter(std::move(cells));
}

}  // namespace

human_task_spec make_spec(std::string_view name, const human_task_options& options) {
  return {std::string(name),
          std::string(options.title),
          std::string(options.assignee),
          std::string(options.candidate_groups),
          std::string(options.form_schema),
          options.timeout,
          options.remind_every};
}

/// The task is open while `prepare` runs, so that whom it tells can answer at once.
task<payload> await_answer(context ctx, human_task_spec spec, human_task_calls calls, payload question) {
  human_task_notice notice{{},           ctx.workflow_id(),    spec.name, spec.title.empty() ? spec.name : spec.title,
                           spec.assignee, spec.candidate_groups, {},        json_or_null(question)};
  if (spec.timeout.count() > 0) notice.due = utc(ctx.now() + spec.timeout);
  future<payload> answer = ctx.open_human_task(spec, std::move(question), notice.task_id);
  std::optional<future<void>> deadline, reminder;
  if (spec.timeout.count() > 0) deadline.emplace(ctx.sleep(spec.timeout));
  withdrawal at_the_end{&answer};
  if (!calls.prepare.name.empty()) co_await ctx.call(calls.prepare, notice);
  const bool reminds = spec.remind_every.count() > 0 && !calls.remind.name.empty();
  while (!answer.ready()) {
    if (reminds && !reminder) reminder.emplace(ctx.sleep(spec.remind_every));
    static_cast<void>(co_await first_of(answer, deadline, reminder));
    if (answer.ready()) break;
    if (deadline && deadline->ready()) throw human_task_expired(spec.name);
    reminder.reset();
    static_cast<void>(ctx.call(calls.remind, notice));
  }
  if (deadline) deadline->cancel();
  if (reminder) reminder->cancel();
  at_the_end.answer = nullptr;
  payload given = co_await std::move(answer);
  co_return given;
}

}  // namespace evermill::detail
