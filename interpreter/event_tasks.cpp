// emit and listen.
#include <utility>

#include "interpreter/evaluation.hpp"
#include "interpreter/items.hpp"
#include "interpreter/lifecycle.hpp"
#include "interpreter/listening.hpp"
#include "interpreter/loaded.hpp"
#include "interpreter/tasks.hpp"

namespace evermill::interpreter {
namespace {

json event_of(const context& ctx, instance& in, const frame& at, const dsl::emit_task& what) {
  const evaluation evaluate(ctx, in, at);
  json event = {{"specversion", "1.0"}, {"id", ctx.uuid()}, {"time", iso8601(ctx.now())}};
  for (const auto& [name, each] : what.event) event[name] = evaluate(each, *at.input);
  for (const char* name : {"id", "source", "type"}) {
    if (!event.contains(name) || !event[name].is_string() || event[name].get_ref<const std::string&>().empty()) {
      evaluate.fail("an event's `" + std::string(name) + "` must be a text");
    }
  }
  if (event["type"].get_ref<const std::string&>().size() > longest_event_type) {
    evaluate.fail("an event's `type` has at most " + std::to_string(longest_event_type) + " bytes");
  }
  if (event.contains("data") && !event.contains("datacontenttype")) event["datacontenttype"] = "application/json";
  return event;
}

}  // namespace

performed perform_emit(const context& ctx, instance& in, frame& at) {
  json event = event_of(ctx.labeled(label_of(at.pointer())), in, at, std::get<dsl::emit_task>(at.task->what));
  send_event(ctx.labeled(label_of(at.pointer())), event);
  return {make_value(std::move(event)), std::nullopt};
}

task<performed> perform_listen(context ctx, instance_pointer in, frame_pointer at) {
  const auto& what = std::get<dsl::listen_task>(at->task->what);
  const subscription events(ctx, what.to, "evermill.event/" + ctx.uuid());
  const evaluation evaluate(ctx, *in, *at);
  consumption taking(what.to);
  if (taking.correlates()) tell_workflow(ctx, *in, workflow_event::correlation_started);
  json consumed = json::array();
  json outputs = json::array();
  for (bool complete = false; !complete;) {
    const signal<json> told{.name = events.signal_name()};
    json came = co_await ctx.wait(told);
    const json event = without_secret_texts(std::move(came));
    const consumption::verdict verdict = taking.offer(event, evaluate, *at->input);
    if (verdict == consumption::verdict::finished) break;
    if (verdict == consumption::verdict::ignored) continue;
    json read = read_event(event, what.read);
    consumed.push_back(read);
    list_outcome left{make_value(std::move(read))};
    if (what.iterator) {
      task<list_outcome> doing = process_item(ctx, in, at, {&*what.iterator}, left.output, outputs.size());
      left = co_await std::move(doing);
    }
    outputs.push_back(*left.output);
    if (left.ends_workflow) {
      performed ended{make_value(std::move(outputs)), dsl::flow_directive{dsl::flow_directive::kind::end}};
      co_return ended;
    }
    complete = left.exited || taking.is_complete(evaluate, consumed);
  }
  if (taking.correlates()) {
    tell_workflow(ctx, *in, workflow_event::correlation_completed, {{"correlationKeys", json(taking.correlated())}});
  }
  performed done{make_value(std::move(outputs)), std::nullopt};
  co_return done;
}

}  // namespace evermill::interpreter
