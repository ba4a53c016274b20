// When a partition looks at an activity again: to dispatch it, or because one of its limits is exceeded. And what happens to
// attempts that were to be dispatched while the partition drains.
#include <algorithm>
#include <optional>
#include <utility>

#include "actors/partition.hpp"
#include "base/planted.hpp"

namespace evermill::actors {
namespace {

using phase = open_activity::phase;
using kind = messages::Failure;

std::optional<timestamp> after(timestamp from, std::int64_t limit_us) {
  if (limit_us <= 0) return std::nullopt;
  return from + std::chrono::microseconds(limit_us);
}

const messages::ActivityOptions& options_of(const open_activity& activity) { return activity.task->options(); }

std::optional<timestamp> schedule_to_close(const open_activity& activity) {
  if (activity.close_by == timestamp()) return std::nullopt;
  return activity.close_by;
}

/// Until the attempt has to be started; nothing once that was looked at.
std::optional<timestamp> schedule_to_start(const open_activity& activity) {
  if (activity.is == phase::asynchronous || activity.start_checked) return std::nullopt;
  const timestamp dispatched = std::max(activity.not_before, from_micros(activity.task->scheduled_us()));
  return after(dispatched, options_of(activity).schedule_to_start_us());
}

bool is_dispatched_later(const open_activity& activity) {
  return activity.is == phase::waiting && activity.boot != never_dispatched;
}

std::optional<timestamp> next_due(const open_activity& activity) {
  std::optional<timestamp> next;
  const auto consider = [&](std::optional<timestamp> when) {
    if (when) next = next ? std::min(*next, *when) : *when;
  };
  consider(schedule_to_close(activity));
  consider(schedule_to_start(activity));
  if (is_dispatched_later(activity)) consider(planted(bug::ignore_back_off) ? timestamp{} : activity.not_before);
  if (activity.is == phase::asynchronous) {
    consider(after(activity.started, options_of(activity).start_to_close_us()));
    consider(after(activity.heard, options_of(activity).heartbeat_us()));
    if (activity.details_unwritten) consider(activity.next_details_write);
  }
  return next;
}

/// Which limit ends the current attempt, as far as it is for the partition to say.
std::optional<messages::Failure::Kind> exceeded(const open_activity& activity, timestamp now) {
  const auto over = [&](std::optional<timestamp> when) { return when && *when <= now; };
  if (over(schedule_to_close(activity))) return kind::SCHEDULE_TO_CLOSE;
  const bool unserved = activity.is == phase::waiting && activity.boot == never_dispatched;
  if (unserved && over(schedule_to_start(activity))) return kind::SCHEDULE_TO_START;
  if (activity.is != phase::asynchronous) return std::nullopt;
  if (over(after(activity.started, options_of(activity).start_to_close_us()))) return kind::START_TO_CLOSE;
  if (over(after(activity.heard, options_of(activity).heartbeat_us()))) return kind::HEARTBEAT;
  return std::nullopt;
}

/// Timeouts in a row are told as one, or each attempt's would be the cause of the next one's.
const messages::Failure& reason_of(const messages::Failure& last) {
  const bool timed_out = last.kind() == kind::START_TO_CLOSE || last.kind() == kind::HEARTBEAT;
  return timed_out && last.has_cause() ? last.cause() : last;
}

}  // namespace

open_activity* partition::find_activity(const activity_key& key, run*& r) {
  const auto in = runs_.find(key.run);
  if (in == runs_.end()) return nullptr;
  const auto it = in->second->open.activities.find(key.scheduled);
  if (it == in->second->open.activities.end() || !it->second.task) return nullptr;
  r = in->second.get();
  return &it->second;
}

// --- due times

/// Nothing is done at a time that follows from what is not durable.
void partition::set_due_when_durable(run& r, event_seq seq, open_activity& activity) {
  unset_due(r, seq, activity);
  ++activity.changing;
  gathering_.activities.push_back({r.number, seq});
}

void partition::on_activity_durable(const activity_key& key) {
  run* r = nullptr;
  open_activity* const activity = find_activity(key, r);
  if (activity == nullptr || --activity->changing > 0) return;
  set_due(*r, key.scheduled, *activity);
}

void partition::set_due(const run& r, event_seq seq, open_activity& activity) {
  unset_due(r, seq, activity);
  if (draining_ || activity.closing || activity.overdue || activity.changing > 0) return;
  const std::optional<timestamp> next = next_due(activity);
  if (!next) return;
  activity.due = *next;
  activity.armed = true;
  dues_.insert({*next, r.number, seq});
}

void partition::unset_due(const run& r, event_seq seq, open_activity& activity) {
  if (std::exchange(activity.armed, false)) dues_.erase({activity.due, r.number, seq});
}

void partition::ring_activities(timestamp now, effects& out) {
  while (!dues_.empty() && dues_.begin()->when <= now) {
    const due_time due = *dues_.begin();
    dues_.erase(dues_.begin());
    run* r = nullptr;
    open_activity* const activity = find_activity({due.run, due.scheduled}, r);
    if (activity == nullptr) continue;
    activity->armed = false;
    ring(*r, due.scheduled, *activity, now, out);
    set_due(*r, due.scheduled, *activity);
  }
}

void partition::ring(run& r, event_seq seq, open_activity& activity, timestamp now, effects& out) {
  if (const auto limit = exceeded(activity, now)) {
    activity.overdue = true;
    messages::ActivityAttemptClosed end;
    messages::Failure& failure = *end.mutable_timed_out()->mutable_failure();
    set_timeout(failure, *limit);
    if (activity.last_failure) *failure.mutable_cause() = reason_of(*activity.last_failure);
    return publish_end(r, seq, activity, std::move(end), out);
  }
  if (is_dispatched_later(activity) && (activity.not_before <= now || planted(bug::ignore_back_off))) {
    activity.is = phase::handed_out;
    out.tasks.push_back(activity.task);
  }
  if (const auto start_by = schedule_to_start(activity); start_by && *start_by <= now) {
    activity.start_checked = true;
    out.cancellations.push_back({tasks::dispatch_id_of(*activity.task), activity.task->activity_type(),
                                 attempt_cancellation::kind::expire});
  }
  if (activity.details_unwritten && activity.next_details_write <= now) write_details(r, seq, activity);
}

// --- draining

void partition::drain() {
  draining_ = true;
  for (const due_time& due : std::exchange(dues_, {})) keep_waiting({due.run, due.scheduled});
  ports_.request_flush();
}

/// What became durable while the partition was told to drain has not been handed to anybody.
void partition::hold_back(commit& done) {
  for (const activity_key& key : done.activities) keep_waiting(key);
  for (const auto& task : std::exchange(done.out.tasks, {})) {
    keep_undispatched({run_number(task->run_number()), event_seq(task->scheduled_seq())});
  }
}

/// For one that something is due of: its attempt waits for its time, or what it has said is not written.
void partition::keep_waiting(const activity_key& key) {
  run* r = nullptr;
  open_activity* const activity = find_activity(key, r);
  if (activity == nullptr) return;
  activity->armed = false;
  if (is_dispatched_later(*activity)) {
    keep_undispatched(key);
  } else if (activity->details_unwritten) {
    put_activity_row(*r, key.scheduled, *activity);
  }
}

/// The attempt has not been handed to anybody and, while draining, will not be: it stays the current one.
void partition::keep_undispatched(const activity_key& key) {
  run* r = nullptr;
  open_activity* const activity = find_activity(key, r);
  if (activity == nullptr || activity->closing) return;
  set_attempt(*r, key.scheduled, *activity, activity->attempt, to_micros(activity->not_before), nullptr);
}

}  // namespace evermill::actors
