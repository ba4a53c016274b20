// Attempts of activities: how they are scheduled, what their ends lead to, and what recovery makes of them.
// docs/architecture.md, "Attempts", has the whole.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <utility>

#include "actors/partition.hpp"
#include "base/check.hpp"
#include "base/namespaces.hpp"
#include "base/planted.hpp"
#include "plugins/task/attempt_watch.hpp"

namespace evermill::actors {
namespace {

using phase = open_activity::phase;
using kind = messages::Failure;

constexpr std::string_view any_failure = "*";
constexpr std::int64_t default_initial_interval_us = 1'000'000;
constexpr double default_backoff = 2.0;
constexpr std::int64_t default_max_interval_factor = 100;

/// Before attempt `next` (2 is the first retry).
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
  if (failure.kind() == kind::SCHEDULE_TO_START || failure.kind() == kind::SCHEDULE_TO_CLOSE) return false;
  const std::uint32_t further = planted(bug::one_attempt_too_many) ? 1 : 0;
  if (policy.max_attempts() != 0 && attempt >= policy.max_attempts() + further) return false;
  const auto& never = policy.non_retryable_types();
  // What goes on has not failed: the next attempt looks for it, as for that of a lost one.
  const bool own = (failure.kind() == kind::APPLICATION || failure.kind() == kind::INVALID_PAYLOAD) && !failure.goes_on();
  return std::none_of(never.begin(), never.end(), [&](const std::string& type) {
    return type == failure.type() || (own && type == any_failure);
  });
}

messages::Failure lost(const std::string& why) {
  messages::Failure failure;
  failure.set_kind(kind::LOST);
  failure.set_type("Lost");
  failure.set_message(why);
  return failure;
}

std::shared_ptr<messages::ActivityTask> make_task(partition_id partition, const run& r, event_seq seq,
                                                  std::int64_t scheduled_us,
                                                  messages::ActivityTaskScheduled& scheduled) {
  auto task = std::make_shared<messages::ActivityTask>();
  task->set_partition(partition.value);
  const auto [name_space, id] = namespaces::split(r.workflow_id);
  if (name_space != namespaces::default_name) task->set_name_space(std::string(name_space));
  task->set_workflow_id(std::string(id));
  task->set_run_number(r.number.value);
  task->set_run_id(r.header.run_id());
  task->set_scheduled_seq(seq.value);
  task->set_scheduled_us(scheduled_us);
  task->set_activity_type(std::move(*scheduled.mutable_activity_type()));
  if (scheduled.has_input()) *task->mutable_input() = std::move(*scheduled.mutable_input());
  if (scheduled.has_options()) *task->mutable_options() = std::move(*scheduled.mutable_options());
  return task;
}

template <class End>
void name_attempt(End& end, event_seq seq, const open_activity& activity) {
  end.set_scheduled_seq(seq.value);
  end.mutable_attempt()->set_number(activity.attempt);
  end.mutable_attempt()->set_dispatch_boot(activity.boot);
}

/// Where nobody could say when the attempt started but the partition itself.
template <class End>
void fill_start(End& end, const open_activity& activity) {
  if (activity.is == phase::asynchronous) end.mutable_attempt()->set_started_us(to_micros(activity.started));
}

}  // namespace

/// The boot number of an attempt that is dispatched as soon as it is durable and its time has come; never_dispatched where
/// nothing here will run it.
std::uint64_t partition::dispatch_boot(const std::string& activity_type, const messages::ActivityOptions& options) {
  const bool served = ports_.runs_elsewhere(activity_type, options.task_queue()) ||
                      ((options.task_queue().empty() || ports_.serves_queue(options.task_queue())) &&
                       (options.version().empty() || ports_.has_activity(activity_type, options.version())));
  return draining_ || !served ? never_dispatched : options_.boot.value;
}

void partition::schedule_activity(run& r, event_seq seq, event_seq turn_first, std::int64_t time_us,
                                  messages::ActivityTaskScheduled& scheduled) {
  const std::uint64_t boot = scheduled.dispatch_boot();
  auto task = make_task(options_.id, r, seq, time_us, scheduled);
  task->set_attempt(1);
  task->set_dispatch_boot(boot);
  set_trace(r, *task);
  task->set_due_us(time_us);
  note_scheduled(*task);
  open_activity& activity = r.open.activities[seq];
  activity.boot = boot;
  activity.turn_first = turn_first;
  activity.close_by = close_time(from_micros(time_us), task->options());
  activity.task = task;
  if (task->options().schedule_to_close_us() > 0 || task->options().schedule_to_start_us() > 0) {
    set_due_when_durable(r, seq, activity);
  }
  if (boot == never_dispatched) {
    activity.is = phase::waiting;
  } else {
    gathering_.out.tasks.push_back(std::move(task));
  }
}

