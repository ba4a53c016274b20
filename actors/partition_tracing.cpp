// What is told of runs, turns and attempts to those who look at traces, once it is durable. All ids follow from the run's id and from
// numbers in its journal: after a restart they are the same.
#include <algorithm>

#include "actors/partition.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill::actors {
namespace {

using tracing::span;

std::uint64_t attempt_span_id(const run& r, const messages::ActivityTask& task) {
  return tracing::span_id_of(r.header.run_id(), "attempt", task.scheduled_seq(), task.attempt(), task.dispatch_boot());
}

span begin_span(const run& r, const tracing::trace_context& where, std::string name) {
  span made;
  made.where = where;
  if (r.trace) made.state = r.trace->state;
  made.name = std::move(name);
  made.attributes.emplace_back("evermill.workflow.id", r.workflow_id);
  made.attributes.emplace_back("evermill.run.id", r.header.run_id());
  return made;
}

std::int64_t number(std::uint64_t value) { return static_cast<std::int64_t>(value); }

/// "error.type" is the name that OpenTelemetry has for it.
void fail(span& what, const messages::Failure& why) {
  what.how = span::status::error;
  what.message = why.message();
  what.attributes.emplace_back("error.type", why.type().empty() ? messages::Failure::Kind_Name(why.kind()) : why.type());
}

std::string event_name(const messages::Event& event) {
  const auto* const field = messages::Event::descriptor()->FindFieldByNumber(event.event_case());
  return field == nullptr ? std::string() : field->name();
}

std::string_view status_word(messages::ExecutionStatus status) {
  switch (status) {
    case messages::COMPLETED: return "completed";
    case messages::FAILED: return "failed";
    case messages::CANCELED: return "canceled";
    case messages::TERMINATED: return "terminated";
    case messages::TIMED_OUT: return "timed_out";
    case messages::CONTINUED_AS_NEW: return "continued_as_new";
    default: return "running";
  }
}

}  // namespace

/// Of the run itself. Where nobody is told of spans, there is none of it: its caller's stands in its place.
tracing::trace_context partition::trace_of(const run& r) const {
  if (options_.spans == nullptr) return r.trace ? r.trace->from : tracing::trace_context{};
  const std::string& id = r.header.run_id();
  tracing::trace_context where;
  if (r.trace) {
    where = r.trace->from;
  } else {
    where.trace_high = tracing::span_id_of(id, "trace high");
    where.trace_low = tracing::span_id_of(id, "trace low");
    where.flags = options_.spans->samples(where) ? 1 : 0;
  }
  where.span = tracing::span_id_of(id, "run");
  return where;
}

bool partition::is_traced(const run& r) const {
  return options_.spans != nullptr && !workflow::locks::is_lock(r.workflow_id) && trace_of(r).sampled();
}

void partition::set_trace(const run& r, messages::ActivityTask& task) const {
  if (options_.spans == nullptr && !r.trace) return;
  tracing::trace_context where = trace_of(r);
  if (options_.spans != nullptr) where.span = attempt_span_id(r, task);
  task.set_traceparent(tracing::to_traceparent(where));
  if (r.trace) task.set_tracestate(r.trace->state);
}

void partition::pass_on_trace(const run& r, messages::WorkflowExecutionStarted& to) const {
  if (options_.spans == nullptr && !r.trace) return;
  to.set_traceparent(tracing::to_traceparent(trace_of(r)));
  if (r.trace) to.set_tracestate(r.trace->state);
}

void partition::tell_turn(const run& r, event_seq first, const workflow::turn& turn) {
  if (!is_traced(r)) return;
  const tracing::trace_context of_run = trace_of(r);
  tracing::trace_context where = of_run;
  where.span = tracing::span_id_of(r.header.run_id(), "turn", first.value);
  span made = begin_span(r, where, "turn");
  made.parent = of_run.span;
  made.start_us = turn.record.time_us();
  made.end_us = made.start_us + std::chrono::ceil<std::chrono::microseconds>(turn.took).count();
  made.attributes.emplace_back("evermill.event.type", event_name(turn.record.events(0)));
  made.attributes.emplace_back("evermill.event.first", number(first.value));
  made.attributes.emplace_back("evermill.events", static_cast<std::int64_t>(turn.record.events_size()));
  gathering_.out.spans.push_back(std::move(made));
}

