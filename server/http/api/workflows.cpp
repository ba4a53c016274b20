// Executions: start them, look at them, wait for their ends.
#include <atomic>
#include <mutex>
#include <utility>

#include "base/encodings.hpp"
#include "engine/names.hpp"
#include "server/http/api/call.hpp"
#include "server/http/api/executions_json.hpp"

namespace evermill::server::http::api {
namespace {

using std::chrono::seconds;

constexpr std::size_t max_starts = 10'000;  // of one batch
constexpr std::size_t max_batch_bytes = 32u << 20;
constexpr std::size_t max_history_events = 1000;
constexpr seconds longest_wait{60};
constexpr std::uint64_t any_number = 9'999'999'999'999'999'999u;

struct start_request {
  std::string workflow_type;
  payload input;
  start_options options;
};

workflow_id_reuse reuse_of(object_reader& from) {
  const std::string name = from.text("reuse");
  if (name.empty()) return workflow_id_reuse::use_existing;
  const auto found = reuse_policies().find(name);
  if (found != reuse_policies().end()) return found->second;
  std::string known;
  for (const auto& [each, policy] : reuse_policies()) known += (known.empty() ? "" : ", ") + each;
  from.refuse("reuse", "is none of " + known);
}

start_request read_start(object_reader from) {
  start_request start;
  start.workflow_type = from.need_text("workflow_type");
  start.input = from.value("input").value_or(payload{});
  start.options.id = from.text("workflow_id");
  start.options.request_id = from.text("request_id");
  start.options.reuse = reuse_of(from);
  start.options.execution_timeout = from.duration("execution_timeout");
  start.options.run_timeout = from.duration("run_timeout");
  start.options.version = from.text("version");
  if (const auto signal = from.object("with_signal")) {
    object_reader members(*signal, from.place_of("with_signal."));
    start.options.with_signal = start_signal{members.need_text("name"), members.value("input").value_or(payload{})};
    members.finish();
  }
  from.finish();
  return start;
}

/// Who asks may be a part of a trace.
void take_trace(const call& from, start_options& to) {
  to.traceparent = from.what().header("traceparent");
  to.tracestate = from.what().header("tracestate");
}

void start_one(const call_ptr& call) {
  start_request start = read_start(call->body_object());
  take_trace(*call, start.options);
  const std::string by_header = call->request_id();
  if (!by_header.empty() && !start.options.request_id.empty() && by_header != start.options.request_id) {
    throw problem(problem_kind::invalid_argument, "\"request_id\" and the header Idempotency-Key differ");
  }
  if (!by_header.empty()) start.options.request_id = by_header;
  call->admit(start.options.id);
  call->control().start(start.workflow_type, std::move(start.input), std::move(start.options),
                        [call](std::optional<control_error> error, const started_execution& started) {
                          if (error) return call->fail(*error);
                          json_writer to;
                          write(to, {}, started);
                          call->answer(started.existed ? 200 : 201, to.take(),
                                       {{"Location", "/api/v1/namespaces/" + percent_encoded(call->path("namespace")) +
                                                         "/workflows/" + percent_encoded(started.workflow_id)}});
                        });
}

/// The outcomes of a batch, which come in any order; the last one answers.
class start_batch : public std::enable_shared_from_this<start_batch> {
 public:
  start_batch(call_ptr call, std::size_t count) : call_(std::move(call)), outcomes_(count), left_(count) {}

  void begin(std::size_t index, std::string_view text) {
    try {
      start_request start = read_start(object_reader(text, "starts[" + std::to_string(index) + "]."));
      call_->control().start(
          start.workflow_type, std::move(start.input), std::move(start.options),
          [me = shared_from_this(), index](std::optional<control_error> error, const started_execution& started) {
            json_writer to;
            to.begin_object();
            if (error) {
              to.raw("error", problem_json(problem(*error), {}));
            } else {
              write(to, "started", started);
            }
            me->end(index, to.end_object().take());
          });
    } catch (const problem& why) {
      end(index, json_writer().begin_object().raw("error", problem_json(why, {})).end_object().take());
    }
  }

