#include "plugins/task/docker/container_janitor.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "plugins/task/docker/container_spec.hpp"

namespace evermill::tasks {
namespace {

/// How long after its end whoever comes by may remove it; nothing: not at all.
std::optional<std::chrono::milliseconds> kept_for(const container_state& container) {
  const auto it = container.labels.find(docker_label::keep_ms);
  if (it == container.labels.end() || !it->is_string()) return std::nullopt;
  const auto& text = it->get_ref<const std::string&>();
  std::int64_t milliseconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), milliseconds);
  if (error != std::errc() || end != text.data() + text.size() || milliseconds < 0) return std::nullopt;
  return std::chrono::milliseconds(milliseconds);
}

}  // namespace

container_janitor::container_janitor(const docker_client& client, const docker_options& options)
    : client_(client), options_(options) {}

void container_janitor::begin() {
  const std::lock_guard lock(mutex_);
  if (stopping_ || thread_.joinable()) return;
  next_sweep_ = options_.time->now() + options_.sweep_after;
  thread_ = std::thread([this] { work(); });
}

void container_janitor::ended(const std::string& container, std::chrono::milliseconds keep) {
  if (keep.count() < 0) return;
  const std::lock_guard lock(mutex_);
  due_.emplace(options_.time->now() + std::max(keep, options_.keep_ended), container);
  changed_.notify_all();
}

void container_janitor::work() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const timestamp now = options_.time->now();
    if (!due_.empty() && due_.begin()->first <= now) {
      const std::string container = std::move(due_.begin()->second);
      due_.erase(due_.begin());
      lock.unlock();
      client_.remove(container);  // where that fails, its label has it removed later
      lock.lock();
      continue;
    }
    if (next_sweep_ <= now) {
      next_sweep_ = now + options_.sweep_every;
      lock.unlock();
      sweep();
      lock.lock();
      continue;
    }
    const timestamp next = due_.empty() ? next_sweep_ : std::min(next_sweep_, due_.begin()->first);
    rang_ = false;
    const std::size_t known = due_.size();
    const clock::alarm_id alarm = options_.time->set_alarm(next, [this] {
      const std::lock_guard ring(mutex_);
      rang_ = true;
      changed_.notify_all();
    });
    changed_.wait(lock, [&] { return stopping_ || rang_ || due_.size() != known; });
    lock.unlock();
    options_.time->cancel_alarm(alarm);
    lock.lock();
  }
}

/// What was begun by a process that is gone.
void container_janitor::sweep() {
  std::vector<container_state> all;
  if (!client_.list({std::string(docker_label::engine) + "=" + options_.engine_id}, all, {}).done()) return;
  for (const container_state& each : all) {
    const auto keep = kept_for(each);
    if (!keep || each.running || each.status == "paused") continue;
    container_state now;
    if (!client_.inspect(each.id, now).done() || now.running) continue;
    const std::int64_t since_us = now.ended_us != 0 ? now.ended_us : now.created_us;  // it may never have begun
    if (since_us != 0 && from_micros(since_us) + *keep <= options_.time->now()) client_.remove(each.id);
  }
}

void container_janitor::stop() {
  std::multimap<timestamp, std::string> due;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  due.swap(due_);
  const timestamp soon = options_.time->now() + options_.keep_ended;
  for (const auto& [when, container] : due) {
    if (when <= soon && client_.remove(container).how == docker_reply::outcome::away) return;
  }
}

}  // namespace evermill::tasks
