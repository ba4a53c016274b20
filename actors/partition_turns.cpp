// What a turn does to the journal, the rows beside it, and the world.
#include <algorithm>
#include <cmath>
#include <utility>

#include "actors/partition.hpp"
#include "base/check.hpp"
#include "base/planted.hpp"

namespace evermill::actors {
namespace {

constexpr std::uint64_t open_work_refresh_events = 64;
constexpr std::int64_t default_initial_interval_us = 1'000'000;
constexpr double default_backoff = 2.0;
constexpr std::int64_t default_max_interval_factor = 100;

/// Before attempt `next` (2 is the first retry), as docs/architecture.md gives it.
std::int64_t backoff_us(const messages::RetryPolicy& policy, std::uint32_t next) {
  const std::int64_t initial =
      policy.initial_interval_us() > 0 ? policy.initial_interval_us() : default_initial_interval_us;
  const std::int64_t limit =
      policy.max_interval_us() > 0 ? policy.max_interval_us() : initial * default_max_interval_factor;
  const double coefficient = policy.backoff_coefficient() > 0 ? policy.backoff_coefficient() : default_backoff;
  const double interval = static_cast<double>(initial) * std::pow(coefficient, next - 2);
  return interval < static_cast<double>(limit) ? static_cast<std::int64_t>(interval) : limit;
}

bool may_retry(const messages::RetryPolicy& policy, std::uint32_t attempt, const messages::Failure& failure) {
  if (failure.non_retryable()) return false;
  const std::uint32_t further = planted(bug::one_attempt_too_many) ? 1 : 0;
  if (policy.max_attempts() != 0 && attempt >= policy.max_attempts() + further) return false;
  const auto& never = policy.non_retryable_types();
  return std::find(never.begin(), never.end(), failure.type()) == never.end();
}

}  // namespace

void partition::append_turn(run& r, workflow::turn&& turn, const origin& from) {
  EVERMILL_CHECK(r.state_known && !turn.record.events().empty(), "a turn is appended to a journal whose end is known");
  const event_seq first = r.last.next();
  r.last = event_seq(r.last.value + static_cast<std::uint64_t>(turn.record.events_size()));
  r.time = std::max(r.time, from_micros(turn.record.time_us()));
  for (messages::Event& event : *turn.record.mutable_events()) {
    if (event.has_activity_task_scheduled()) {
      event.mutable_activity_task_scheduled()->set_dispatch_boot(dispatch_boot());
    } else if (event.has_workflow_execution_continued_as_new()) {
      auto& next = *event.mutable_workflow_execution_continued_as_new();
      last_run_ = last_run_.next();
      next.set_new_run_number(last_run_.value);
      next.set_new_run_id(ports_.make_run_id());
    }
  }
  if (turn.record.events(0).has_workflow_execution_started()) {
    const auto& started = turn.record.events(0).workflow_execution_started();
    if (started.has_parent()) r.parent = started.parent();
    const auto& last = turn.record.events(turn.record.events_size() - 1);
    const bool ends = is_end(last) && !last.has_workflow_execution_continued_as_new();  // then its end puts the header
    if (!ends) storage::put_header(gathering_.batch, options_.id, r.workflow_id, r.header);
  }
  storage::append_turn(gathering_.batch, options_.id, r.number, first, turn.record);
  ++statistics_.turns;
  ++r.turns_not_durable;
  gathering_.turns_of.push_back(&r);
  if (from.reply_token != 0) {
    gathering_.out.answers.emplace_back(
        from.reply_token, answer{answer::outcome::accepted, r.workflow_id, r.header.run_id(), false, {}});
  }
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
    const auto erase_row = [&](std::uint64_t scheduled) {
      const auto it = r.open.activities.find(event_seq(scheduled));
      if (it != r.open.activities.end() && it->second.has_row) {
        storage::erase_open_activity(gathering_.batch, options_.id, r.number, event_seq(scheduled));
      }
    };
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
      case E::kActivityTaskScheduled:
        schedule_activity(r, seq, first, *event.mutable_activity_task_scheduled());
        continue;
      case E::kActivityTaskCompleted: erase_row(event.activity_task_completed().scheduled_seq()); break;
      case E::kActivityTaskFailed: erase_row(event.activity_task_failed().scheduled_seq()); break;
      case E::kActivityTaskTimedOut: erase_row(event.activity_task_timed_out().scheduled_seq()); break;
      case E::kActivityTaskCanceled: erase_row(event.activity_task_canceled().scheduled_seq()); break;
      case E::kActivityTaskCancelRequested: {
        const event_seq scheduled(event.activity_task_cancel_requested().scheduled_seq());
        erase_row(scheduled.value);
        const auto it = r.open.activities.find(scheduled);
        if (it != r.open.activities.end() && it->second.task) {
          gathering_.out.cancellations.push_back(
              {tasks::dispatch_id_of(*it->second.task), it->second.task->activity_type()});
        }
        break;
      }
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
      case E::kRequestCancelChildWorkflowExecutionInitiated:
        cancel_child(r, event.request_cancel_child_workflow_execution_initiated());
        break;
      case E::kHumanTaskCreated:
        r.open.apply(seq, first, event);
        put_human_task(r, seq);
        continue;
      case E::kHumanTaskAssigned:
        r.open.apply(seq, first, event);
        put_human_task(r, event_seq(event.human_task_assigned().created_seq()));
        continue;
      case E::kHumanTaskCompleted: erase_task(event.human_task_completed().created_seq()); break;
      case E::kHumanTaskCanceled: erase_task(event.human_task_canceled().created_seq()); break;
      case E::kLockRequested: ask_lock(r, seq, event.lock_requested()); break;
      case E::kLockReleased: release_lock(r, event_seq(event.lock_released().requested_seq())); break;
      case E::kLockAssigned: assign_lock(event.lock_assigned()); break;
      default: break;
    }
    r.open.apply(seq, first, event);
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

void partition::schedule_activity(run& r, event_seq seq, event_seq turn_first,
                                  messages::ActivityTaskScheduled& scheduled) {
  auto task = std::make_shared<messages::ActivityTask>();
  task->set_partition(options_.id.value);
  task->set_workflow_id(r.workflow_id);
  task->set_run_number(r.number.value);
  task->set_scheduled_seq(seq.value);
  task->set_attempt(1);
  task->set_dispatch_boot(dispatch_boot());
  task->set_activity_type(std::move(*scheduled.mutable_activity_type()));
  if (scheduled.has_input()) *task->mutable_input() = std::move(*scheduled.mutable_input());
  if (scheduled.has_options()) *task->mutable_options() = std::move(*scheduled.mutable_options());
  open_activity& activity = r.open.activities[seq];
  activity.boot = dispatch_boot();
  activity.turn_first = turn_first;
  activity.task = task;
  if (!draining_) gathering_.out.tasks.push_back(std::move(task));
}

/// Returns false where the failure closes the activity.
bool partition::retry(run& r, open_activity& activity, event_seq seq, const messages::Failure& failure,
                      const origin& from) {
  EVERMILL_CHECK(activity.task != nullptr, "an attempt that has ended was dispatched");
  const messages::RetryPolicy& policy = activity.task->options().retry();
  if (!may_retry(policy, activity.attempt, failure)) return false;
  const std::uint32_t next = activity.attempt + (planted(bug::reuse_dispatch_id) ? 0 : 1);
  const bool lost = failure.kind() == messages::Failure::LOST;  // not the activity's fault: no back-off
  const std::int64_t not_before = to_micros(ports_.now()) + (lost ? 0 : backoff_us(policy, next));
  log_.info(about(r), "activity {} (event {}) attempt {} failed: {}; attempt {} follows", activity.task->activity_type(),
            seq.value, activity.attempt, failure.message(), next);
  set_attempt(r, seq, activity, next, not_before, &failure);
  handled(from);
  return true;
}

/// Stores the activity's current attempt; it is dispatched when that is durable and its time has come.
void partition::set_attempt(run& r, event_seq seq, open_activity& activity, std::uint32_t attempt,
                            std::int64_t not_before_us, const messages::Failure* last_failure) {
  auto task = std::make_shared<messages::ActivityTask>(*activity.task);
  task->set_attempt(attempt);
  task->set_dispatch_boot(dispatch_boot());
  activity.attempt = attempt;
  activity.boot = task->dispatch_boot();
  activity.not_before = from_micros(not_before_us);
  activity.task = std::move(task);
  activity.has_row = true;
  if (last_failure != nullptr) activity.last_failure = *last_failure;
  messages::OpenActivity row;
  row.set_attempt(attempt);
  row.set_dispatch_boot(activity.boot);
  row.set_not_before_us(not_before_us);
  if (activity.last_failure) *row.mutable_last_failure() = *activity.last_failure;
  if (!planted(bug::forget_attempt_row)) storage::put_open_activity(gathering_.batch, options_.id, r.number, seq, row);
  const timestamp when = planted(bug::ignore_back_off) ? timestamp{} : activity.not_before;
  if (!draining_) gathering_.retries.emplace_back(when, retry_key{r.number, seq});
  ++r.turns_not_durable;
  gathering_.turns_of.push_back(&r);
  ports_.request_flush();
}

/// The attempt has not been handed to anybody and, while draining, will not be: it stays the current one.
void partition::keep_undispatched(const retry_key& key) {
  const auto r = runs_.find(key.run);
  if (r == runs_.end()) return;
  const auto activity = r->second->open.activities.find(key.scheduled);
  if (activity == r->second->open.activities.end() || activity->second.closing) return;
  set_attempt(*r->second, key.scheduled, activity->second, activity->second.attempt,
              to_micros(activity->second.not_before), nullptr);
}

void partition::send_over_lane(const std::string& to_workflow_id, messages::DecisionEvent&& event) {
  const partition_id destination = ports_.partition_of(to_workflow_id);
  outbound_lane& lane = lanes_out_[destination.value];
  event.mutable_lane()->set_source_partition(options_.id.value);
  event.mutable_lane()->set_number(++lane.last);
  storage::put_outbound(gathering_.batch, options_.id, destination, lane.last, event);
  gathering_.out.outbound.emplace_back(destination, std::make_shared<messages::DecisionEvent>(std::move(event)));
}

void partition::start_child(run& r, event_seq seq, messages::StartChildWorkflowExecutionInitiated& initiated) {
  messages::DecisionEvent event;
  event.set_workflow_id(initiated.workflow_id());
  auto& started = *event.mutable_event()->mutable_workflow_execution_started();
  started.set_workflow_id(initiated.workflow_id());
  started.set_workflow_type(initiated.workflow_type());
  if (initiated.has_input()) *started.mutable_input() = initiated.input();
  started.mutable_parent()->set_workflow_id(r.workflow_id);
  started.mutable_parent()->set_run_number(r.number.value);
  started.mutable_parent()->set_initiated_seq(seq.value);
  send_over_lane(initiated.workflow_id(), std::move(event));
}

void partition::cancel_child(const run& r, const messages::RequestCancelChildWorkflowExecutionInitiated& request) {
  const auto child = r.open.children.find(event_seq(request.initiated_seq()));
  if (child == r.open.children.end()) return;
  messages::DecisionEvent event;
  event.set_workflow_id(child->second);  // which may belong to somebody else, so that the child's start is refused
  event.mutable_parent()->set_workflow_id(r.workflow_id);
  event.mutable_parent()->set_run_number(r.number.value);
  event.mutable_parent()->set_initiated_seq(request.initiated_seq());
  event.mutable_event()->mutable_workflow_execution_cancel_requested()->set_reason(request.reason());
  send_over_lane(child->second, std::move(event));
}

void partition::start_run(std::string workflow_id, messages::Event&& event, const origin& from) {
  messages::WorkflowExecutionStarted& started = *event.mutable_workflow_execution_started();
  if (started.run_id().empty()) started.set_run_id(ports_.make_run_id());
  started.set_random_seed(ports_.random());
  started.set_workflow_id(workflow_id);
  last_run_ = last_run_.next();
  messages::InstanceHeader header;
  header.set_run_number(last_run_.value);
  header.set_run_id(started.run_id());
  header.set_workflow_type(started.workflow_type());
  header.set_status(messages::RUNNING);
  header.set_started_us(to_micros(ports_.now()));
  header.set_input_hash(input_hash(started.input()));
  run& r = create_run(std::move(workflow_id), std::move(header));
  if (planted(bug::header_before_start)) storage::put_header(gathering_.batch, options_.id, r.workflow_id, r.header);
  r.state_known = true;
  if (started.has_parent()) r.parent = started.parent();  // whose cancel may come before the first turn
  if (const workflow_definition* definition = ports_.find_workflow(r.header.workflow_type())) {
    r.is = run::state::live;
    bring_up(r, *definition);
    return give(r, std::move(event), from);
  }
  block(r, messages::Blocked::UNSERVED, {},
        "no workflow named \"" + r.header.workflow_type() + "\" is registered in this process");
  park(r, std::move(event), from);
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
  started.set_random_seed(ports_.random());
  started.set_cancel_requested(turn.cancel_requested && !planted(bug::drop_cancel_request));
  if (planted(bug::drop_unread_signals)) turn.unread_signals.clear();
  for (auto& signal : turn.unread_signals) *started.add_carried_signals() = std::move(signal);

  messages::InstanceHeader header;
  header.set_run_number(end.new_run_number());
  header.set_run_id(end.new_run_id());
  header.set_workflow_type(end.workflow_type());
  header.set_status(messages::RUNNING);
  header.set_started_us(to_micros(r.time));
  header.set_input_hash(r.header.input_hash());  // a repeated first start still finds the chain
  run& next = create_run(r.workflow_id, std::move(header));
  next.parent = r.parent;
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
  const workflow_definition* definition = ports_.find_workflow(next.header.workflow_type());
  if (definition == nullptr) {
    block(next, messages::Blocked::UNSERVED, {},
          "no workflow named \"" + next.header.workflow_type() + "\" is registered in this process");
  } else {
    next.is = run::state::live;
    update_open_work(next);
    bring_up(next, *definition);
    give(next, std::move(event), origin{.parked_index = 1});
  }
  storage::put_header(gathering_.batch, options_.id, next.workflow_id, next.header);
}

void partition::close_run(run& r, event_seq turn_first, messages::Event& end) {
  r.is = run::state::closed;
  r.header.set_status(status_after(end));
  r.header.set_closed_us(to_micros(r.time));
  r.header.set_closing_turn_seq(turn_first.value);
  r.header.clear_blocked();
  for (const auto& [seq, fire_at] : r.open.timers) {
    storage::erase_timer(gathering_.batch, options_.id, fire_at, r.number, seq);
    disarm({fire_at, r.number, seq, r.workflow_id});
  }
  for (const auto& [seq, activity] : r.open.activities) {
    if (activity.has_row) storage::erase_open_activity(gathering_.batch, options_.id, r.number, seq);
    if (activity.task) {
      gathering_.out.cancellations.push_back({tasks::dispatch_id_of(*activity.task), activity.task->activity_type()});
    }
  }
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
  storage::put_header(gathering_.batch, options_.id, r.workflow_id, r.header);
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
