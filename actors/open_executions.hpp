// How many executions are open, of the namespaces that limit it: counted by the partitions of a process together.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace evermill::actors {

/// Thread-safe once it is filled.
class open_executions {
 public:
  struct count {
    std::uint64_t most = 0;  ///< in all partitions together
    std::atomic<std::int64_t> open{0};
    std::atomic<std::uint32_t> partitions{0};  ///< that are counted here

    /// One more than what the partitions here may have? Where they are not all, they have their share.
    bool is_full(std::uint32_t of_partitions) const noexcept {
      const std::uint64_t here = partitions.load(std::memory_order_relaxed);
      const std::uint64_t share = here >= of_partitions ? most : std::max<std::uint64_t>(1, most * here / of_partitions);
      return open.load(std::memory_order_relaxed) >= static_cast<std::int64_t>(share);
    }
  };

  /// Before anything is counted.
  void limit(std::string name_space, std::uint64_t most) { counts_[std::move(name_space)].most = most; }
  /// Null: it has no limit.
  count* of(std::string_view name_space) {
    const auto it = counts_.find(name_space);
    return it == counts_.end() ? nullptr : &it->second;
  }
  std::map<std::string, count, std::less<>>& all() noexcept { return counts_; }
  bool empty() const noexcept { return counts_.empty(); }

 private:
  std::map<std::string, count, std::less<>> counts_;
};

}  // namespace evermill::actors
