// Which positions of one source are handled: a low-water mark and the ranges above it. Events are handled concurrently,
// so a later one may be done before an earlier one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <vector>

namespace evermill::actors {

class position_tracker {
 public:
  position_tracker() = default;
  /// `ranges` is first, last, first, last, … above `low`, ascending.
  position_tracker(std::uint64_t low, const std::vector<std::uint64_t>& ranges) : low_(low) {
    for (std::size_t i = 0; i + 1 < ranges.size(); i += 2) ranges_.emplace(ranges[i], ranges[i + 1]);
  }

  bool contains(std::uint64_t position) const {
    if (position <= low_) return true;
    const auto after = ranges_.upper_bound(position);
    return after != ranges_.begin() && std::prev(after)->second >= position;
  }

  void add(std::uint64_t position) {
    if (contains(position)) return;
    if (position == low_ + 1 && ranges_.empty()) {  // the common case
      low_ = position;
      return;
    }
    add(position, position);
  }

  /// All from `first` to `last`, which is not less.
  void add(std::uint64_t first, std::uint64_t last) {
    auto range = ranges_.upper_bound(first);
    if (range != ranges_.begin() && std::prev(range)->second + 1 >= first) --range;
    for (; range != ranges_.end() && range->first <= last + 1; range = ranges_.erase(range)) {
      first = std::min(first, range->first);
      last = std::max(last, range->second);
    }
    if (first > low_ + 1) {
      ranges_.emplace(first, last);
    } else {
      low_ = std::max(low_, last);
    }
  }

  std::uint64_t low() const noexcept { return low_; }
  const std::map<std::uint64_t, std::uint64_t>& ranges() const noexcept { return ranges_; }

 private:
  std::uint64_t low_ = 0;
  std::map<std::uint64_t, std::uint64_t> ranges_;
};

}  // namespace evermill::actors
