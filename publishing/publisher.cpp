#include "publishing/publisher.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <utility>

namespace evermill::publishing {

publisher::publisher(std::unique_ptr<relay> what, clock& time, delays how)
    : relay_(std::move(what)), time_(time), delays_(how) {}

publisher::~publisher() { stop(); }

void publisher::start() {
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
}

void publisher::offer(partition_id of, std::uint64_t after, std::uint64_t through) {
  relay_->offer(of, after, through);
  {
    const std::lock_guard lock(guard_);
    if (std::exchange(offered_, true)) return;
  }
  changed_.notify_all();
}

void publisher::withdraw(partition_id of) { relay_->withdraw(of); }

bool publisher::finish(std::chrono::milliseconds limit) {
  std::unique_lock lock(guard_);
  changed_.wait_for(lock, limit, [this] { return state_ == state::failing || (state_ == state::idle && !offered_); });
  return state_ == state::idle && !offered_;
}

void publisher::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void publisher::run(std::stop_token stop) {
  sigset_t pipe;  // a reader of standard output that ends is an error like others
  ::sigemptyset(&pipe);
  ::sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  std::chrono::milliseconds delay = delays_.first;
  const auto set = [this](state now) {
    {
      const std::lock_guard lock(guard_);
      state_ = now;
    }
    changed_.notify_all();
  };
  while (!stop.stop_requested()) {
    {
      const std::lock_guard lock(guard_);
      offered_ = false;
      if (state_ != state::failing) state_ = state::busy;
    }
    const relay::outcome how = relay_->send_next(stop);
    if (how == relay::outcome::failed) {
      set(state::failing);
      wait_to_try_again(stop, delay);
      delay = std::min(2 * delay, delays_.longest);
      continue;
    }
    delay = delays_.first;
    if (how == relay::outcome::sent) {
      set(state::busy);
      continue;
    }
    set(state::idle);
    std::unique_lock lock(guard_);
    changed_.wait(lock, stop, [this] { return offered_; });
  }
}

void publisher::wait_to_try_again(std::stop_token stop, std::chrono::milliseconds delay) {
  bool rung = false;
  const clock::alarm_id alarm = time_.set_alarm(time_.now() + delay, [&] {
    {
      const std::lock_guard lock(guard_);
      rung = true;
    }
    changed_.notify_all();
  });
  {
    std::unique_lock lock(guard_);
    changed_.wait(lock, stop, [&] { return rung; });
  }
  time_.cancel_alarm(alarm);
}

}  // namespace evermill::publishing