/// The activity is closed: no row and no due time is left of it.
void partition::drop_activity(run& r, event_seq seq, activity_metrics::end how, const messages::Event* end) {
  const auto it = r.open.activities.find(seq);
  if (it == r.open.activities.end()) return;
  note_activity_closed(it->second, how);
  if (end != nullptr) {
    tell_attempt(r, it->second, *end);
  } else {
    tell_attempt(r, it->second, nullptr, "canceled", nullptr);
  }
  unset_due(r, seq, it->second);
  if (it->second.has_row) storage::erase_open_activity(gathering_.batch, options_.id, r.number, seq);
}

void partition::tell_backend(const open_activity& activity, attempt_cancellation::kind how) {
  if (!activity.task) return;
  gathering_.out.cancellations.push_back(
      {tasks::dispatch_id_of(*activity.task), activity.task->activity_type(), how});
}

void partition::cancel_activity(run& r, const messages::ActivityTaskCancelRequested& request) {
  const event_seq seq(request.scheduled_seq());
  const auto it = r.open.activities.find(seq);
  if (it == r.open.activities.end()) return;
  open_activity& activity = it->second;
  if (!request.wait_for_end()) {
    drop_activity(r, seq, activity_metrics::end::canceled);
    return tell_backend(activity, attempt_cancellation::kind::cancel);
  }
  activity.cancel_requested = true;
  put_activity_row(r, seq, activity);
  if (activity.closing || activity.is == phase::asynchronous) return;  // who completes it hears with its heartbeat
  if (activity.is == phase::handed_out) return tell_backend(activity, attempt_cancellation::kind::request_stop);
  unset_due(r, seq, activity);
  activity.overdue = true;  // it is not dispatched any more
  messages::ActivityAttemptClosed end;
  end.mutable_canceled();
  publish_end(r, seq, activity, std::move(end), gathering_.out);
}

// --- what is told about attempts

partition::attempt_of partition::find_attempt(const messages::DecisionEvent& event, std::uint64_t scheduled,
                                              const messages::Attempt& attempt) {
  attempt_of found{find_run(run_number(event.run_number())), event_seq(scheduled)};
  if (found.r == nullptr) return found;
  found.foreign = !event.workflow_id().empty() && !namespaces::same(event.workflow_id(), found.r->workflow_id);
  if (found.foreign) return found;
  const auto it = found.r->open.activities.find(found.seq);
  if (it == found.r->open.activities.end() || it->second.closing) return found;
  const bool current = it->second.attempt == attempt.number() && it->second.boot == attempt.dispatch_boot();
  if (current || planted(bug::accept_late_result)) found.activity = &it->second;
  return found;
}

void partition::late(const messages::DecisionEvent& event, const origin& from) {
  counts_.late_results.add();
  log_.debug({options_.id, event.workflow_id(), run_number(event.run_number())}, "a late activity result was dropped");
  refuse(from, event.workflow_id(), answer::outcome::not_found,
         "no attempt of that token is open: it has ended, was canceled, or another attempt has followed it");
}

void partition::accept_report(const run& r, const origin& from, bool cancel_requested) {
  answer reply{answer::outcome::accepted, r.workflow_id, r.header.run_id(), false, {}};
  reply.cancel_requested = cancel_requested;
  tell(from, std::move(reply));
  handled(from);
}

void partition::note_details(open_activity& activity, const messages::Payload& details) {
  activity.heartbeat_details = std::make_shared<messages::Payload>(details);
}

void partition::route_attempt_closed(const messages::DecisionEvent& event, const origin& from) {
  const messages::ActivityAttemptClosed& closed = event.activity_attempt_closed();
  const auto find = [&](const auto& end) {
    const attempt_of which = find_attempt(event, end.scheduled_seq(), end.attempt());
    if (which.activity != nullptr && closed.has_heartbeat_details()) {
      note_details(*which.activity, closed.heartbeat_details());
    }
    if (which.activity == nullptr && !failed_) late(event, from);
    return which;
  };
  switch (closed.outcome_case()) {
    case messages::ActivityAttemptClosed::kCompleted: {
      const attempt_of which = find(closed.completed());
      if (which.activity == nullptr) return;
      messages::Event end;
      *end.mutable_activity_task_completed() = closed.completed();
      fill_start(*end.mutable_activity_task_completed(), *which.activity);
      return close_activity(which, std::move(end), from);
    }
    case messages::ActivityAttemptClosed::kFailed: {
      const attempt_of which = find(closed.failed());
      return which.activity != nullptr ? on_failed(which, closed.failed(), from) : void();
    }
    case messages::ActivityAttemptClosed::kTimedOut: {
      const attempt_of which = find(closed.timed_out());
      return which.activity != nullptr ? on_timed_out(which, closed.timed_out(), from) : void();
    }
    case messages::ActivityAttemptClosed::kCanceled: {
      const attempt_of which = find(closed.canceled());
      return which.activity != nullptr ? on_canceled(which, closed.canceled(), from) : void();
    }
    case messages::ActivityAttemptClosed::OUTCOME_NOT_SET: return late(event, from);
  }
}

