// What a partition does at a time: durable timers, due times of activities, passivation.
#include <algorithm>
#include <utility>

#include "actors/partition.hpp"
#include "base/planted.hpp"

namespace evermill::actors {
namespace {
constexpr std::size_t due_timer_limit = 1000;
constexpr std::size_t timer_window = 10'000;
}  // namespace

void partition::arm(const storage::timer_row& timer) {
  const bool within = all_timers_known_ || timer <= timer_scan_ || (!timers_.empty() && timer < *timers_.rbegin());
  if (!within) return;  // the scan will find it when its time comes near
  timers_.insert(timer);
  // What the scan has passed stays: nothing would find it again.
  if (timers_.size() <= timer_window || *timers_.rbegin() <= timer_scan_) return;
  timers_.erase(std::prev(timers_.end()));
  all_timers_known_ = false;
}

void partition::disarm(const storage::timer_row& timer) { timers_.erase(timer); }

void partition::refill_timers() {
  if (all_timers_known_ || !timers_.empty()) return;
  auto rows = storage::scan_timers(store_, options_.id, timer_scan_, timer_window);
  if (!rows) return corrupt(rows.error());
  all_timers_known_ = rows->size() < timer_window;
  timers_.insert(rows->begin(), rows->end());
}

void partition::on_tick() {
  tick_at_ = {};
  if (failed_) return;
  const timestamp now = ports_.now();
  const timestamp due = planted(bug::fire_timer_early) ? now + std::chrono::milliseconds(100) : now;
  effects out;
  for (std::size_t n = 0; n < due_timer_limit && !draining_; ++n) {
    refill_timers();
    if (failed_ || timers_.empty() || timers_.begin()->fire_at > due) break;
    auto timer = timers_.extract(timers_.begin());
    timer_scan_ = std::max(timer_scan_, timer.value());
    auto event = std::make_shared<messages::DecisionEvent>();
    event->set_workflow_id(timer.value().workflow_id);
    event->set_run_number(timer.value().run.value);
    event->mutable_event()->mutable_timer_fired()->set_started_seq(timer.value().started.value);
    out.outbound.emplace_back(options_.id, std::move(event));
  }
  ring_activities(now, out);
  ring_published(now);
  ring_retention(now);
  if (!out.empty()) ports_.release(std::move(out));
  passivate_idle();
  set_tick();
}

void partition::set_tick() {
  if (failed_) return;
  std::optional<timestamp> next;
  const auto consider = [&](timestamp when) { next = next ? std::min(*next, when) : when; };
  refill_timers();
  if (!timers_.empty() && !draining_) consider(timers_.begin()->fire_at);
  if (!dues_.empty()) consider(dues_.begin()->when);
  if (outgoing_.erase_at) consider(*outgoing_.erase_at);
  if (!options_.retention.empty() && !draining_ && !gathering_.deleted && !writing_.deleted) consider(retention_.due);
  if (!idle_order_.empty()) {
    // An instance that may not leave yet is looked at again a little later.
    const timestamp soonest = ports_.now() + options_.passivate_after / 4;
    consider(std::max(runs_.at(idle_order_.front())->last_used + options_.passivate_after, soonest));
  }
  if (!next || (tick_at_ != timestamp{} && tick_at_ <= *next)) return;
  tick_at_ = *next;
  ports_.request_tick(*next);
}

}  // namespace evermill::actors
