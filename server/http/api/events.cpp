// Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): of one execution, at the
// reader's pace and without a gap; of all, with what a slow reader can't take left out and counted.
#include <atomic>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "server/history_follower.hpp"
#include "server/http/api/call.hpp"
#include "server/http/api/executions_json.hpp"

namespace evermill::server::http::api {
namespace {

constexpr const char* event_stream_type = "text/event-stream; charset=utf-8";
constexpr std::size_t max_waiting_bytes = 1u << 20;  // of a slow watcher
constexpr std::size_t max_part_bytes = 64u << 10;
constexpr std::uint64_t largest_number = 9'999'999'999'999'999'999u;
constexpr const char* stopping_comment = ": the server stops; come again\n\n";

std::string place_text(std::uint64_t run_number, std::uint64_t seq) {
  return std::to_string(run_number) + ":" + std::to_string(seq);
}

/// "RUN:SEQ", as events have it for their id.
history_place place_after(std::string_view last_event_id) {
  const std::size_t colon = last_event_id.find(':');
  const auto number = [&](std::string_view text) -> std::uint64_t {
    std::uint64_t value = 0;
    const bool digits = !text.empty() && text.size() <= 19 && text.find_first_not_of("0123456789") == text.npos;
    for (const char c : digits ? text : std::string_view()) value = value * 10 + static_cast<std::uint64_t>(c - '0');
    if (!digits)
      throw problem(problem_kind::malformed_request, "the header Last-Event-ID is not the id of an event: RUN:SEQ");
    return value;
  };
  if (colon == std::string_view::npos) number({});
  return {number(last_event_id.substr(0, colon)), number(last_event_id.substr(colon + 1)) + 1};
}

/// Why a stream was told to end, and how its reader hears of it.
class stream_end {
 public:
  void set(const control_error& why) {
    const std::lock_guard lock(mutex_);
    if (!why_) why_ = why;
  }
  /// Of what it was told, else of `error`.
  std::string text_of(const control_error& error) const {
    const std::lock_guard lock(mutex_);
    const control_error& why = why_ ? *why_ : error;
    if (why.code() == control_errc::stopped) return stopping_comment;
    return "event: problem\ndata: " + problem_json(problem(why), {}) + "\n\n";
  }

 private:
  mutable std::mutex mutex_;
  std::optional<control_error> why_;
};

/// The follower is a place in a journal, and reads on when the connection has taken what was read before.
class history_source final : public body_source, public std::enable_shared_from_this<history_source> {
 public:
  history_source(call_ptr call, history_place from)
      : parts_(call->parts()),
        caller_(call->record()),
        follower_(history_follower::make(parts_.source, parts_.threads, call->control().in_engine(call->path("workflow_id")), from)) {}
  ~history_source() override { stop(); }

  bool enter() {
    const std::weak_ptr<history_source> weak = weak_from_this();
    const auto stop = [weak](const control_error& why) {
      const auto here = weak.lock();
      if (here == nullptr) return;
      here->told_end_.set(why);
      here->follower_->stop();  // whoever waits for more is told the end
    };
    ticket_ = parts_.followers.entered(stop, caller_);
    return ticket_ != 0;
  }

  void next(give told) override {
    if (ended_) return told({}, true);
    follower_->next(
        [me = shared_from_this(), told = std::move(told)](std::optional<control_error> error, history_chunk chunk) {
          if (error) return told(me->told_end_.text_of(*error), true);
          if (!chunk.ended) return told(text_of(chunk), false);
          told("event: end\ndata: {\"ended\":true}\n\n", true);
        });
  }
  std::string heartbeat() override { return ":\n\n"; }
  void stop() override {
    if (ended_.exchange(true)) return;
    follower_->stop();
    parts_.followers.left(ticket_);
  }

 private:
  static std::string text_of(const history_chunk& chunk) {
    std::string text;
    for (const history_event& each : chunk.events) {
      text +=
          "id: " + place_text(chunk.run_number, each.seq) + "\nevent: " + each.type + "\ndata: " + each.json + "\n\n";
    }
    return text;
  }

  api_parts& parts_;
  const std::shared_ptr<call_record> caller_;
  stream_end told_end_;
  const std::shared_ptr<history_follower> follower_;
  std::uint64_t ticket_ = 0;
  std::atomic<bool> ended_{false};
};

/// Events of all executions; a bounded number of bytes waits for a slow reader.
class watch_source final : public body_source, public std::enable_shared_from_this<watch_source> {
 public:
  watch_source(const call& of, std::shared_ptr<call_record> caller) : parts_(of.parts()), control_(of.control()), caller_(std::move(caller)) {}
  ~watch_source() override { stop(); }

  bool enter() {
    const std::weak_ptr<watch_source> weak = weak_from_this();
    const auto stop = [weak](const control_error& why) {
      const auto here = weak.lock();
      if (here == nullptr) return;
      here->told_end_.set(why);
      here->finish();
    };
    ticket_ = parts_.watchers.entered(stop, caller_);
    if (ticket_ == 0) return false;
    follow_ = control_.follow("", [weak](const execution_progress& progress) {
      if (const auto here = weak.lock()) here->push(progress);
    });
    return true;
  }