/// `attempt`: what its end says of it; null: it has none, as nobody wants to know.
void partition::tell_attempt(const run& r, const open_activity& activity, const messages::Attempt* attempt, std::string_view how,
                             const messages::Failure* failure) {
  const bool was_handed_out = activity.is != open_activity::phase::waiting || attempt != nullptr;
  if (!was_handed_out || activity.task == nullptr || !is_traced(r)) return;
  const messages::ActivityTask& task = *activity.task;
  const tracing::trace_context of_run = trace_of(r);
  tracing::trace_context where = of_run;
  where.span = attempt_span_id(r, task);
  span made = begin_span(r, where, "activity " + task.activity_type());
  made.parent = of_run.span;
  made.what = span::kind::client;
  made.start_us = attempt != nullptr ? attempt->started_us() : 0;
  if (made.start_us == 0) made.start_us = to_micros(activity.started);
  // Nobody could say when it began, or whether it has.
  const bool start_known = made.start_us != 0;
  if (!start_known) made.start_us = std::max(to_micros(activity.not_before), task.scheduled_us());
  made.end_us = std::max(made.start_us, to_micros(ports_.now()));
  made.attributes.emplace_back("evermill.activity.type", task.activity_type());
  made.attributes.emplace_back("evermill.task_queue", std::string(tasks::queue_of(task)));
  made.attributes.emplace_back("evermill.attempt", number(task.attempt()));
  made.attributes.emplace_back("evermill.outcome", std::string(how));
  if (!start_known) made.attributes.emplace_back("evermill.start", std::string("unknown"));
  if (attempt != nullptr && !attempt->worker().empty()) made.attributes.emplace_back("evermill.worker", attempt->worker());
  if (failure != nullptr) {
    fail(made, *failure);
  } else if (how == "completed") {
    made.how = span::status::ok;
  }
  gathering_.out.spans.push_back(std::move(made));
}

void partition::tell_attempt(const run& r, const open_activity& activity, const messages::Event& end) {
  if (options_.spans == nullptr) return;
  using E = messages::Event;
  switch (end.event_case()) {
    case E::kActivityTaskCompleted: return tell_attempt(r, activity, &end.activity_task_completed().attempt(), "completed", nullptr);
    case E::kActivityTaskFailed:
      return tell_attempt(r, activity, &end.activity_task_failed().attempt(), "failed", &end.activity_task_failed().failure());
    case E::kActivityTaskTimedOut:
      return tell_attempt(r, activity, &end.activity_task_timed_out().attempt(), "timed_out", &end.activity_task_timed_out().failure());
    case E::kActivityTaskCanceled: return tell_attempt(r, activity, &end.activity_task_canceled().attempt(), "canceled", nullptr);
    default: return;
  }
}

void partition::tell_run(const run& r, const messages::Event& end) {
  if (!is_traced(r)) return;
  const messages::ExecutionStatus status = status_after(end);
  span made = begin_span(r, trace_of(r), "workflow " + r.header.workflow_type());
  made.parent = r.trace ? r.trace->from.span : 0;
  made.what = span::kind::server;
  made.start_us = r.header.started_us();
  made.end_us = std::max(made.start_us, to_micros(r.time));
  made.attributes.emplace_back("evermill.workflow.type", r.header.workflow_type());
  made.attributes.emplace_back("evermill.status", std::string(status_word(status)));
  made.attributes.emplace_back("evermill.partition", static_cast<std::int64_t>(options_.id.value));
  if (r.parent) made.attributes.emplace_back("evermill.parent.workflow.id", r.parent->workflow_id());
  if (end.has_workflow_execution_failed()) {
    fail(made, end.workflow_execution_failed().failure());
  } else if (status == messages::TIMED_OUT || status == messages::TERMINATED) {
    made.how = span::status::error;
    made.attributes.emplace_back("error.type", std::string(status_word(status)));
    made.message = end.workflow_execution_terminated().reason();
  } else if (status != messages::CANCELED) {
    made.how = span::status::ok;
  }
  gathering_.out.spans.push_back(std::move(made));
}

}  // namespace evermill::actors
