#include "server/security/rate_limiter.hpp"

#include <algorithm>
#include <cmath>

namespace evermill::server::security {
namespace {

constexpr std::int64_t sweep_pause_micros = 100'000;

std::int64_t micros_for(double count, double per_second) {
  return static_cast<std::int64_t>(std::llround(std::min(count / per_second, 1e9) * 1e6));
}
std::int64_t interval_of(const rate& limit) { return std::max<std::int64_t>(1, micros_for(1, limit.per_second)); }
/// How far ahead of now the bucket's moment may lie for one more to be taken.
std::int64_t tolerance_of(const rate& limit) { return micros_for(std::max(limit.burst, 1.0) - 1, limit.per_second); }

}  // namespace

rate_limiter::rate_limiter(const clock& time, std::size_t max_keys)
    : clock_(time), keys_per_shard_(std::max<std::size_t>(1, max_keys / shard_count)) {}

rate_limiter::full_at& rate_limiter::bucket_of(shard& in, std::string_view key, std::int64_t now) {
  if (const auto found = in.buckets.find(key); found != in.buckets.end()) return found->second;
  if (in.buckets.size() >= keys_per_shard_ && now >= in.next_sweep) {
    in.next_sweep = now + sweep_pause_micros;  // a shard without room is not searched at each request
    std::erase_if(in.buckets, [&](const auto& entry) { return entry.second <= now; });
  }
  if (in.buckets.size() >= keys_per_shard_) return in.shared;
  return in.buckets.emplace(std::string(key), 0).first->second;
}

std::optional<std::chrono::microseconds> rate_limiter::take(std::string_view key, const rate& limit) {
  if (limit.per_second <= 0) return std::nullopt;
  const std::int64_t now = to_micros(clock_.now());
  shard& in = shard_of(key);
  const std::lock_guard lock(in.mutex);
  full_at& full = bucket_of(in, key, now);
  // No moment lies further ahead than this, unless the clock was set back: nobody waits for it to come again.
  const std::int64_t from = std::clamp(full, now, now + tolerance_of(limit) + interval_of(limit));
  if (const std::int64_t wait = from - now - tolerance_of(limit); wait > 0) return std::chrono::microseconds(wait);
  full = from + interval_of(limit);
  return std::nullopt;
}

std::optional<std::chrono::microseconds> rate_limiter::would_wait(std::string_view key, const rate& limit) {
  if (limit.per_second <= 0) return std::nullopt;
  const std::int64_t now = to_micros(clock_.now());
  shard& in = shard_of(key);
  const std::lock_guard lock(in.mutex);
  const auto found = in.buckets.find(key);
  const full_at full = found != in.buckets.end() ? found->second : in.buckets.size() >= keys_per_shard_ ? in.shared : 0;
  const std::int64_t wait = std::min(full - now - tolerance_of(limit), interval_of(limit));
  if (wait <= 0) return std::nullopt;
  return std::chrono::microseconds(wait);
}

void rate_limiter::give_back(std::string_view key, const rate& limit) {
  if (limit.per_second <= 0) return;
  shard& in = shard_of(key);
  const std::lock_guard lock(in.mutex);
  const auto found = in.buckets.find(key);
  full_at& full = found == in.buckets.end() ? in.shared : found->second;
  full -= interval_of(limit);
}

std::size_t rate_limiter::keys() const {
  std::size_t count = 0;
  for (const shard& each : shards_) {
    const std::lock_guard lock(each.mutex);
    count += each.buckets.size();
  }
  return count;
}

stream_counter::permit& stream_counter::permit::operator=(permit&& other) noexcept {
  if (this == &other) return *this;
  reset();
  in_ = std::exchange(other.in_, nullptr);
  key_ = std::move(other.key_);
  return *this;
}

void stream_counter::permit::reset() noexcept {
  if (in_ != nullptr) std::exchange(in_, nullptr)->close(key_);
}

stream_counter::permit stream_counter::open(std::string_view key, std::uint32_t most) {
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(key);
  if (most != 0 && found != open_.end() && found->second >= most) return {};
  ++(found != open_.end() ? found->second : open_[std::string(key)]);
  return permit(*this, std::string(key));
}

std::uint32_t stream_counter::open_streams(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(key);
  return found == open_.end() ? 0 : found->second;
}

void stream_counter::close(const std::string& key) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(key);
  if (found != open_.end() && --found->second == 0) open_.erase(found);
}

}  // namespace evermill::server::security
