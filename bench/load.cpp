#include "bench/load.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace evermill::bench {

std::vector<load::steady::duration> load::run(const std::function<void(std::uint64_t, done)>& begin) {
  for (std::uint64_t i = 0; i < times_; ++i) {
    {
      std::unique_lock lock(mutex_);
      if (running_ == at_once_) changed_.wait(lock, [&] { return running_ <= refill_at(); });
      if (error_) break;
      ++running_;
    }
    const auto began = steady::now();
    begin(i, [this, i, began](const std::optional<engine_error>& error) { on_done(i, began, error); });
  }
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return running_ == 0; });
  if (error_) throw engine_error(*error_);
  std::sort(latencies_.begin(), latencies_.end());
  return std::move(latencies_);
}

void load::on_done(std::uint64_t i, steady::time_point began, const std::optional<engine_error>& error) {
  latencies_[i] = steady::now() - began;
  std::lock_guard lock(mutex_);
  if (error && !error_) error_ = error;
  --running_;
  if (running_ <= refill_at() || running_ == 0) changed_.notify_one();
}

void start_all(engine& e, const char* workflow, std::uint64_t count, std::uint64_t at_once) {
  load(count, at_once).run([&](std::uint64_t i, load::done done) {
    e.start(workflow, payload{}, {.id = started_id(i)},
            [done = std::move(done)](std::optional<engine_error> error, const started_execution&) { done(std::move(error)); });
  });
}

std::string started_id(std::uint64_t i) { return "instance-" + std::to_string(i); }

void wait_until_owned(const engine& e, std::size_t nodes) {
  constexpr std::chrono::milliseconds between_looks{50};
  while (!is_shared_by(e.cluster(), nodes)) std::this_thread::sleep_for(between_looks);
}

void wait_until_asleep(const engine& e) {
  constexpr std::chrono::milliseconds between_looks{10};
  while (e.statistics().live_instances > 0) std::this_thread::sleep_for(between_looks);
}

}  // namespace evermill::bench
