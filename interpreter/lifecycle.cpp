#include "interpreter/lifecycle.hpp"

#include <string_view>
#include <utility>

namespace evermill::interpreter {
namespace {

struct described {
  std::string_view type;  ///< behind "io.serverlessworkflow."
  std::string_view at;    ///< the property that says when
  std::string_view phase; ///< that it has come to; "" where it stays in its own
};

described of_task(task_event what) {
  switch (what) {
    case task_event::started: return {"task.started.v1", "startedAt", "running"};
    case task_event::retried: return {"task.retried.v1", "retriedAt", "running"};
    case task_event::cancelled: return {"task.cancelled.v1", "cancelledAt", "cancelled"};
    case task_event::completed: break;
  }
  return {"task.completed.v1", "completedAt", "completed"};
}

described of_workflow(workflow_event what) {
  switch (what) {
    case workflow_event::started: return {"workflow.started.v1", "startedAt", "running"};
    case workflow_event::correlation_started: return {"workflow.correlation-started.v1", "startedAt", ""};
    case workflow_event::correlation_completed: return {"workflow.correlation-completed.v1", "completedAt", ""};
    case workflow_event::cancelled: return {"workflow.cancelled.v1", "cancelledAt", "cancelled"};
    case workflow_event::completed: break;
  }
  return {"workflow.completed.v1", "completedAt", "completed"};
}

/// "order-7.shop": the execution and the workflow's namespace.
std::string name_of(const instance& in) { return in.workflow_id + "." + in.main->definition->workflow_namespace; }

void send(const context& ctx, const instance& in, std::string_view type, json data) {
  std::string full("io.serverlessworkflow.");
  full.append(type);
  send_event(ctx, {{"specversion", "1.0"},
                   {"id", ctx.uuid()},
                   {"source", "evermill://" + in.workflow_id},
                   {"type", std::move(full)},
                   {"time", iso8601(ctx.now())},
                   {"datacontenttype", "application/json"},
                   {"data", std::move(data)}});
}

void send_of_task(const context& ctx, const instance& in, const frame& at, const described& what, json more) {
  json data = {{"workflow", name_of(in)}, {"task", at.pointer()}, {what.at, iso8601(ctx.now())}};
  data.update(more);
  send(ctx, in, what.type, std::move(data));
  send(ctx, in, "task.status-changed.v1",
       {{"workflow", name_of(in)}, {"task", at.pointer()}, {"updatedAt", iso8601(ctx.now())}, {"status", what.phase}});
}

void send_of_workflow(const context& ctx, const instance& in, const described& what, json more) {
  json data = {{"name", name_of(in)}, {what.at, iso8601(ctx.now())}};
  data.update(more);
  send(ctx, in, what.type, std::move(data));
  if (what.phase.empty()) return;
  send(ctx, in, "workflow.status-changed.v1",
       {{"name", name_of(in)}, {"updatedAt", iso8601(ctx.now())}, {"status", what.phase}});
}

/// That a `try` is done again is recorded by itself, as it knows when.
void record_event(instance& in, const frame& at, task_event what, time_point now) {
  if (!in.is_recorded(at)) return;
  switch (what) {
    case task_event::started: return in.records.begin(*at.task, now);
    case task_event::cancelled: return in.records.end(*at.task, task_phase::cancelled, now);
    case task_event::completed: return in.records.end(*at.task, task_phase::completed, now);
    case task_event::retried: return;
  }
}

}  // namespace

void tell_task(const context& ctx, instance& in, const frame& at, task_event what) {
  record_event(in, at, what, ctx.now());
  if (!in.tells_tasks) return;
  json more = json::object();
  if (what == task_event::started) {
    send(ctx, in, "task.created.v1", {{"workflow", name_of(in)}, {"task", at.pointer()}, {"createdAt", iso8601(ctx.now())}});
  }
  if (what == task_event::completed && at.output != nullptr) more["output"] = *at.output;
  send_of_task(ctx, in, at, of_task(what), std::move(more));
}

void tell_fault(const context& ctx, instance& in, const frame& at, const fault& why) {
  if (in.is_recorded(at)) in.records.end(*at.task, task_phase::faulted, ctx.now(), in_short(why.error()));
  if (in.tells_tasks) send_of_task(ctx, in, at, {"task.faulted.v1", "faultedAt", "faulted"}, {{"error", why.error()}});
}

void tell_workflow(const context& ctx, const instance& in, workflow_event what, json data) {
  if (in.tells_workflow) send_of_workflow(ctx, in, of_workflow(what), std::move(data));
}

void tell_workflow_fault(const context& ctx, const instance& in, const fault& why) {
  if (in.tells_workflow) send_of_workflow(ctx, in, {"workflow.faulted.v1", "faultedAt", "faulted"}, {{"error", why.error()}});
}

void send_event(const context& ctx, const json& event) {
  event_message told;
  told.kind = "event";
  told.event = event;
  const auto& type = event.at("type").get_ref<const std::string&>();
  ctx.send(event_bus_of(type), event_bus_signal, told);
  ctx.send(bus_of_all_events, event_bus_signal, told);
}

}  // namespace evermill::interpreter
