// What a turn does to the journal, the rows beside it, and the world.
#include <algorithm>
#include <limits>
#include <utility>

#include "actors/partition.hpp"
#include "base/check.hpp"
#include "base/namespaces.hpp"
#include "base/planted.hpp"
#include "evermill/registry.hpp"

namespace evermill::actors {
namespace {

constexpr std::uint64_t open_work_refresh_events = 64;

/// No deadline overflows.
std::int64_t later(std::int64_t time_us, std::int64_t delay_us) {
  return delay_us < std::numeric_limits<std::int64_t>::max() - time_us ? time_us + delay_us
                                                                      : std::numeric_limits<std::int64_t>::max();
}

}  // namespace

void partition::append_turn(run& r, workflow::turn&& turn, const origin& from) {
  EVERMILL_CHECK(r.state_known && !turn.record.events().empty(), "a turn is appended to a journal whose end is known");
  const event_seq first = r.last.next();
  r.last = event_seq(r.last.value + static_cast<std::uint64_t>(turn.record.events_size()));
  r.time = std::max(r.time, from_micros(turn.record.time_us()));
  for (messages::Event& event : *turn.record.mutable_events()) {
    if (event.has_activity_task_scheduled()) {
      auto& scheduled = *event.mutable_activity_task_scheduled();
      scheduled.set_dispatch_boot(dispatch_boot(scheduled.activity_type(), scheduled.options()));
    } else if (event.has_workflow_execution_continued_as_new()) {
      auto& next = *event.mutable_workflow_execution_continued_as_new();
      last_run_ = last_run_.next();
      next.set_new_run_number(last_run_.value);
      next.set_new_run_id(ports_.make_run_id());
    }
  }
  if (turn.record.events(0).has_workflow_execution_started()) {
    const auto& started = turn.record.events(0).workflow_execution_started();
    r.remember(started);
    note_started(r, started);
    const auto& last = turn.record.events(turn.record.events_size() - 1);
    const bool ends = is_end(last) && !last.has_workflow_execution_continued_as_new();  // then its end puts the header
    if (!ends) put_header(r);
  }
  storage::append_turn(gathering_.batch, options_.id, r.number, first, turn.record);
  if (outgoing_.on) note_published(r, first, turn.record);
  counts_.turns.add();
  if (turn.took.count() > 0) counts_.turn_duration.observe(std::chrono::duration<double>(turn.took).count());
  tell_turn(r, first, turn);
  ++r.turns_not_durable;
  gathering_.turns_of.push_back(&r);
  accept(r, from);
  handled(from);
  if (ports_.has_followers()) gathering_.out.turns.push_back({r.workflow_id, first, turn.record});
  apply(r, first, turn);
  unpark(r, from);
  ports_.request_flush();
}

/// Turns the events into rows and effects. May move payloads out of the turn: it is in the batch already.
void partition::apply(run& r, event_seq first, workflow::turn& turn) {
  using E = messages::Event;
  std::uint64_t number = first.value;
  for (E& event : *turn.record.mutable_events()) {
    const event_seq seq(number++);
    const auto erase_timer = [&](std::uint64_t started) {
      const auto it = r.open.timers.find(event_seq(started));
      if (it == r.open.timers.end()) return;
      if (!planted(bug::keep_fired_timer)) {
        storage::erase_timer(gathering_.batch, options_.id, it->second, r.number, it->first);
      }
      disarm({it->second, r.number, it->first, r.workflow_id});
    };
    const auto erase_task = [&](std::uint64_t created) {
      storage::erase_human_task(gathering_.batch, options_.id, r.number, event_seq(created));
    };
    switch (event.event_case()) {
      case E::kWorkflowExecutionStarted: set_deadline(r, event.workflow_execution_started()); break;
      case E::kActivityTaskScheduled:
        schedule_activity(r, seq, first, turn.record.time_us(), *event.mutable_activity_task_scheduled());
        continue;
      case E::kActivityTaskCompleted: drop_activity(r, activity_closed_by(event), activity_metrics::end::completed, &event); break;
      case E::kActivityTaskFailed: drop_activity(r, activity_closed_by(event), activity_metrics::end::failed, &event); break;
      case E::kActivityTaskTimedOut: drop_activity(r, activity_closed_by(event), activity_metrics::end::timed_out, &event); break;
      case E::kActivityTaskCanceled: drop_activity(r, activity_closed_by(event), activity_metrics::end::canceled, &event); break;
      case E::kActivityTaskCancelRequested: cancel_activity(r, event.activity_task_cancel_requested()); break;
      case E::kTimerStarted: {
        storage::timer_row timer{from_micros(event.timer_started().fire_at_us()), r.number, seq, r.workflow_id};
        storage::put_timer(gathering_.batch, options_.id, timer);
        gathering_.timers.push_back(std::move(timer));
        break;
      }
      case E::kTimerFired: erase_timer(event.timer_fired().started_seq()); break;
      case E::kTimerCanceled: erase_timer(event.timer_canceled().started_seq()); break;
      case E::kStartChildWorkflowExecutionInitiated:
        start_child(r, seq, *event.mutable_start_child_workflow_execution_initiated());
        break;
      case E::kWorkflowExecutionUpdateCompleted:
        complete_update(r, std::move(*event.mutable_workflow_execution_update_completed()));
        break;
      case E::kRequestCancelChildWorkflowExecutionInitiated:
        cancel_child(r, event.request_cancel_child_workflow_execution_initiated());
        break;
      case E::kHumanTaskCreated:
        r.open.apply(seq, first, from_micros(turn.record.time_us()), event);
        put_human_task(r, seq);
        continue;
      case E::kHumanTaskAssigned:
        r.open.apply(seq, first, from_micros(turn.record.time_us()), event);
        put_human_task(r, event_seq(event.human_task_assigned().created_seq()));
        continue;
      case E::kHumanTaskCompleted: erase_task(event.human_task_completed().created_seq()); break;
      case E::kHumanTaskCanceled: erase_task(event.human_task_canceled().created_seq()); break;
      case E::kLockRequested: ask_lock(r, seq, event.lock_requested()); break;
      case E::kSignalExternalWorkflowExecutionInitiated:
        send_signal(r, *event.mutable_signal_external_workflow_execution_initiated());
        break;
      case E::kLockReleased: release_lock(r, event_seq(event.lock_released().requested_seq())); break;
      case E::kLockAssigned: assign_lock(event.lock_assigned()); break;
      default: break;
    }
    r.open.apply(seq, first, from_micros(turn.record.time_us()), event);
    if (event.has_workflow_execution_continued_as_new()) {
      continue_run(r, turn);
      close_run(r, first, event);
    } else if (is_end(event)) {
      close_run(r, first, event);
    }
  }
  for (workflow::step_run& step : turn.steps) {
    if (draining_) break;
    if (planted(bug::speculative_step)) {
      effects early;
      early.steps.push_back({r.workflow_id, r.number, step});
      release(std::move(early));
      continue;
    }
    gathering_.out.steps.push_back({r.workflow_id, r.number, std::move(step)});
  }
  for (workflow::log_line& line : turn.log_lines) {
    gathering_.out.log_lines.push_back({r.workflow_id, r.number, std::move(line)});
  }
  update_open_work(r);
}

void partition::send_over_lane(const std::string& to_workflow_id, messages::DecisionEvent&& event) {
  const partition_id destination = ports_.partition_of(to_workflow_id);
  outbound_lane& lane = lanes_out_[destination.value];
  counts_.unacknowledged.add(1);
  event.mutable_lane()->set_source_partition(options_.id.value);
  event.mutable_lane()->set_number(++lane.last);
  storage::put_outbound(gathering_.batch, options_.id, destination, lane.last, event);
  gathering_.out.outbound.emplace_back(destination, std::make_shared<messages::DecisionEvent>(std::move(event)));
}

void partition::start_child(run& r, event_seq seq, messages::StartChildWorkflowExecutionInitiated& initiated) {
  messages::DecisionEvent event;
  const std::string child = namespaces::beside(r.workflow_id, initiated.workflow_id());
  event.set_workflow_id(child);
  auto& started = *event.mutable_event()->mutable_workflow_execution_started();
  started.set_workflow_id(child);
  started.set_workflow_type(initiated.workflow_type());
  if (initiated.has_input()) *started.mutable_input() = initiated.input();
  started.mutable_parent()->set_workflow_id(r.workflow_id);
  started.mutable_parent()->set_run_number(r.number.value);
  started.mutable_parent()->set_initiated_seq(seq.value);
  started.set_run_timeout_us(initiated.run_timeout_us());
  started.set_version(initiated.version());
  pass_on_trace(r, started);
  event.set_execution_timeout_us(initiated.execution_timeout_us());
  event.set_reuse_policy(initiated.reuse_policy());
  send_over_lane(child, std::move(event));
}

/// Nobody is told what becomes of it.
void partition::send_signal(const run& r, messages::SignalExternalWorkflowExecutionInitiated& told) {
  messages::WorkflowExecutionSignaled signaled;
  signaled.set_signal_name(told.signal_name());
  if (told.has_input()) *signaled.mutable_input() = std::move(*told.mutable_input());
  messages::DecisionEvent event;
  const std::string to = namespaces::beside(r.workflow_id, told.workflow_id());
  event.set_workflow_id(to);
  if (told.start_type().empty()) {
    *event.mutable_event()->mutable_workflow_execution_signaled() = std::move(signaled);
  } else {
    auto& started = *event.mutable_event()->mutable_workflow_execution_started();
    started.set_workflow_id(to);
    started.set_workflow_type(told.start_type());
    if (told.has_start_input()) *started.mutable_input() = std::move(*told.mutable_start_input());
    pass_on_trace(r, started);
    *event.mutable_with_signal() = std::move(signaled);
  }
  send_over_lane(to, std::move(event));
}

/// What the run's end means to the children that it has not seen end.
void partition::close_children(const run& r) {
  using initiated = messages::StartChildWorkflowExecutionInitiated;
  for (const auto& [seq, child] : r.open.children) {
    if (child.when_parent_closes == initiated::ABANDON) continue;
    messages::DecisionEvent event;
    const std::string to = namespaces::beside(r.workflow_id, child.workflow_id);
    event.set_workflow_id(to);
    event.mutable_parent()->set_workflow_id(r.workflow_id);
    event.mutable_parent()->set_run_number(r.number.value);
    event.mutable_parent()->set_initiated_seq(seq.value);
    const std::string reason = "the parent execution \"" + std::string(namespaces::plain(r.workflow_id)) + "\" has ended";
    if (child.when_parent_closes == initiated::REQUEST_CANCEL) {
      event.mutable_event()->mutable_workflow_execution_cancel_requested()->set_reason(reason);
    } else {
      event.mutable_terminate()->set_reason(reason);
    }
    send_over_lane(to, std::move(event));
  }
}

void partition::cancel_child(const run& r, const messages::RequestCancelChildWorkflowExecutionInitiated& request) {
  const auto child = r.open.children.find(event_seq(request.initiated_seq()));
  if (child == r.open.children.end()) return;
  messages::DecisionEvent event;
  const std::string to = namespaces::beside(r.workflow_id, child->second.workflow_id);
  event.set_workflow_id(to);  // which may belong to somebody else, so that the child's start is refused
  event.mutable_parent()->set_workflow_id(r.workflow_id);
  event.mutable_parent()->set_run_number(r.number.value);
  event.mutable_parent()->set_initiated_seq(request.initiated_seq());
  event.mutable_event()->mutable_workflow_execution_cancel_requested()->set_reason(request.reason());
  send_over_lane(to, std::move(event));
}

void partition::start_run(const messages::DecisionEvent& request, const origin& from,
                          std::unique_ptr<const storage::execution_row> replaces, run_number replaced) {
  std::string workflow_id = request.workflow_id();
  messages::Event event = request.event();
  messages::WorkflowExecutionStarted& started = *event.mutable_workflow_execution_started();
  const std::int64_t now_us = to_micros(ports_.now());
  if (request.execution_timeout_us() > 0) started.set_execution_deadline_us(later(now_us, request.execution_timeout_us()));
  if (started.run_timeout_us() > 0) started.set_run_deadline_us(later(now_us, started.run_timeout_us()));
  const workflow_definition* definition = find_code(workflow_id, started.workflow_type(), started.version());
  if (definition != nullptr) started.set_version(definition->version);
  if (request.has_with_signal()) *started.add_carried_signals() = request.with_signal();
  if (started.run_id().empty()) started.set_run_id(ports_.make_run_id());
  started.set_random_seed(ports_.random());
  started.set_workflow_id(workflow_id);
  started.set_replaced_run_number(replaced.value);
  count_open(workflow_id, 1);
  last_run_ = last_run_.next();
  messages::InstanceHeader header;
  header.set_run_number(last_run_.value);
  header.set_run_id(started.run_id());
  header.set_workflow_type(started.workflow_type());
  header.set_status(messages::RUNNING);
  header.set_started_us(now_us);
  header.set_input_hash(input_hash(started.input()));
  header.set_version(started.version());
  header.set_traceparent(started.traceparent());
  header.set_tracestate(started.tracestate());
  run& r = create_run(std::move(workflow_id), std::move(header));
  r.replaces = std::move(replaces);
  if (planted(bug::header_before_start)) storage::put_header(gathering_.batch, options_.id, r.workflow_id, r.header);
  r.state_known = true;
  r.remember(started);  // its parent's cancel may come before the first turn
  if (definition != nullptr) {
    r.is = run::state::live;
    bring_up(r, *definition);
    return give(r, std::move(event), from);
  }
  block_unserved(r);
  set_deadline(r, started);
  r.open.apply(start_seq, start_seq, {}, event);
  park(r, std::move(event), from);
}

/// The run ends then, whatever its code does. With the start, or with the start that is parked.
void partition::set_deadline(const run& r, const messages::WorkflowExecutionStarted& started) {
  const auto deadline = deadline_of(started);
  if (!deadline) return;
  storage::timer_row timer{*deadline, r.number, start_seq, r.workflow_id};
  storage::put_timer(gathering_.batch, options_.id, timer);
  gathering_.timers.push_back(std::move(timer));
}

/// The end of one run and the start of the next are one commit.
void partition::continue_run(run& r, workflow::turn& turn) {
  const auto& end = turn.record.events(turn.record.events_size() - 1).workflow_execution_continued_as_new();
  messages::Event event;
  messages::WorkflowExecutionStarted& started = *event.mutable_workflow_execution_started();
  started.set_workflow_id(r.workflow_id);
  started.set_run_id(end.new_run_id());
  started.set_workflow_type(end.workflow_type());
  if (end.has_input()) *started.mutable_input() = end.input();
  if (r.parent) *started.mutable_parent() = *r.parent;
  started.set_continued_from_run_number(r.number.value);
  started.set_execution_started_us(storage::execution_started_us(r.header));
  started.set_execution_deadline_us(r.execution_deadline_us);
  started.set_run_timeout_us(r.run_timeout_us);
  started.set_version(r.header.version());
  if (r.trace) {  // all runs of the execution are parts of what its first one is
    started.set_traceparent(tracing::to_traceparent(r.trace->from));
    started.set_tracestate(r.trace->state);
  } else {
    pass_on_trace(r, started);
  }
  if (r.run_timeout_us > 0) started.set_run_deadline_us(later(to_micros(r.time), r.run_timeout_us));
  started.set_random_seed(ports_.random());
  started.set_cancel_requested(turn.cancel_requested && !planted(bug::drop_cancel_request));
  if (planted(bug::drop_unread_signals)) turn.unread_signals.clear();
  for (auto& signal : turn.unread_signals) *started.add_carried_signals() = std::move(signal);
  for (auto& update : turn.unfinished_updates) *started.add_carried_updates() = std::move(update);

  messages::InstanceHeader header;
  header.set_run_number(end.new_run_number());
  header.set_run_id(end.new_run_id());
  header.set_workflow_type(end.workflow_type());
  header.set_status(messages::RUNNING);
  header.set_started_us(to_micros(r.time));
  header.set_execution_started_us(started.execution_started_us());
  header.set_version(r.header.version());
  header.set_traceparent(started.traceparent());
  header.set_tracestate(started.tracestate());
  header.set_input_hash(r.header.input_hash());  // a repeated first start still finds the chain
  run& next = create_run(r.workflow_id, std::move(header));
  next.replaces = std::make_unique<const storage::execution_row>(
      storage::execution_row{options_.id, r.listed, namespaces::beside(r.workflow_id, r.header.workflow_type()), {started.execution_started_us(), r.workflow_id}});
  next.remember(started);
  set_deadline(next, started);
  next.open.apply(start_seq, start_seq, {}, event);
  // Until its first turn is durable the start event waits in the inbox: a crash in between starts it again.
  messages::DecisionEvent parked;
  parked.set_workflow_id(next.workflow_id);
  parked.set_run_number(next.number.value);
  *parked.mutable_event() = event;
  storage::put_parked(gathering_.batch, options_.id, next.number, 1, parked);
  next.has_inbox = true;
  next.state_known = true;
  next.parked_left = 1;
  next.next_parked = 2;
  const workflow_definition* definition = definition_of(next);
  if (definition == nullptr) {
    block_unserved(next);
  } else {
    next.is = run::state::live;
    update_open_work(next);
    bring_up(next, *definition);
    give(next, std::move(event), origin{.parked_index = 1});
  }
  put_header(next);
}

void partition::close_run(run& r, event_seq turn_first, messages::Event& end) {
  r.is = run::state::closed;
  refuse_queries(r, answer::outcome::closed, "the execution \"" + r.workflow_id + "\" has ended");
  r.header.set_status(status_after(end));
  note_closed(r, end);
  tell_run(r, end);
  r.header.set_closed_us(to_micros(r.time));
  r.header.set_closing_turn_seq(turn_first.value);
  r.header.clear_blocked();
  for (const auto& [seq, fire_at] : r.open.timers) {
    storage::erase_timer(gathering_.batch, options_.id, fire_at, r.number, seq);
    disarm({fire_at, r.number, seq, r.workflow_id});
  }
  for (auto& [seq, activity] : r.open.activities) {
    drop_activity(r, seq, activity_metrics::end::canceled);
    const bool goes_on = activity.task && activity.task->options().cancellation() == messages::ABANDON;
    if (!goes_on) tell_backend(activity, attempt_cancellation::kind::cancel);
  }
  if (!end.has_workflow_execution_continued_as_new()) close_children(r);
  for (const auto& [created, task] : r.open.human_tasks) {
    storage::erase_human_task(gathering_.batch, options_.id, r.number, created);
  }
  for (const auto& [requested, lock] : r.open.locks) release_lock(r, requested);
  r.open = {};
  if (r.has_inbox) {
    auto rows = storage::scan_parked(store_, options_.id, r.number);
    if (!rows) return corrupt(rows.error());
    std::uint64_t next = 1;
    for (const auto& [index, parked] : *rows) {
      storage::erase_parked(gathering_.batch, options_.id, r.number, index);
      next = index + 1;
    }
    for (; next < r.next_parked; ++next) {  // parked by a commit that is not durable yet
      storage::erase_parked(gathering_.batch, options_.id, r.number, next);
    }
    r.has_inbox = false;
  }
  if (end.has_workflow_execution_continued_as_new()) return;
  count_open(r.workflow_id, -1);
  put_header(r);
  tell_parent(r, end);
  gathering_.out.ended.push_back({r.workflow_id, std::move(end)});
}

void partition::tell_parent(const run& r, const messages::Event& end) {
  if (!r.parent || planted(bug::forget_childs_end)) return;
  messages::DecisionEvent told;
  told.set_workflow_id(r.parent->workflow_id());
  told.set_run_number(r.parent->run_number());
  const auto fill = [&](auto* event) {
    event->set_initiated_seq(r.parent->initiated_seq());
    event->set_run_id(r.header.run_id());
    return event;
  };
  messages::Event& event = *told.mutable_event();
  using E = messages::Event;
  switch (end.event_case()) {
    case E::kWorkflowExecutionCompleted: {
      auto* completed = fill(event.mutable_child_workflow_execution_completed());
      if (end.workflow_execution_completed().has_result()) {
        *completed->mutable_result() = end.workflow_execution_completed().result();
      }
      break;
    }
    case E::kWorkflowExecutionFailed:
      *fill(event.mutable_child_workflow_execution_failed())->mutable_failure() =
          end.workflow_execution_failed().failure();
      break;
    case E::kWorkflowExecutionCanceled: fill(event.mutable_child_workflow_execution_canceled()); break;
    case E::kWorkflowExecutionTerminated:
      fill(event.mutable_child_workflow_execution_terminated())
          ->set_reason(end.workflow_execution_terminated().reason());
      break;
    default: fill(event.mutable_child_workflow_execution_timed_out()); break;
  }
  send_over_lane(r.parent->workflow_id(), std::move(told));
}

/// Keeps the row from which recovery learns what is unfinished. It is written when the first effect opens and again
/// only after as many events as it takes to make that cheap; the journal says what has changed since.
void partition::update_open_work(run& r) {
  const std::size_t open = r.open.activities.size() + r.open.steps.size();
  const bool wanted = r.is != run::state::closed && (open > 0 || r.has_inbox || r.is == run::state::blocked);
  if (!wanted) {
    const bool stale = r.last.value - r.open_work_through.value > open_work_refresh_events;
    if (!r.has_open_work_row || (r.is != run::state::closed && !stale)) return;
    storage::erase_open_work(gathering_.batch, options_.id, r.number);
    r.has_open_work_row = r.row_has_inbox = false;
    open_runs_.erase(r.number);
    return;
  }
  const std::uint64_t age = r.last.value - r.open_work_through.value;
  const bool fresh = age <= std::max<std::uint64_t>(open_work_refresh_events, 2 * open);
  const bool inbox = r.has_inbox || r.is == run::state::blocked;
  if (r.has_open_work_row && fresh && r.row_has_inbox == inbox) return;
  messages::OpenWork work;
  work.set_workflow_id(r.workflow_id);
  work.set_through_seq(r.last.value);
  work.set_has_inbox(inbox);
  for (const auto& [seq, activity] : r.open.activities) {
    work.add_activities(seq.value);
    work.add_activity_turns(activity.turn_first.value);
  }
  for (const event_seq seq : r.open.steps) work.add_steps(seq.value);
  storage::put_open_work(gathering_.batch, options_.id, r.number, work);
  r.has_open_work_row = true;
  r.row_has_inbox = inbox;
  r.open_work_through = r.last;
  open_runs_.insert(r.number);
}

}  // namespace evermill::actors
