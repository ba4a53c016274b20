#include "plugins/task/task_queues.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

namespace evermill::tasks {

task_queues::task_queues(const std::vector<task_queue_limits>& queues, clock& time) : time_(time) {
  for (const task_queue_limits& limits : queues) {
    known_.insert(limits.name);
    if (limits.concurrency == 0 && limits.rate_per_second <= 0) continue;
    queue& made = limited_[limits.name];
    made.limits = limits;
    made.permits = std::max(limits.burst, 1u);
    made.counted_at = time_.now();
  }
}

void task_queues::attach(release run) {
  std::lock_guard lock(running_);
  run_ = std::move(run);
}

void task_queues::detach() {
  std::lock_guard lock(running_);
  run_ = nullptr;
}

void task_queues::run(std::vector<task_ptr>&& released) {
  if (released.empty()) return;
  std::lock_guard lock(running_);
  if (run_) run_(std::move(released));
}

task_queues::queue* task_queues::find(const messages::ActivityTask& task) {
  if (limited_.empty()) return nullptr;
  const std::string& name = task.options().task_queue();
  const auto it = name.empty() ? limited_.find(default_name) : limited_.find(name);
  return it == limited_.end() ? nullptr : &it->second;
}

void task_queues::admit(std::vector<task_ptr>& tasks) {
  if (limited_.empty()) return;
  std::vector<task_ptr> passed;
  std::lock_guard lock(mutex_);
  for (task_ptr& task : tasks) {
    queue* const in = closed_ ? nullptr : find(*task);
    if (in == nullptr) {
      passed.push_back(std::move(task));
      continue;
    }
    const dispatch_id id = dispatch_id_of(*task);
    in->waiting.push_back(std::move(task));
    places_.emplace(id, std::pair(in, std::prev(in->waiting.end())));
    take_released(*in, passed);
  }
  tasks = std::move(passed);
}

void task_queues::take_released(queue& from, std::vector<task_ptr>& to) {
  const double rate = from.limits.rate_per_second;
  const timestamp now = time_.now();
  if (rate > 0 && now > from.counted_at) {
    const double seconds = std::chrono::duration<double>(now - from.counted_at).count();
    from.permits = std::min<double>(from.permits + seconds * rate, std::max(from.limits.burst, 1u));
    from.counted_at = now;
  }
  while (!from.waiting.empty() && (from.limits.concurrency == 0 || from.running.size() < from.limits.concurrency)) {
    if (rate > 0 && from.permits < 1) {
      const std::chrono::duration<double> wait((1 - from.permits) / rate);
      const auto rounded = std::chrono::ceil<std::chrono::microseconds>(wait);
      if (from.alarm == 0) from.alarm = time_.set_alarm(now + rounded, [this, &from] { ring(from); });
      return;
    }
    if (rate > 0) from.permits -= 1;
    const dispatch_id id = dispatch_id_of(*from.waiting.front());
    places_.erase(id);
    from.running.insert(id);
    to.push_back(std::move(from.waiting.front()));
    from.waiting.pop_front();
  }
}

void task_queues::ring(queue& which) {
  std::vector<task_ptr> released;
  {
    std::lock_guard lock(mutex_);
    which.alarm = 0;
    if (closed_) return;
    take_released(which, released);
  }
  run(std::move(released));
}

void task_queues::ended(const messages::ActivityTask& task) {
  queue* const in = find(task);
  if (in == nullptr) return;
  std::vector<task_ptr> released;
  {
    std::lock_guard lock(mutex_);
    if (closed_ || in->running.erase(dispatch_id_of(task)) == 0) return;
    take_released(*in, released);
  }
  run(std::move(released));
}

task_queues::task_ptr task_queues::drop(const dispatch_id& id) {
  if (limited_.empty()) return nullptr;
  std::lock_guard lock(mutex_);
  const auto place = places_.extract(id);
  if (place.empty()) return nullptr;
  const auto [in, at] = place.mapped();
  task_ptr task = std::move(*at);
  in->waiting.erase(at);
  return task;
}

std::vector<task_queues::load> task_queues::loads() {
  std::vector<load> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, each] : limited_) all.push_back({name, each.waiting.size(), each.running.size()});
  return all;
}

std::vector<task_queues::task_ptr> task_queues::close() {
  std::vector<task_ptr> kept;
  std::vector<clock::alarm_id> alarms;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    for (auto& [name, each] : limited_) {
      kept.insert(kept.end(), each.waiting.begin(), each.waiting.end());
      each.waiting.clear();
      if (each.alarm != 0) alarms.push_back(std::exchange(each.alarm, 0));
    }
    places_.clear();
  }
  for (const clock::alarm_id alarm : alarms) time_.cancel_alarm(alarm);
  return kept;
}

}  // namespace evermill::tasks
