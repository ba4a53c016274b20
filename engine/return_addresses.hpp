// Tokens that stand for callers in other processes, so that what answers need not know where somebody waits.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "base/ids.hpp"

namespace evermill {

/// Thread-safe.
class return_addresses {
 public:
  struct address {
    partition_id at;       ///< whose answer it will be
    std::string process;
    std::uint64_t call = 0;
  };

  /// Such tokens are never those of callers in this process.
  static bool is_one(std::uint64_t token) noexcept { return (token & mark) != 0; }

  std::uint64_t add(address to) {
    const std::lock_guard lock(mutex_);
    addresses_.emplace(++last_, std::move(to));
    return last_ | mark;
  }
  /// Nothing: it was forgotten.
  std::optional<address> take(std::uint64_t token) {
    const std::lock_guard lock(mutex_);
    const auto it = addresses_.find(token & ~mark);
    if (it == addresses_.end()) return std::nullopt;
    std::optional<address> found(std::move(it->second));
    addresses_.erase(it);
    return found;
  }
  void forget(partition_id at) {
    const std::lock_guard lock(mutex_);
    std::erase_if(addresses_, [at](const auto& entry) { return entry.second.at == at; });
  }

 private:
  static constexpr std::uint64_t mark = std::uint64_t{1} << 63;
  std::mutex mutex_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, address> addresses_;
};

}  // namespace evermill
