// call: evermill.ask. As `ctx.ask`, but whom it tells is told by tasks of the file.
#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "dsl/errors.hpp"
#include "evermill/human_task.hpp"
#include "evermill/scope.hpp"
#include "interpreter/activities.hpp"
#include "interpreter/calls.hpp"
#include "interpreter/errors.hpp"
#include "interpreter/evaluation.hpp"
#include "interpreter/tasks.hpp"

namespace evermill::interpreter {
namespace {

using namespace std::chrono_literals;

/// What a person is asked, evaluated.
struct asked {
  detail::human_task_spec spec;
  json question;
};

asked evaluate_ask(const context& ctx, instance& in, const frame& at, const dsl::ask_call& what) {
  const evaluation evaluate(ctx, in, at);
  const json& input = *at.input;
  asked made;
  made.spec.name = label_of(at.task->name);
  made.spec.title = evaluate.text(what.title, input);
  made.spec.assignee = evaluate.text(what.assignee, input);
  made.spec.candidate_groups = evaluate.text(what.candidate_groups, input);
  if (!what.form.is_null()) made.spec.form_schema = what.form.dump();
  if (what.timeout) made.spec.timeout = evaluate(*what.timeout, input);
  // A reminder without end must not be an execution that does nothing else.
  if (what.remind_every) made.spec.remind_every = std::max<std::chrono::microseconds>(evaluate(*what.remind_every, input), 1s);
  if (what.question) made.question = evaluate(*what.question, input);
  return made;
}

/// The input of `announce` and `remind`.
json notice_of(const asked& what, const std::string& task_id, const std::string& workflow_id, time_point now) {
  const auto& spec = what.spec;
  json notice = {{"taskId", task_id},
                 {"workflowId", workflow_id},
                 {"name", spec.name},
                 {"title", spec.title.empty() ? spec.name : spec.title},
                 {"assignee", spec.assignee},
                 {"candidateGroups", spec.candidate_groups},
                 {"question", what.question}};
  if (spec.timeout.count() > 0) notice["due"] = iso8601(now + spec.timeout);
  return notice;
}

/// Reminders, one after the other, until it is canceled. What becomes of one is nobody's concern.
task<void> keep_reminding(context ctx, instance_pointer in, frame_pointer at, list_reference reminder, value notice,
                          std::chrono::microseconds every) {
  for (;;) {
    co_await ctx.sleep(every);
    try {
      task<list_outcome> reminding = run_list(ctx, in, reminder, notice, at->locals, at->extended);
      static_cast<void>(co_await std::move(reminding));
    } catch (const fault&) {
    }
  }
}

/// Withdraws the question where nobody waits for the answer any more.
struct open_question {
  std::optional<future<payload>> answer;
  std::optional<future<void>> deadline;
  ~open_question() {
    if (answer && !answer->ready()) answer->cancel();
    if (deadline && !deadline->ready()) deadline->cancel();
  }
  future<payload> take() {
    future<payload> taken = std::move(*answer);
    answer.reset();
    return taken;
  }
};

struct reminders {
  cancellation_scope scope;
  std::optional<future<void>> part;
};
using reminders_pointer = std::shared_ptr<reminders>;

/// Waits until they have ended.
task<void> end_reminders(reminders_pointer which) {
  if (!which->part) co_return;
  which->scope.cancel("the task is done");
  try {
    co_await std::move(*which->part);
  } catch (const std::exception&) {  // how they ended does not matter
  }
}

}  // namespace

task<json> call_ask(context ctx, instance_pointer in, frame_pointer at) {
  const auto& what = std::get<dsl::ask_call>(std::get<dsl::call_task>(at->task->what).what);
  const asked asking = evaluate_ask(ctx, *in, *at, what);
  std::string task_id;
  open_question open;
  open.answer.emplace(ctx.open_human_task(asking.spec, json_payload(asking.question.dump()), task_id));
  if (asking.spec.timeout.count() > 0) open.deadline.emplace(ctx.sleep(asking.spec.timeout));
  const value notice = make_value(notice_of(asking, task_id, ctx.workflow_id(), ctx.now()));
  if (what.announce) {
    task<list_outcome> telling = run_list(ctx, in, {at->of, what.announce.get()}, notice, at->locals, at->extended);
    static_cast<void>(co_await std::move(telling));
  }
  const auto reminding = std::make_shared<reminders>(reminders{cancellation_scope(ctx), std::nullopt});
  if (what.remind && !open.answer->ready()) {
    reminding->part.emplace(ctx.spawn(keep_reminding(reminding->scope.inside(), in, at, {at->of, what.remind.get()}, notice,
                                                     asking.spec.remind_every)));
  }
  bool answered = true;
  if (open.deadline) answered = co_await race(*open.answer, *open.deadline) == 0;
  if (answered) {
    future<payload> taken = open.take();
    const payload given = co_await std::move(taken);
    task<void> ending = end_reminders(reminding);
    co_await std::move(ending);
    json answer = json_of(given);
    co_return answer;
  }
  future<void> over = std::move(*open.deadline);
  open.deadline.reset();
  co_await std::move(over);  // throws where all of the execution is canceled
  open.take().cancel();
  task<void> ending = end_reminders(reminding);
  co_await std::move(ending);
  throw fault(dsl::error_type::timeout, 408, "Timed out", "nobody completed the human task in time", at->pointer());
}

}  // namespace evermill::interpreter
