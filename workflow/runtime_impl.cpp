#include "workflow/runtime_impl.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/namespaces.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "workflow/activity_options.hpp"
#include "workflow/child_id.hpp"
#include "workflow/conversions.hpp"
#include "workflow/lock_keeper.hpp"
#include "workflow/registry_data.hpp"

namespace evermill::detail {
namespace {

/// A protobuf message of defaults and no bytes at all are values, too.
bool has_value(const payload& p) noexcept { return p.type != payload::content_type::json || !p.data.empty(); }

void check_size(const char* what, const payload& value) {
  if (const auto why = workflow::too_large(value.data.size())) throw std::length_error("the " + std::string(what) + ": " + *why);
}

}  // namespace

using workflow::from_message;
using workflow::to_message;
using E = messages::Event;

// --- commands

/// Queries, and validations of updates, happen in no turn.
void runtime::check_may_ask() const {
  if (only_looking_) throw std::logic_error("a query's handler, or an update's validation, asked its context for something");
}

E& runtime::add_command() {
  check_may_ask();
  if (record_ == nullptr || continued_) {
    // A destructor asks while the coroutine is destroyed, or code after continue_as_new: nobody will hear of it.
    ignored_.Clear();
    return ignored_;
  }
  last_ = last_.next();
  return *record_->add_events();
}

cell_ref runtime::open(cell::kind what, std::uint64_t seq, std::string_view name) {
  cell_ref c(new cell);
  c->what = what;
  c->seq = seq;
  c->scope = scope_;
  c->name = name;
  if (what != cell::kind::signal && what != cell::kind::condition && what != cell::kind::part) open_.emplace(seq, c);
  return c;
}

cell_ref runtime::schedule_activity(std::string_view name, const activity_options& options, payload&& input) {
  require_name("activity's name", name);
  workflow::check(options);
  check_size("argument of an activity", input);
  auto& scheduled = *add_command().mutable_activity_task_scheduled();
  scheduled.set_activity_type(std::string(name));
  if (has_value(input)) to_message(std::move(input), *scheduled.mutable_input());
  workflow::to_message(options, scheduled);
  set_label(scheduled);
  cell_ref c = open(cell::kind::activity, last_.value, name);
  c->cancellation = options.cancellation;
  return c;
}

cell_ref runtime::start_child(std::string_view type, const child_options& options, payload&& input) {
  require_name("child workflow's name", type);
  if (!options.id.empty()) require_name("child's workflow id", options.id);
  if (workflow::locks::is_reserved(options.id) && !workflow::locks::is_reserved(type)) {
    throw std::invalid_argument("a child's workflow id can't begin with \"" + std::string(workflow::locks::reserved_prefix) +
                                "\": such ids are evermill's own");
  }
  if (options.execution_timeout.count() < 0 || options.run_timeout.count() < 0) {
    throw std::invalid_argument("a child's timeout is negative");
  }
  check_size("input of a child workflow", input);
  using initiated_event = messages::StartChildWorkflowExecutionInitiated;
  initiated_event& initiated = *add_command().mutable_start_child_workflow_execution_initiated();
  initiated.set_workflow_type(std::string(type));
  initiated.set_workflow_id(options.id.empty() ? workflow::child_id(workflow_id_, run_, last_) : std::string(options.id));
  if (has_value(input)) to_message(std::move(input), *initiated.mutable_input());
  initiated.set_parent_close_policy(static_cast<initiated_event::ParentClosePolicy>(options.when_parent_closes));
  initiated.set_reuse_policy(static_cast<messages::WorkflowIdReusePolicy>(options.reuse));
  initiated.set_execution_timeout_us(options.execution_timeout.count());
  initiated.set_run_timeout_us(options.run_timeout.count());
  initiated.set_version(std::string(options.version));
  set_label(initiated);
  return open(cell::kind::child, last_.value, type);
}

cell_ref runtime::start_timer(std::chrono::microseconds delay) {
  const timestamp fire_at = now_ + std::clamp(delay, std::chrono::microseconds(0), timestamp::max() - now_);
  auto& started = *add_command().mutable_timer_started();
  started.set_fire_at_us(to_micros(fire_at));
  set_label(started);
  return open(cell::kind::timer, last_.value, {});
}

cell_ref runtime::wait_signal(std::string_view name) {
  check_may_ask();
  require_name("signal's name", name);
  cell_ref c = open(cell::kind::signal, 0, name);
  const auto buffered = unread_.find(name);
  if (buffered == unread_.end()) {
    signal_waits_.push_back(c);
    return c;
  }
  settle_value(*c.get(), std::move(buffered->second.front()));
  buffered->second.pop_front();
  const auto first = std::find_if(signal_order_.begin(), signal_order_.end(),
                                  [&](const auto& signal) { return signal.first == name; });
  signal_order_.erase(first);
  if (buffered->second.empty()) unread_.erase(buffered);
  return c;
}

cell_ref runtime::wait_signal(std::string_view name, std::chrono::microseconds timeout) {
  cell_ref c = wait_signal(name);
  c->timed = true;
  if (c->is != cell::state::pending) return c;
  start_timer(timeout);
  c->seq = last_.value;
  open_.erase(last_.value);
  timed_waits_.emplace(last_.value, c);
  return c;
}

cell_ref runtime::schedule_step(std::string_view name, std::function<payload()> run) {
  require_name("step's name", name);
  auto& scheduled = *add_command().mutable_step_scheduled();
  scheduled.set_name(std::string(name));
  set_label(scheduled);
  steps_.emplace(last_.value, std::move(run));
  new_steps_.push_back(last_.value);
  return open(cell::kind::step, last_.value, name);
}

void runtime::continue_as_new(payload&& input) {
  check_may_ask();
  definition_.check_input(input);
  check_size("input of continue_as_new", input);
  complete_updates();
  for (open_update& each : open_updates_) unfinished_updates_.push_back(std::move(each.accepted));
  close_open_commands();
  auto& next = *add_command().mutable_workflow_execution_continued_as_new();
  next.set_workflow_type(definition_.name);
  if (has_value(input)) to_message(std::move(input), *next.mutable_input());
  closed_ = true;
  continued_ = true;
}

void runtime::cancel_command(cell& c) {
  switch (c.what) {
    case cell::kind::activity: return cancel_activity(c);
    case cell::kind::timer: add_command().mutable_timer_canceled()->set_started_seq(c.seq); return;
    case cell::kind::child: {
      auto& request = *add_command().mutable_request_cancel_child_workflow_execution_initiated();
      request.set_initiated_seq(c.seq);
      request.set_reason(cancel_reason_);
      return;
    }
    case cell::kind::signal:
      if (c.seq != 0) add_command().mutable_timer_canceled()->set_started_seq(c.seq);
      return;
    case cell::kind::human_task: add_command().mutable_human_task_canceled()->set_created_seq(c.seq); return;
    case cell::kind::lock: release_lock(c.seq); return;
    case cell::kind::step:  // runs to its end
    case cell::kind::part:  // the same
    case cell::kind::condition: return;
  }
}

void runtime::cancel_activity(cell& c) {
  if (c.cancellation == activity_cancellation::abandon || std::exchange(c.cancel_requested, true)) return;
  auto& request = *add_command().mutable_activity_task_cancel_requested();
  request.set_scheduled_seq(c.seq);
  request.set_wait_for_end(c.cancellation == activity_cancellation::wait_cancellation_completed);
}

void runtime::cancel(cell& c) {
  if (c.is != cell::state::pending) return;
  const cell_ref keep(&c);
  cancel_command(c);
  const bool activity = c.what == cell::kind::activity;
  if (activity && c.cancellation == activity_cancellation::wait_cancellation_completed) return;  // its end settles it
  open_.erase(c.seq);
  timed_waits_.erase(c.seq);
  const bool goes_on = activity && c.cancellation == activity_cancellation::abandon;
  if (goes_on || c.what == cell::kind::step || c.what == cell::kind::child) ignored_ends_.emplace(c.seq, c.what);
  std::erase_if(signal_waits_, [&](const cell_ref& other) { return other.get() == &c; });
  std::erase_if(conditions_, [&](const auto& each) { return each.first.get() == &c; });
  settle_error(c, canceled_error(cancel_reason_));
}

/// SplitMix64 over the run's seed: the same numbers in every replay.
std::uint64_t runtime::random() {
  check_may_ask();
  random_state_ += 0x9e3779b97f4a7c15;
  std::uint64_t z = random_state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// --- settling

void runtime::settle(cell& c) {
  c.settled_as = ++settled_;
  if (c.waiting == nullptr || c.waiting->woken) return;
  if (c.waiting->needed > 1 && c.is != cell::state::error) {
    --c.waiting->needed;
    return;
  }
  c.waiting->woken = true;
  ready_.push_back(c.waiting->coroutine);
}

void runtime::settle_value(cell& c, std::optional<payload> value) {
  c.value = std::move(value);
  c.is = cell::state::value;
  settle(c);
}

template <class Error>
void runtime::settle_error(cell& c, const Error& error) {
  c.error = std::make_exception_ptr(error);
  c.is = cell::state::error;
  settle(c);
}

cell_ref runtime::take(std::uint64_t seq) {
  const auto it = open_.find(seq);
  if (it == open_.end()) return {};
  cell_ref c = std::move(it->second);
  open_.erase(it);
  return c;
}

template <class Completed>
void runtime::complete(std::uint64_t seq, const Completed& event) {
  const cell_ref c = take(seq);
  settle_value(*c.get(), event.has_result() ? std::optional(from_message(event.result())) : std::nullopt);
}

void runtime::fail_activity(std::uint64_t seq, const messages::Failure& why) {
  const cell_ref c = take(seq);
  settle_error(*c.get(), activity_error(c->name, from_message(why)));
}

void runtime::fail_child(std::uint64_t seq, failure why) {
  const cell_ref c = take(seq);
  settle_error(*c.get(), child_workflow_error(c->name, std::move(why)));
}

// --- decision events

std::optional<runtime::closing> runtime::closed_by(const messages::Event& decision) {
  using kind = cell::kind;
  switch (decision.event_case()) {
    case E::kActivityTaskCompleted: return closing{kind::activity, decision.activity_task_completed().scheduled_seq()};
    case E::kActivityTaskFailed: return closing{kind::activity, decision.activity_task_failed().scheduled_seq()};
    case E::kActivityTaskTimedOut: return closing{kind::activity, decision.activity_task_timed_out().scheduled_seq()};
    case E::kActivityTaskCanceled: return closing{kind::activity, decision.activity_task_canceled().scheduled_seq()};
    case E::kTimerFired: return closing{kind::timer, decision.timer_fired().started_seq()};
    case E::kChildWorkflowExecutionCompleted:
      return closing{kind::child, decision.child_workflow_execution_completed().initiated_seq()};
    case E::kChildWorkflowExecutionFailed:
      return closing{kind::child, decision.child_workflow_execution_failed().initiated_seq()};
    case E::kChildWorkflowExecutionCanceled:
      return closing{kind::child, decision.child_workflow_execution_canceled().initiated_seq()};
    case E::kChildWorkflowExecutionTerminated:
      return closing{kind::child, decision.child_workflow_execution_terminated().initiated_seq()};
    case E::kChildWorkflowExecutionTimedOut:
      return closing{kind::child, decision.child_workflow_execution_timed_out().initiated_seq()};
    case E::kStartChildWorkflowExecutionFailed:
      return closing{kind::child, decision.start_child_workflow_execution_failed().initiated_seq()};
    case E::kMarkerRecorded: return closing{kind::step, decision.marker_recorded().scheduled_seq()};
    case E::kHumanTaskCompleted: return closing{kind::human_task, decision.human_task_completed().created_seq()};
    case E::kLockGranted: return closing{kind::lock, decision.lock_granted().requested_seq()};
    default: return std::nullopt;
  }
}

bool runtime::concerns(const messages::Event& decision) const {
  if (const auto closes = closed_by(decision)) {
    if (const auto it = open_.find(closes->seq); it != open_.end()) return it->second->what == closes->what;
    if (closes->what == cell::kind::timer) return timed_waits_.contains(closes->seq);
    const auto ignored = ignored_ends_.find(closes->seq);
    return ignored != ignored_ends_.end() && ignored->second == closes->what;
  }
  switch (decision.event_case()) {
    case E::kWorkflowExecutionStarted: return root_ == nullptr;
    case E::kWorkflowExecutionSignaled:
    case E::kWorkflowExecutionCancelRequested: return root_ != nullptr;
    case E::kWorkflowExecutionUpdateAccepted:
      return update_handlers_.contains(decision.workflow_execution_update_accepted().update_name());
    case E::kHumanTaskAssigned: {
      const auto it = open_.find(decision.human_task_assigned().created_seq());
      return it != open_.end() && it->second->what == cell::kind::human_task;
    }
    default: return false;
  }
}

void runtime::handle(const messages::Event& decision, messages::TurnRecord& record, timestamp time) {
  now_ = time;
  last_ = last_.next();
  record_ = &record;
  apply(decision);  // in the record it keeps its place when commands are added: the field holds pointers
  run_ready();
  for (const auto& update : std::exchange(carried_updates_, {})) {
    if (!closed_ && !root_->done()) begin_update(update);
  }
  run_ready();
  if (std::exchange(carried_cancel_, false) && !closed_ && !root_->done()) {
    interrupt();
    run_ready();
  }
  if (!closed_ && refused_.empty()) complete_updates();
  if (!closed_ && refused_.empty() && root_ && root_->done()) finish();
  record_ = nullptr;
}

void runtime::apply(const messages::Event& decision) {
  if (const auto closes = closed_by(decision); closes && ignored_ends_.erase(closes->seq) > 0) {
    steps_.erase(closes->seq);
    return;
  }
  switch (decision.event_case()) {
    case E::kWorkflowExecutionStarted: return on_started(decision.workflow_execution_started());
    case E::kWorkflowExecutionSignaled: return on_signal(decision.workflow_execution_signaled());
    case E::kWorkflowExecutionUpdateAccepted: return on_update(decision.workflow_execution_update_accepted());
    case E::kWorkflowExecutionCancelRequested:
      return on_cancel(decision.workflow_execution_cancel_requested().reason());
    case E::kActivityTaskCompleted:
      return complete(decision.activity_task_completed().scheduled_seq(), decision.activity_task_completed());
    case E::kActivityTaskFailed:
      return fail_activity(decision.activity_task_failed().scheduled_seq(), decision.activity_task_failed().failure());
    case E::kActivityTaskTimedOut:
      return fail_activity(decision.activity_task_timed_out().scheduled_seq(),
                           decision.activity_task_timed_out().failure());
    case E::kActivityTaskCanceled: {
      const auto canceled = open_.find(decision.activity_task_canceled().scheduled_seq());
      if (canceled->second->cancel_requested) {
        const cell_ref c = take(canceled->first);
        return settle_error(*c.get(), canceled_error(cancel_reason_));
      }
      messages::Failure why;
      why.set_kind(messages::Failure::CANCELED);
      why.set_type("Canceled");
      why.set_message("the attempt was canceled");
      return fail_activity(decision.activity_task_canceled().scheduled_seq(), why);
    }
    case E::kTimerFired: return on_timer(decision.timer_fired().started_seq());
    case E::kChildWorkflowExecutionCompleted:
      return complete(decision.child_workflow_execution_completed().initiated_seq(),
                      decision.child_workflow_execution_completed());
    case E::kChildWorkflowExecutionFailed:
      return fail_child(decision.child_workflow_execution_failed().initiated_seq(),
                        from_message(decision.child_workflow_execution_failed().failure()));
    case E::kChildWorkflowExecutionCanceled:
      return fail_child(decision.child_workflow_execution_canceled().initiated_seq(),
                        {failure_kind::canceled, "Canceled", "the child was canceled", {}, true, nullptr});
    case E::kChildWorkflowExecutionTerminated:
      return fail_child(decision.child_workflow_execution_terminated().initiated_seq(),
                        {failure_kind::terminated, "Terminated",
                         decision.child_workflow_execution_terminated().reason(), {}, true, nullptr});
    case E::kChildWorkflowExecutionTimedOut:
      return fail_child(decision.child_workflow_execution_timed_out().initiated_seq(),
                        {failure_kind::timed_out, "TimedOut", "the child timed out", {}, true, nullptr});
    case E::kStartChildWorkflowExecutionFailed:
      return fail_child(decision.start_child_workflow_execution_failed().initiated_seq(),
                        from_message(decision.start_child_workflow_execution_failed().failure()));
    case E::kMarkerRecorded: return on_marker(decision.marker_recorded());
    case E::kHumanTaskCompleted: return on_answer(decision.human_task_completed());
    case E::kLockGranted: return on_lock(decision.lock_granted().requested_seq());
    default: return;
  }
}

void runtime::on_started(const messages::WorkflowExecutionStarted& started) {
  workflow_id_ = namespaces::plain(started.workflow_id());
  run_id_ = started.run_id();
  random_state_ = started.random_seed();
  for (const auto& signal : started.carried_signals()) on_signal(signal);
  cancel_requested_ = carried_cancel_ = started.cancel_requested();
  carried_updates_.assign(started.carried_updates().begin(), started.carried_updates().end());
  try {
    root_ = definition_.start(*this, from_message(started.input()));
    ready_.push_back(root_->coroutine());
  } catch (...) {
    to_message(current_failure(), *add_command().mutable_workflow_execution_failed()->mutable_failure());
    closed_ = true;
  }
}

/// The first wait for the signal, taken off the list and its timer canceled; null: nobody waits.
cell_ref runtime::take_wait(const std::string& signal) {
  const auto wait = std::find_if(signal_waits_.begin(), signal_waits_.end(),
                                 [&](const cell_ref& c) { return c->name == signal; });
  if (wait == signal_waits_.end()) return {};
  cell_ref c = std::move(*wait);
  signal_waits_.erase(wait);
  if (c->seq != 0) {
    timed_waits_.erase(c->seq);
    add_command().mutable_timer_canceled()->set_started_seq(c->seq);
  }
  return c;
}

void runtime::on_signal(const messages::WorkflowExecutionSignaled& signaled) {
  // A wait that nobody holds any more must not swallow the signal.
  while (const cell_ref c = take_wait(signaled.signal_name())) {
    if (c->references == 1) continue;
    return settle_value(*c.get(), from_message(signaled.input()));
  }
  unread_[signaled.signal_name()].push_back(from_message(signaled.input()));
  signal_order_.emplace_back(signaled.signal_name(), ++signals_seen_);
}

void runtime::on_timer(std::uint64_t seq) {
  if (const cell_ref c = take(seq)) return settle_value(*c.get(), std::nullopt);
  const auto timed = timed_waits_.find(seq);
  const cell_ref c = timed->second;
  timed_waits_.erase(timed);
  std::erase_if(signal_waits_, [&](const cell_ref& other) { return other.get() == c.get(); });
  settle_value(*c.get(), std::nullopt);
}

void runtime::on_marker(const messages::MarkerRecorded& marker) {
  steps_.erase(marker.scheduled_seq());
  const cell_ref c = take(marker.scheduled_seq());
  if (marker.has_failure()) return settle_error(*c.get(), step_error(c->name, from_message(marker.failure())));
  settle_value(*c.get(), marker.has_result() ? std::optional(from_message(marker.result())) : std::nullopt);
}

void runtime::on_cancel(const std::string& reason) {
  if (cancel_requested_) return;
  cancel_requested_ = true;
  cancel_reason_ = reason;
  interrupt();
}

/// Everything that is awaited, or could be, throws canceled_error once; what is asked for later is not touched.
void runtime::interrupt() {
  for (const cell_ref& c : pending()) {
    if (interrupted_by(c->scope, 0)) cancel(*c.get());
  }
}

/// What is open, in the order of commands; waits without one behind.
std::vector<cell_ref> runtime::pending() const {
  std::vector<cell_ref> found;
  for (const auto& [seq, c] : open_) found.push_back(c);
  for (const auto& [seq, c] : timed_waits_) found.push_back(c);
  std::sort(found.begin(), found.end(), [](const cell_ref& a, const cell_ref& b) { return a->seq < b->seq; });
  for (const cell_ref& c : signal_waits_) {
    if (c->seq == 0) found.push_back(c);
  }
  for (const auto& [c, holds] : conditions_) found.push_back(c);
  return found;
}

void runtime::run_ready() {
  do {
    while (!closed_ && refused_.empty() && !ready_.empty()) {
      const std::coroutine_handle<> next = ready_.front();
      ready_.pop_front();
      next.resume();
    }
    std::erase_if(parts_, [](const auto& part) { return part->done(); });
  } while (!closed_ && refused_.empty() && settle_conditions());
}

/// What is still open when the workflow ends is not wanted any more.
void runtime::close_open_commands() {
  for (const cell_ref& c : pending()) {
    if (c->what == cell::kind::timer || c->what == cell::kind::signal || c->what == cell::kind::activity ||
        c->what == cell::kind::human_task) {
      cancel_command(*c.get());
    }
  }
  open_.clear();
  timed_waits_.clear();
  signal_waits_.clear();
  conditions_.clear();
  ignored_ends_.clear();
  steps_.clear();
  new_steps_.clear();
}

void runtime::finish() {
  closed_ = true;
  close_open_commands();
  end_updates();
  try {
    std::optional<payload> result = root_->take();
    if (result) check_size("workflow's result", *result);
    auto& completed = *add_command().mutable_workflow_execution_completed();
    if (result) to_message(std::move(*result), *completed.mutable_result());
  } catch (const canceled_error&) {
    if (cancel_requested_) {
      add_command().mutable_workflow_execution_canceled()->set_reason(cancel_reason_);
    } else {
      to_message(current_failure(), *add_command().mutable_workflow_execution_failed()->mutable_failure());
    }
  } catch (...) {
    to_message(current_failure(), *add_command().mutable_workflow_execution_failed()->mutable_failure());
  }
}

std::vector<messages::WorkflowExecutionSignaled> runtime::unread_in_order() const {
  std::map<std::string, std::size_t> next;
  std::vector<messages::WorkflowExecutionSignaled> signals;
  for (const auto& [name, order] : signal_order_) {
    messages::WorkflowExecutionSignaled& signal = signals.emplace_back();
    signal.set_signal_name(name);
    to_message(unread_.at(name)[next[name]++], *signal.mutable_input());
  }
  return signals;
}

// --- the functions of evermill/runtime.hpp

cell_ref schedule_activity(runtime& rt, std::string_view name, const activity_options& options, payload input) {
  return rt.schedule_activity(name, options, std::move(input));
}
cell_ref start_child(runtime& rt, std::string_view type, const child_options& options, payload input) {
  return rt.start_child(type, options, std::move(input));
}
cell_ref start_timer(runtime& rt, std::chrono::microseconds delay) { return rt.start_timer(delay); }
cell_ref wait_signal(runtime& rt, std::string_view name) { return rt.wait_signal(name); }
cell_ref wait_signal(runtime& rt, std::string_view name, std::chrono::microseconds timeout) {
  return rt.wait_signal(name, timeout);
}
cell_ref schedule_step(runtime& rt, std::string_view name, std::function<payload()> run) {
  return rt.schedule_step(name, std::move(run));
}
cell_ref wait_until(runtime& rt, std::function<bool()> holds) { return rt.wait_until(std::move(holds)); }
void continue_as_new(runtime& rt, payload input) { rt.continue_as_new(std::move(input)); }
void cancel(runtime& rt, cell& c) { rt.cancel(c); }
bool patched(runtime& rt, std::string_view id) { return rt.patched(id); }
void enter(runtime& rt, std::uint32_t scope, std::uint32_t label) noexcept {
  rt.scope_ = scope;
  rt.label_ = label;
}
std::uint32_t new_scope(runtime& rt, std::uint32_t parent, bool shielded) { return rt.new_scope(parent, shielded); }
void cancel_scope(runtime& rt, std::uint32_t scope, std::string_view reason) { rt.cancel_scope(scope, reason); }
bool scope_canceled(const runtime& rt, std::uint32_t scope) noexcept { return rt.scope_canceled(scope); }
std::uint64_t add_query_handler(runtime& rt, std::string_view name, std::function<payload(const payload&)> answer) {
  return rt.add_query_handler(name, std::move(answer));
}
std::uint64_t add_update_handler(runtime& rt, std::string_view name, update_functions functions) {
  return rt.add_update_handler(name, std::move(functions));
}
void remove_handler(runtime& rt, std::uint64_t id) noexcept { rt.remove_handler(id); }
void make_ready(runtime& rt, std::coroutine_handle<> coroutine) { rt.make_ready(coroutine); }
std::chrono::sys_time<std::chrono::microseconds> now(const runtime& rt) { return rt.now_; }
std::uint64_t random(runtime& rt) { return rt.random(); }
bool replaying(const runtime& rt) { return rt.replaying_; }
bool cancel_requested(const runtime& rt) { return rt.cancel_requested_; }
const std::string& workflow_id(const runtime& rt) { return rt.workflow_id_; }
const std::string& run_id(const runtime& rt) { return rt.run_id_; }
const std::string& name_of_workflow(const runtime& rt, const void* function) {
  return rt.definition_.owner->name_of(function);
}

std::string uuid(runtime& rt) {
  struct source final : random_source {
    explicit source(runtime& from) : rt(from) {}
    std::uint64_t next() override { return rt.random(); }
    runtime& rt;
  } numbers(rt);
  return make_uuid(numbers);
}

void write_log(runtime& rt, log_level level, std::string_view message) {
  if (!rt.replaying_) rt.log_lines_.push_back({level, std::string(message)});
}

}  // namespace evermill::detail