void partition::close_activity(const attempt_of& which, messages::Event&& end, const origin& from) {
  which.activity->closing = true;
  unset_due(*which.r, which.seq, *which.activity);
  counts_.activities_closed.add();
  deliver(*which.r, std::move(end), from);
}

void partition::on_failed(const attempt_of& which, const messages::ActivityTaskFailed& failed, const origin& from) {
  if (retry(which, failed.failure(), failed.attempt(), from)) return;
  open_activity& activity = *which.activity;
  messages::Event end;
  const bool was_lost = failed.failure().kind() == kind::LOST;
  if (was_lost && activity.cancel_requested) {
    name_attempt(*end.mutable_activity_task_canceled(), which.seq, activity);
    return close_activity(which, std::move(end), from);
  }
  if (was_lost && activity.close_by != timestamp() && ports_.now() >= activity.close_by) {
    auto& timed_out = *end.mutable_activity_task_timed_out();
    name_attempt(timed_out, which.seq, activity);
    set_timeout(*timed_out.mutable_failure(), kind::SCHEDULE_TO_CLOSE);
    *timed_out.mutable_failure()->mutable_cause() = failed.failure();
    return close_activity(which, std::move(end), from);
  }
  *end.mutable_activity_task_failed() = failed;
  fill_start(*end.mutable_activity_task_failed(), activity);
  close_activity(which, std::move(end), from);
}

void partition::on_timed_out(const attempt_of& which, const messages::ActivityTaskTimedOut& timed_out,
                             const origin& from) {
  const bool by_partition = timed_out.failure().kind() == kind::SCHEDULE_TO_CLOSE;
  if (by_partition && which.activity->is == phase::handed_out) {
    tell_backend(*which.activity, attempt_cancellation::kind::cancel);
    ports_.request_flush();
  }
  if (retry(which, timed_out.failure(), timed_out.attempt(), from)) return;
  messages::Event end;
  *end.mutable_activity_task_timed_out() = timed_out;
  fill_start(*end.mutable_activity_task_timed_out(), *which.activity);
  close_activity(which, std::move(end), from);
}

void partition::on_canceled(const attempt_of& which, const messages::ActivityTaskCanceled& canceled,
                            const origin& from) {
  if (draining_ && !which.activity->cancel_requested && from.reply_token == 0) {
    // Stopped with the process, not by its workflow.
    if (canceled.attempt().started_us() == 0) {
      keep_undispatched({which.r->number, which.seq});
      return handled(from);
    }
    if (retry(which, lost("the attempt was stopped with its process"), canceled.attempt(), from)) return;
  }
  messages::Event end;
  *end.mutable_activity_task_canceled() = canceled;
  fill_start(*end.mutable_activity_task_canceled(), *which.activity);
  close_activity(which, std::move(end), from);
}

void partition::route_heartbeat(const messages::DecisionEvent& event, const origin& from) {
  const messages::ActivityHeartbeat& beat = event.activity_heartbeat();
  const attempt_of which = find_attempt(event, beat.scheduled_seq(), beat.attempt());
  if (failed_) return;
  if (which.activity == nullptr) {
    const tasks::dispatch_id id{options_.id.value, event.run_number(), beat.scheduled_seq(), beat.attempt().number(),
                                beat.attempt().dispatch_boot()};
    if (!which.foreign) gathering_.out.cancellations.push_back({id, {}, attempt_cancellation::kind::cancel});
    ports_.request_flush();
    return refuse(from, event.workflow_id(), answer::outcome::not_found,
                  "no attempt of that token is open: stop working on it");
  }
  open_activity& activity = *which.activity;
  const timestamp now = ports_.now();
  activity.heard = std::max(activity.heard, now);
  if (beat.has_details()) {
    note_details(activity, beat.details());
    activity.details_unwritten = true;
  }
  const bool too_soon = activity.is == phase::asynchronous && now < activity.next_details_write;  // backends pace theirs
  if (activity.details_unwritten && !too_soon) write_details(*which.r, which.seq, activity);
  if (activity.is == phase::asynchronous && !draining_) set_due(*which.r, which.seq, activity), set_tick();
  accept_report(*which.r, from, activity.cancel_requested);
}