 private:
  /// Each outcome is of its own memory: they are filled at once on several threads.
  void end(std::size_t index, std::string outcome) {
    outcomes_[index] = std::move(outcome);
    if (left_.fetch_sub(1) != 1) return;
    json_writer to;
    to.begin_object().begin_array("outcomes");
    for (const std::string& each : outcomes_) to.raw({}, each);
    call_->answer(200, to.end_array().end_object().take());
  }

  const call_ptr call_;
  std::vector<std::string> outcomes_;
  std::atomic<std::size_t> left_;
};

void start_many(const call_ptr& call) {
  object_reader body = call->body_object();
  const auto array = body.array("starts");
  if (!array) body.refuse("starts", "is missing");
  body.finish();
  const std::vector<json_part> starts = parts_of(*array);
  if (starts.size() > max_starts) body.refuse("starts", "has more than 10,000 items");
  call->admit({});
  if (starts.empty()) return call->answer(200, R"({"outcomes":[]})");
  const auto batch = std::make_shared<start_batch>(call, starts.size());
  for (std::size_t i = 0; i < starts.size(); ++i) batch->begin(i, starts[i].value);
}

void describe(const call_ptr& call) {
  call->on_thread([](const api::call& on) { on.answer(200, to_json(on.control().describe(on.path("workflow_id")))); });
}

void history(const call_ptr& call) {
  call->on_thread([](const api::call& on) {
    const std::size_t rows = on.query_number("page_size", max_history_events, max_history_events);
    history_page page =
        on.control().read_history(on.path("workflow_id"), on.query_number("run_number", any_number, 0),
                                  on.query_number("from_seq", any_number, 1), rows == 0 ? max_history_events : rows);
    on.answer(200, to_json(page));
  });
}

/// Answers with the end, or that there is none yet: whichever comes first of it, the time, the client's going and the
/// process's end.
class result_wait : public std::enable_shared_from_this<result_wait> {
 public:
  explicit result_wait(call_ptr call) : call_(std::move(call)) {}

  static void begin(const call_ptr& call, std::chrono::microseconds limit) {
    const std::string id = call->control().in_engine(call->path("workflow_id"));
    const auto wait = std::make_shared<result_wait>(call);
    api_parts& parts = call->parts();
    const std::weak_ptr<result_wait> weak = wait;
    const auto stop = [wait](const control_error& why) { wait->end([&why](const api::call& to) { to.fail(why); }); };
    const std::uint64_t ticket = parts.waits.entered(stop, call->record());
    if (ticket == 0) throw control_error(control_errc::overloaded, "too many requests wait for an end already");
    call->to()->on_gone([weak] {
      if (const auto here = weak.lock()) here->end(not_yet, false);
    });
    const auto handle =
        parts.source.on_end(id, [wait](std::optional<engine_error> error, execution_end end) {
          wait->end([&](const api::call& to) {
            if (error) return to.fail(to_control_error(*error));
            json_writer text;
            text.begin_object().text("workflow_id", to.path("workflow_id"));
            write_end(text, end);
            to.answer(200, text.end_object().take());
          });
        });
    // Only now: an end, or that there is no such execution, comes before the time is over.
    const auto alarm = parts.time.set_alarm(parts.time.now() + limit, [wait] { wait->end(not_yet, false); });
    wait->keep(ticket, alarm, handle);
  }

 private:
  static void not_yet(const call& to) {
    json_writer text;
    to.answer(
        202,
        text.begin_object().text("workflow_id", to.path("workflow_id")).text("status", "running").end_object().take());
  }

  /// What is held for the wait is let go when it has ended, which may be before all of it is there.
  void keep(std::uint64_t ticket, clock::alarm_id alarm, std::shared_ptr<void> handle) {
    {
      const std::lock_guard lock(mutex_);
      let_go_ = [&parts = parts_of_call(), ticket, alarm, handle = std::move(handle)]() mutable {
        parts.time.cancel_alarm(alarm);
        parts.waits.left(ticket);
        handle.reset();
      };
      if (!ended_) return;
    }
    release();
  }

  /// One at a time, until all is let go: whoever stops the API waits for an end that is being told. What must not wait (`patient`
  /// false: what `release` waits for itself) has nothing to do then.
  template <class F>
  void end(F&& answer, bool patient = true) {
    std::unique_lock ending(ending_, std::defer_lock);
    if (patient) {
      ending.lock();
    } else if (!ending.try_lock()) {
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(ended_, true)) return;
    }
    answer(*call_);
    release();
  }

