#include "server/validity_watch.hpp"

#include <chrono>
#include <utility>

namespace evermill::server {
namespace {
constexpr std::chrono::seconds between_looks{1};
}

validity_watch::validity_watch(std::function<void()> look) : look_(std::move(look)), thread_([this] { run(); }) {}

validity_watch::~validity_watch() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void validity_watch::run() {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, between_looks, [this] { return ended_; })) {
    lock.unlock();
    look_();
    lock.lock();
  }
}

}  // namespace evermill::server