  void next(give told) override {
    std::unique_lock lock(mutex_);
    if (waiting_.empty() && !finished_) {
      told_ = std::move(told);
      return;
    }
    pass_on(lock, std::move(told));
  }
  std::string heartbeat() override { return ":\n\n"; }
  /// Not with the lock: whoever leaves waits for an event that is being pushed.
  void stop() override {
    if (stopped_.exchange(true)) return;
    follow_.reset();
    parts_.watchers.left(ticket_);
  }

 private:
  void push(const execution_progress& progress) {
    json_writer data;
    data.begin_object().text("workflow_id", progress.workflow_id).raw("event", progress.event.json).end_object();
    std::string text = "event: " + progress.event.type + "\ndata: " + data.take() + "\n\n";
    std::unique_lock lock(mutex_);
    if (bytes_ + text.size() > max_waiting_bytes) {
      ++left_out_;
      return;
    }
    if (const std::uint64_t missed = std::exchange(left_out_, 0); missed > 0) add(left_out_event(missed));
    add(std::move(text));
    if (told_) pass_on(lock, std::exchange(told_, nullptr));
  }

  static std::string left_out_event(std::uint64_t count) {
    return "event: left_out\ndata: {\"count\":" + std::to_string(count) + "}\n\n";
  }

  void add(std::string&& text) {
    bytes_ += text.size();
    waiting_.push_back(std::move(text));
  }

  void finish() {
    std::unique_lock lock(mutex_);
    finished_ = true;
    if (told_) pass_on(lock, std::exchange(told_, nullptr));
  }

  void pass_on(std::unique_lock<std::mutex>& lock, give told) {
    std::string part;
    while (!waiting_.empty() && part.size() < max_part_bytes) {
      part += waiting_.front();
      waiting_.pop_front();
    }
    bytes_ -= part.size();
    const bool end = finished_ && waiting_.empty();
    if (end) part += told_end_.text_of(control_error(control_errc::stopped, "the process is stopping"));
    lock.unlock();
    told(std::move(part), end);
  }

  api_parts& parts_;
  local_control control_;
  const std::shared_ptr<call_record> caller_;
  stream_end told_end_;
  std::uint64_t ticket_ = 0;
  std::shared_ptr<void> follow_;
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::deque<std::string> waiting_;
  std::size_t bytes_ = 0;
  std::uint64_t left_out_ = 0;
  bool finished_ = false;
  give told_;
};

response stream_head() { return {200, event_stream_type, {}, {{"X-Accel-Buffering", "no"}}}; }

/// Looks first whether there is such an execution, and whether anything can follow: a browser comes again after each
/// end, until it is told that nothing does.
void follow_one(const call_ptr& call) {
  const std::string_view last = trimmed(call->what().header("Last-Event-ID"));
  const history_place from =
      last.empty() ? history_place{call->query_number("run_number", largest_number, 0),
                                   std::max<std::uint64_t>(1, call->query_number("from_seq", largest_number, 1))}
                   : place_after(last);
  call->on_thread([from, again = !last.empty()](const api::call& on) {
    const history_page page = on.control().read_history(on.path("workflow_id"), from.run_number, from.next_seq, 1);
    if (again && page.events.empty() && page.ended && page.next_run == 0) return on.answer_nothing();
    const auto source =
        std::make_shared<history_source>(std::const_pointer_cast<api::call>(on.shared_from_this()), from);
    if (!source->enter()) throw control_error(control_errc::overloaded, "too many streams of events are open already");
    on.to()->stream(stream_head(), source);
  });
}

void watch_all(const call_ptr& call) {
  call->on_thread([](const api::call& on) {
    const auto source = std::make_shared<watch_source>(on, on.record());
    if (!source->enter())
      throw control_error(control_errc::overloaded, "too many streams of all events are open already");
    on.to()->stream(stream_head(), source);
  });
}

}  // namespace

void add_event_routes(route_table& to) {
  using op = operation;
  to.push_back(
      api_route{"GET", in_namespace("/workflows/{workflow_id}/events"), "followHistory", op::follow_history,
                "workflow_id", follow_one, "events"}
          .says("Follow an execution",
                "Server-sent events: each event of the history, from the one asked for, and each that follows as it "
                "becomes "
                "durable. None is left out, however slow the reader. `id` is RUN:SEQ, `event` the type, `data` the "
                "event as in "
                "the history. A comment every 15 s while nothing happens. Ends with `event: end`; asked again with the "
                "last "
                "event's id: 204.")
          .reads({"Last-Event-ID", "The id of the last event that was read: goes on behind it."})
          .asks({"from_seq", "The first event.", R"({"type": "integer", "minimum": 1, "default": 1})", "1"})
          .asks({"run_number", "Of which run. Default: the current one.", R"({"type": "integer", "minimum": 0})"})
          .gives(200, "The stream.", "EventStream", "text/event-stream")
          .gives(204, "The execution has ended, and nothing follows the last event that was read."));
  to.push_back(api_route{"GET", in_namespace("/events"), "watchEvents", op::watch_events, "", watch_all, "events"}
                   .says("Watch everything",
                         "Server-sent events of all executions as they become durable, from now on: for displays. "
                         "`data` has `workflow_id` "
                         "and `event`. What a slow reader can't take is left out; `event: left_out` says how many.")
                   .gives(200, "The stream.", "EventStream", "text/event-stream"));
}

}  // namespace evermill::server::http::api
