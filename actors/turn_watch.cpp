#include "actors/turn_watch.hpp"

#include <atomic>
#include <optional>
#include <utility>

namespace evermill::actors {
namespace {

using steady = std::chrono::steady_clock;

/// How often it looks within one limit: a turn is found at most this part of a limit too late.
constexpr int looks_per_limit = 4;

std::atomic<std::uint64_t> last_id{0};

}  // namespace

struct turn_watch::slot {
  std::mutex guard;
  std::optional<turn_name> turn;
  steady::time_point since;
  bool overdue = false;
};

turn_watch::turn_watch(std::chrono::microseconds limit, callbacks told)
    : limit_(limit), told_(std::move(told)), id_(++last_id), thread_([this](const std::stop_token& stop) { run(stop); }) {}

turn_watch::~turn_watch() {
  thread_.request_stop();
  thread_.join();
}

void turn_watch::run(const std::stop_token& stop) {
  std::unique_lock lock(guard_);
  while (!stop.stop_requested()) {
    stopping_.wait_for(lock, stop, limit_ / looks_per_limit, [] { return false; });
    if (stop.stop_requested()) return;
    lock.unlock();
    look();
    lock.lock();
  }
}

void turn_watch::look() {
  std::vector<slot*> all;
  {
    const std::lock_guard lock(guard_);
    for (const auto& each : slots_) all.push_back(each.get());
  }
  const steady::time_point limit = steady::now() - limit_;
  for (slot* const each : all) {
    std::optional<turn_name> found;
    {
      const std::lock_guard lock(each->guard);
      if (each->turn && !each->overdue && each->since <= limit) {
        each->overdue = true;
        found = each->turn;
      }
    }
    if (found) told_.on_overdue(*found);
  }
}

std::size_t turn_watch::overdue() const {
  const std::lock_guard lock(guard_);
  std::size_t count = 0;
  for (const auto& each : slots_) {
    const std::lock_guard of_slot(each->guard);
    if (each->overdue) ++count;
  }
  return count;
}

turn_watch::slot& turn_watch::slot_of_this_thread() {
  thread_local std::uint64_t watch = 0;
  thread_local slot* mine = nullptr;
  if (watch != id_) {
    auto made = std::make_unique<slot>();
    mine = made.get();
    watch = id_;
    const std::lock_guard lock(guard_);
    slots_.push_back(std::move(made));
  }
  return *mine;
}

turn_watch::scope::scope(turn_watch* watch, const turn_name& turn) : watch_(watch) {
  if (watch_ == nullptr) return;
  slot_ = &watch_->slot_of_this_thread();
  const std::lock_guard lock(slot_->guard);
  slot_->turn = turn;
  slot_->since = steady::now();
}

turn_watch::scope::~scope() {
  if (slot_ == nullptr) return;
  bool was_overdue = false;
  {
    const std::lock_guard lock(slot_->guard);
    slot_->turn.reset();
    was_overdue = std::exchange(slot_->overdue, false);
  }
  if (was_overdue) watch_->told_.on_return();
}

}  // namespace evermill::actors