void partition::write_details(run& r, event_seq seq, open_activity& activity) {
  put_activity_row(r, seq, activity);
  const std::chrono::microseconds timeout(activity.task->options().heartbeat_us());
  activity.next_details_write = ports_.now() + tasks::heartbeat_interval(timeout);
}

void partition::route_completes_later(const messages::DecisionEvent& event, const origin& from) {
  const messages::ActivityCompletesLater& later = event.activity_completes_later();
  const attempt_of which = find_attempt(event, later.scheduled_seq(), later.attempt());
  if (failed_) return;
  if (which.activity == nullptr) return handled(from);  // it was completed before its function returned
  open_activity& activity = *which.activity;
  activity.is = phase::asynchronous;
  activity.started = from_micros(later.attempt().started_us());
  activity.heard = std::max(activity.started, ports_.now());
  if (later.has_heartbeat_details()) note_details(activity, later.heartbeat_details());
  put_activity_row(*which.r, which.seq, activity);
  set_due_when_durable(*which.r, which.seq, activity);
  accept_report(*which.r, from);
}

// --- the next attempt

timestamp partition::next_attempt_at(const open_activity& activity, const messages::Failure& failure) {
  const timestamp now = ports_.now();
  if (failure.kind() == kind::LOST) return now;  // not the activity's fault: no back-off
  if (failure.has_next_retry_delay_us()) {
    return now + std::chrono::microseconds(std::max<std::int64_t>(failure.next_retry_delay_us(), 0));
  }
  const messages::RetryPolicy& policy = activity.task->options().retry();
  std::int64_t wait = backoff_us(policy, activity.attempt + 1);
  if (policy.jitter() > 0) {
    const double part = static_cast<double>(ports_.random() >> 11) * 0x1p-53;  // 0 to 1
    wait -= static_cast<std::int64_t>(static_cast<double>(wait) * std::min(policy.jitter(), 1.0) * part);
  }
  return now + std::chrono::microseconds(wait);
}

/// Returns false where the failure closes the activity.
bool partition::retry(const attempt_of& which, const messages::Failure& failure, const messages::Attempt& ended, const origin& from) {
  run& r = *which.r;
  open_activity& activity = *which.activity;
  EVERMILL_CHECK(activity.task != nullptr, "an attempt that has ended was dispatched");
  const messages::ActivityOptions& options = activity.task->options();
  if (activity.cancel_requested || !may_retry(options.retry(), activity.attempt, failure)) return false;
  const std::uint32_t next = activity.attempt + (planted(bug::reuse_dispatch_id) ? 0 : 1);
  const timestamp not_before = next_attempt_at(activity, failure);
  if (activity.close_by != timestamp() && not_before >= activity.close_by) return false;
  log_.info({options_.id, r.workflow_id, r.number, activity.attempt}, "activity {} (event {}) failed: {}; attempt {} follows",
            activity.task->activity_type(), which.seq.value, failure.message(), next);
  tell_attempt(r, activity, &ended, "failed", &failure);
  const bool may_go_on = failure.kind() == kind::LOST || failure.goes_on();
  if (!may_go_on) activity.lost_from = 0;
  if (may_go_on && activity.lost_from == 0) activity.lost_from = activity.attempt;
  set_attempt(r, which.seq, activity, next, to_micros(not_before), &failure);
  accept_report(r, from);
  return true;
}

/// Stores the activity's current attempt; it is dispatched when that is durable and its time has come.
void partition::set_attempt(run& r, event_seq seq, open_activity& activity, std::uint32_t attempt,
                            std::int64_t not_before_us, const messages::Failure* last_failure) {
  auto task = std::make_shared<messages::ActivityTask>(*activity.task);
  task->set_attempt(attempt);
  task->set_dispatch_boot(dispatch_boot(task->activity_type(), task->options()));
  task->set_lost_from(activity.lost_from);
  set_trace(r, *task);
  if (activity.heartbeat_details) *task->mutable_heartbeat_details() = *activity.heartbeat_details;
  task->set_due_us(not_before_us);
  activity.is = phase::waiting;
  activity.attempt = attempt;
  activity.boot = task->dispatch_boot();
  activity.not_before = from_micros(not_before_us);
  activity.overdue = activity.start_checked = false;
  activity.task = std::move(task);
  if (last_failure != nullptr) activity.last_failure = *last_failure;
  put_activity_row(r, seq, activity);
  set_due_when_durable(r, seq, activity);
}

