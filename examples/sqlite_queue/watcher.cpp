#include "watcher.hpp"

#include <algorithm>

namespace sqlite_queue {

watcher::watcher(std::shared_ptr<queue_file> file) : file_(std::move(file)), thread_([this] { run_thread(); }) {}

void watcher::add(std::shared_ptr<watched> who) {
  {
    const std::lock_guard lock(mutex_);
    all_.push_back(std::move(who));
  }
  wake();
}

void watcher::remove(const watched& who) {
  const std::lock_guard lock(mutex_);
  std::erase_if(all_, [&](const auto& each) { return each.get() == &who; });
}

void watcher::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  woken_up_.notify_all();
}

void watcher::close() {
  wake();
  if (thread_.joinable()) thread_.join();
  std::unique_lock lock(mutex_);
  const auto all = std::exchange(all_, {});
  lock.unlock();
  for (const auto& each : all) each->end();
}

void watcher::run_thread() {
  bool again = false;
  while (const auto changed = wait()) {
    std::unique_lock lock(mutex_);
    const auto all = all_;
    lock.unlock();
    const bool look = *changed || again;
    again = false;
    for (const auto& each : all) {
      const auto looked = attempt([&]() -> broker_result<void> {
        each->look(look);
        return {};
      });
      if (!looked) again = true;
    }
  }
}

std::optional<bool> watcher::wait() {
  std::unique_lock lock(mutex_);
  const auto is_called = [&] { return woken_ || file_->closed; };
  if (all_.empty()) {
    woken_up_.wait(lock, is_called);
  } else {
    woken_up_.wait_for(lock, file_->address.poll, is_called);
  }
  if (file_->closed) return std::nullopt;
  const bool woken = std::exchange(woken_, false);
  lock.unlock();
  return has_changed() || woken;
}

/// Asked before all that may look at the file: what is committed meanwhile is a change again.
bool watcher::has_changed() {
  const auto version = attempt([&] {
    return file_->read([](connection& by) -> broker_result<std::uint64_t> { return by.version(); });
  });
  return !version || std::exchange(seen_version_, *version) != *version;
}

}  // namespace sqlite_queue
