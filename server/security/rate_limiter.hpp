// How much whoever asks may ask for.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/clock.hpp"

namespace evermill::server::security {

/// A token bucket: `burst` at once, and `per_second` for ever.
struct rate {
  double per_second = 0;  ///< 0: without a limit
  double burst = 1;       ///< at least 1
  friend bool operator==(const rate&, const rate&) = default;
};

/// A token bucket for each key. Thread-safe: keys are spread over shards, so that those who ask at once seldom meet. Takes room
/// for max_keys keys at most: buckets that are full again are forgotten first, and while there is none of these, keys that come
/// anew share one bucket, so that strangers neither fill the memory nor escape.
class rate_limiter {
 public:
  /// `time` outlives it.
  explicit rate_limiter(const clock& time, std::size_t max_keys = 65'536);

  /// Takes one from the key's bucket: nothing, or how long to wait until there is one.
  std::optional<std::chrono::microseconds> take(std::string_view key, const rate& limit);
  /// What take would say; takes nothing.
  std::optional<std::chrono::microseconds> would_wait(std::string_view key, const rate& limit);
  /// Gives back what was taken for something that another limit then refused.
  void give_back(std::string_view key, const rate& limit);

  std::size_t keys() const;

 private:
  static constexpr std::size_t shard_count = 64;

  /// When the bucket would be full again: the one number that a token bucket is (as in GCRA).
  using full_at = std::int64_t;  // microseconds

  struct hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const noexcept { return std::hash<std::string_view>{}(key); }
  };
  struct shard {
    mutable std::mutex mutex;
    std::unordered_map<std::string, full_at, hash, std::equal_to<>> buckets;
    full_at shared = 0;
    full_at next_sweep = 0;
  };

  shard& shard_of(std::string_view key) { return shards_[hash{}(key) % shard_count]; }
  full_at& bucket_of(shard& in, std::string_view key, std::int64_t now);

  const clock& clock_;
  const std::size_t keys_per_shard_;
  std::array<shard, shard_count> shards_;
};

/// What a principal, or all of a namespace together, may have at once.
struct limits {
  rate requests{};
  std::uint32_t max_open_streams = 0;   ///< 0: without a limit
  std::uint64_t max_message_bytes = 0;  ///< 0: as the server has it
  friend bool operator==(const limits&, const limits&) = default;
};

/// Counts open streams. Thread-safe.
class stream_counter {
 public:
  /// One open stream, until it ends.
  class permit {
   public:
    permit() = default;
    ~permit() { reset(); }
    permit(permit&& other) noexcept { *this = std::move(other); }
    permit& operator=(permit&& other) noexcept;
    void reset() noexcept;
    explicit operator bool() const noexcept { return in_ != nullptr; }

   private:
    friend class stream_counter;
    permit(stream_counter& in, std::string key) : in_(&in), key_(std::move(key)) {}
    stream_counter* in_ = nullptr;
    std::string key_;
  };

  /// False where `key` has `most` already (0: without a limit). The counter outlives the permit.
  permit open(std::string_view key, std::uint32_t most);
  std::uint32_t open_streams(std::string_view key) const;

 private:
  void close(const std::string& key) noexcept;
  mutable std::mutex mutex_;
  std::map<std::string, std::uint32_t, std::less<>> open_;  ///< those that have some
};

}  // namespace evermill::server::security
