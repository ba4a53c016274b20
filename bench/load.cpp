#include "bench/load.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

namespace evermill::bench {
namespace {

using steady = std::chrono::steady_clock;

class driver {
 public:
  driver(engine& on, const load& what)
      : engine_(on), load_(what), refill_at_(what.in_flight - (what.in_flight + 3) / 4), starts_(what.instances) {
    result_.latencies.resize(what.instances);
  }

  load_result run() {
    const auto began = steady::now();
    for (std::uint64_t i = 0; i < load_.instances; ++i) {
      if (i - ended_seen_ >= load_.in_flight) wait_for_room(i);
      start(i);
    }
    wait_for_all();
    result_.elapsed = last_end_ - began;
    return std::move(result_);
  }

 private:
  std::string id_of(std::uint64_t i) const { return load_.id_prefix + std::to_string(i); }

  void start(std::uint64_t i) {
    starts_[i] = steady::now();
    engine_.start(load_.workflow_type, payload{}, {.id = id_of(i)},
                  [this, i](std::optional<engine_error> error, const started_execution&) {
                    if (error) return ended(i, error->what());
                    if (load_.until_started) return ended(i, {});
                    watch(i);
                  });
  }

  void watch(std::uint64_t i) {
    engine_.wait(id_of(i), [this, i](std::optional<engine_error> error, const execution_end& end) {
      if (error) return ended(i, error->what());
      if (end.status == execution_status::completed) return ended(i, {});
      ended(i, std::string(to_string(end.status)) + (end.cause ? ": " + end.cause->message : ""));
    });
  }

  void ended(std::uint64_t i, const std::string& failure) {
    const auto now = steady::now();
    result_.latencies[i] = now - starts_[i];
    const std::lock_guard lock(mutex_);
    if (!failure.empty() && result_.failures++ == 0) result_.first_failure = id_of(i) + ": " + failure;
    ++ended_;
    last_end_ = now;
    // Woken for a quarter of the window at once: a wake-up per instance would cost what is to be measured.
    if (ended_ >= wake_at_) changed_.notify_one();
  }

  void wait_for_room(std::uint64_t started) { wait_until_ended(started - refill_at_); }
  void wait_for_all() { wait_until_ended(load_.instances); }

  void wait_until_ended(std::uint64_t count) {
    std::unique_lock lock(mutex_);
    wake_at_ = count;
    changed_.wait(lock, [&] { return ended_ >= count; });
    wake_at_ = never;
    ended_seen_ = ended_;
  }

  static constexpr std::uint64_t never = static_cast<std::uint64_t>(-1);

  engine& engine_;
  const load& load_;
  const std::uint64_t refill_at_;  // instances still running when starting goes on
  std::vector<steady::time_point> starts_;
  std::uint64_t ended_seen_ = 0;  // of the starting thread
  load_result result_;            // failures under mutex_; each latency is written once, before its end is counted

  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t ended_ = 0;
  std::uint64_t wake_at_ = never;
  steady::time_point last_end_{};
};

}  // namespace

load_result apply_load(engine& on, const load& what) { return driver(on, what).run(); }

}  // namespace evermill::bench
