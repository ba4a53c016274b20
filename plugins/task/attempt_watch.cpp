#include "plugins/task/attempt_watch.hpp"

#include <algorithm>
#include <utility>

namespace evermill::tasks {
namespace {

constexpr std::chrono::microseconds longest_interval = std::chrono::seconds(60);

}  // namespace

std::chrono::microseconds heartbeat_interval(std::chrono::microseconds timeout) noexcept {
  return timeout.count() > 0 ? std::min(timeout / 10 * 8, longest_interval) : longest_interval;
}

attempt_watch::attempt_watch(clock& time, std::shared_ptr<const messages::ActivityTask> task, std::int64_t started_us,
                             std::function<void(timed_out)> on_limit, on_attempt_heartbeat on_heartbeat)
    : time_(time),
      task_(std::move(task)),
      on_limit_(std::move(on_limit)),
      on_heartbeat_(std::move(on_heartbeat)),
      started_(from_micros(started_us)),
      heard_(started_) {}

void attempt_watch::start() {
  std::lock_guard lock(mutex_);
  set_alarm();
}

/// When the attempt is given up unless it is heard of; timestamp::max(): never.
timestamp attempt_watch::limit_at() const {
  timestamp at = timestamp::max();
  const std::chrono::microseconds run(task_->options().start_to_close_us());
  const std::chrono::microseconds silence(task_->options().heartbeat_us());
  if (run.count() > 0) at = std::min(at, started_ + run);
  if (silence.count() > 0) at = std::min(at, heard_ + silence);
  return at;
}

std::optional<timed_out> attempt_watch::exceeded(timestamp now) const {
  if (now < limit_at()) return std::nullopt;
  const std::int64_t run_us = task_->options().start_to_close_us();
  const bool ran_too_long = run_us > 0 && now >= started_ + std::chrono::microseconds(run_us);
  return timed_out{ran_too_long ? timed_out::limit::start_to_close : timed_out::limit::heartbeat};
}

/// One that would ring earlier than needed stays: what it finds then is nothing. Gives the alarm it replaces, which is to be
/// canceled without the lock: it may be ringing.
clock::alarm_id attempt_watch::set_alarm() {
  const timestamp at = unpassed_ && on_heartbeat_ ? std::min(limit_at(), next_pass_) : limit_at();
  if (at == timestamp::max() || (alarm_ != 0 && alarm_at_ <= at)) return 0;
  const std::uint64_t number = ++alarms_set_;
  alarm_at_ = at;
  return std::exchange(alarm_, time_.set_alarm(at, [this, number] { ring(number); }));
}

/// The newest details, if their turn has come.
std::optional<messages::Payload> attempt_watch::take_details(timestamp now) {
  next_pass_ = now + heartbeat_interval(std::chrono::microseconds(task_->options().heartbeat_us()));
  return std::exchange(unpassed_, std::nullopt);
}

void attempt_watch::heartbeat(std::optional<messages::Payload> details) {
  clock::alarm_id replaced = 0;
  bool pass = false;
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return;
    const timestamp now = time_.now();
    heard_ = std::max(heard_, now);
    if (details) unpassed_ = std::move(details);
    pass = on_heartbeat_ && now >= next_pass_;
    if (pass) {
      details = take_details(now);
    } else {
      replaced = set_alarm();
    }
  }
  if (replaced != 0) time_.cancel_alarm(replaced);
  if (pass) on_heartbeat_(task_, std::move(details));
}

/// What is called may destroy the watch: nothing of it is touched afterwards.
void attempt_watch::ring(std::uint64_t number) {
  std::optional<messages::Payload> details;
  std::optional<timed_out> limit;
  std::unique_lock lock(mutex_);
  if (stopped_ || number != alarms_set_) return;
  const timestamp now = time_.now();
  ringing_ = std::exchange(alarm_, 0);
  limit = exceeded(now);
  if (!limit && unpassed_ && on_heartbeat_ && now >= next_pass_) details = take_details(now);
  if (!limit) set_alarm();
  if (limit) {
    const auto on_limit = on_limit_;
    lock.unlock();
    on_limit(*limit);
  } else if (details) {
    const auto on_heartbeat = on_heartbeat_;
    const auto task = task_;
    lock.unlock();
    on_heartbeat(task, std::move(details));
  }
}

std::optional<messages::Payload> attempt_watch::stop() {
  std::unique_lock lock(mutex_);
  stopped_ = true;
  const clock::alarm_id alarm = std::exchange(alarm_, 0);
  const clock::alarm_id ringing = std::exchange(ringing_, 0);
  std::optional<messages::Payload> left = std::exchange(unpassed_, std::nullopt);
  lock.unlock();
  if (alarm != 0) time_.cancel_alarm(alarm);
  if (ringing != 0) time_.cancel_alarm(ringing);  // waits until it has rung completely
  return left;
}

}  // namespace evermill::tasks