  void release() {
    std::function<void()> let_go;
    {
      const std::lock_guard lock(mutex_);
      let_go.swap(let_go_);
    }
    if (let_go) let_go();
  }

  api_parts& parts_of_call() const { return call_->parts(); }

  const call_ptr call_;
  std::mutex ending_;
  std::mutex mutex_;  // of what follows
  bool ended_ = false;
  std::function<void()> let_go_;
};

void result(const call_ptr& call) {
  const auto limit = call->query_duration("wait", longest_wait, seconds(0));
  call->on_thread([limit](const api::call& on) {
    result_wait::begin(std::const_pointer_cast<api::call>(on.shared_from_this()), limit);
  });
}

}  // namespace

void add_workflow_routes(route_table& to) {
  using op = operation;
  const parameter key{
      "Idempotency-Key",
      "Names the request among those to its workflow id: the same one again within a day does nothing and has the same "
      "answer. In place of the body's `request_id`.",
      R"({"type": "string", "maxLength": 512})"};
  to.push_back(
      api_route{"POST", in_namespace("/workflows"), "startWorkflow", op::start_workflow, "", start_one, "workflows"}
          .says("Start an execution",
                "The same start again (id, type and input) finds what is there: 200 instead of 201. With "
                "`with_signal`: starts or "
                "signals, in one commit. Durable when it is answered.")
          .reads(key)
          .takes_object("StartWorkflow",
                        R"({"workflow_id": "order-1", "workflow_type": "fulfil_order", "input": ["book", "lamp"]})",
                        true, 0)
          .gives(201, "Started.", "StartedWorkflow")
          .gives(200, "It was there already; nothing was started.", "StartedWorkflow"));
  to.back().admits_later = true;
  to.push_back(api_route{"POST", in_namespace("/workflows:batch"), "startWorkflows", op::start_workflow, "", start_many,
                         "workflows"}
                   .says("Start many executions",
                         "Each for itself, and in any order. One outcome for each, in the order of the request. Each "
                         "start may have a "
                         "`request_id`.")
                   .takes_object("StartWorkflows",
                                 R"({"starts": [{"workflow_type": "fulfil_order", "input": ["cup"]}]})", true,
                                 max_batch_bytes)
                   .gives(200, "What became of each.", "StartOutcomes"));
  to.back().admits_later = true;
  to.push_back(
      api_route{"GET", in_namespace("/workflows/{workflow_id}"), "describeWorkflow", op::describe_workflow,
                "workflow_id", describe, "workflows"}
          .says("Describe an execution", "Its current run: how far it is, open activities with their tokens, timers.")
          .gives(200, "The execution.", "WorkflowDescription"));
  to.push_back(api_route{"GET", in_namespace("/workflows/{workflow_id}/result"), "getResult", op::get_result,
                         "workflow_id", result, "workflows"}
                   .says("Get the result, or wait for it",
                         "Follows continue-as-new. Where the execution has not ended within `wait`: 202; ask again. "
                         "Waiting costs the "
                         "server no thread.")
                   .asks({"wait", "How long to wait for the end, up to 60s.", R"({"type": "string", "default": "0s"})",
                          "\"0s\""})
                   .gives(200, "It has ended: see `status`.", "WorkflowResult")
                   .gives(202, "It has not ended yet.", "WorkflowResult"));
  to.push_back(api_route{"GET", in_namespace("/workflows/{workflow_id}/history"), "getHistory", op::get_history,
                         "workflow_id", history, "workflows"}
                   .says("Read the history",
                         "Events of one run. Go on with `from_seq` = `next_seq` of the page before; no events: there "
                         "are no more, for now.")
                   .asks({"from_seq", "The first event.", R"({"type": "integer", "minimum": 1, "default": 1})", "1"})
                   .asks({"run_number",
                          "Of which run: `run_number` or `next_run_number` of another page. Default: the current one.",
                          R"({"type": "integer", "minimum": 0})"})
                   .asks({"page_size", "How many events at most.",
                          R"({"type": "integer", "minimum": 1, "maximum": 1000})", "100"})
                   .gives(200, "A page.", "HistoryPage"));
}

}  // namespace evermill::server::http::api