void partition::put_activity_row(run& r, event_seq seq, open_activity& activity) {
  messages::OpenActivity row;
  row.set_attempt(activity.attempt);
  row.set_dispatch_boot(activity.boot);
  row.set_not_before_us(to_micros(activity.not_before));
  if (activity.last_failure) *row.mutable_last_failure() = *activity.last_failure;
  if (activity.heartbeat_details) *row.mutable_heartbeat_details() = *activity.heartbeat_details;
  if (activity.is == phase::asynchronous) {
    row.set_asynchronous(true);
    row.set_started_us(to_micros(activity.started));
  }
  row.set_cancel_requested(activity.cancel_requested);
  row.set_lost_from(activity.lost_from);
  activity.has_row = true;
  activity.details_unwritten = false;
  if (!planted(bug::forget_attempt_row)) storage::put_open_activity(gathering_.batch, options_.id, r.number, seq, row);
  ++r.turns_not_durable;
  gathering_.turns_of.push_back(&r);
  ports_.request_flush();
}

void partition::publish_end(const run& r, event_seq seq, const open_activity& activity,
                            messages::ActivityAttemptClosed&& end, effects& out) {
  messages::DecisionEvent event;
  event.set_workflow_id(r.workflow_id);
  event.set_run_number(r.number.value);
  if (end.has_failed()) name_attempt(*end.mutable_failed(), seq, activity);
  if (end.has_timed_out()) name_attempt(*end.mutable_timed_out(), seq, activity);
  if (end.has_canceled()) name_attempt(*end.mutable_canceled(), seq, activity);
  *event.mutable_activity_attempt_closed() = std::move(end);
  out.outbound.emplace_back(options_.id, std::make_shared<messages::DecisionEvent>(std::move(event)));
}

// --- after a crash

/// The attempt that was open when the process ended may have run: it counts as lost, and another one follows. One that was
/// never dispatched, or waits for its time, goes on under the number of this boot: had the clock been set back, it might
/// have run. One that is completed from outside was not the process's.
bool partition::recover_activity(run& r, event_seq seq, open_activity& activity) {
  auto turn = storage::read_turn(store_, options_.id, r.number, activity.turn_first);
  if (!turn || seq < turn->first || turn->last() < seq) return false;
  messages::Event& event = *turn->record.mutable_events(static_cast<int>(seq.value - turn->first.value));
  if (!event.has_activity_task_scheduled()) return false;
  messages::ActivityTaskScheduled& scheduled = *event.mutable_activity_task_scheduled();
  if (!activity.has_row) activity.boot = scheduled.dispatch_boot();
  auto task = make_task(options_.id, r, seq, turn->record.time_us(), scheduled);
  task->set_attempt(activity.attempt);
  task->set_dispatch_boot(activity.boot);
  task->set_lost_from(activity.lost_from);
  set_trace(r, *task);
  if (activity.heartbeat_details) *task->mutable_heartbeat_details() = *activity.heartbeat_details;
  activity.close_by = close_time(from_micros(task->scheduled_us()), task->options());
  activity.task = std::move(task);
  activity.heard = ports_.now();
  const bool never_ran = activity.boot == never_dispatched || (activity.has_row && activity.not_before > ports_.now());
  if (activity.is != phase::asynchronous && never_ran) activity.is = phase::waiting;
  if (draining_ || planted(bug::forget_lost_attempt)) return true;
  if (planted(bug::redispatch_lost_attempt)) {
    gathering_.out.tasks.push_back(activity.task);
    return true;
  }
  if (activity.is != phase::asynchronous) {
    if (never_ran && !activity.cancel_requested) {
      set_attempt(r, seq, activity, activity.attempt, to_micros(activity.not_before), nullptr);
      return true;
    }
    if (ports_.runs_elsewhere(activity.task->activity_type(), activity.task->options().task_queue())) {
      gathering_.out.adopted.push_back(activity.task);
    } else {
      messages::ActivityAttemptClosed end;
      *end.mutable_failed()->mutable_failure() = lost("the process that ran the attempt ended");
      publish_end(r, seq, activity, std::move(end), gathering_.out);
    }
  }
  activity.start_checked = activity.is == phase::handed_out;
  set_due(r, seq, activity);
  return true;
}

}  // namespace evermill::actors
