/// @file
/// What `ctx.lock` and `ctx.semaphore` give: the right to go on alone, or with a few others.
#pragma once

#include <cstdint>
#include <utility>

#include "evermill/runtime.hpp"

namespace evermill {

/// A lock, or one permit of a semaphore, that this run holds: given back by `release`, when the object goes, and, whatever
/// happens, when the run ends. For the workflow's own code, like its context; not copied.
class [[nodiscard("it is released when it goes")]] held_lock {
 public:
  /// What was moved from holds nothing.
  held_lock(held_lock&& other) noexcept : runtime_(std::exchange(other.runtime_, nullptr)), requested_(other.requested_) {}
  /// Exchanges the two: what this one held is given back when `other` goes.
  held_lock& operator=(held_lock&& other) noexcept {
    std::swap(runtime_, other.runtime_);
    std::swap(requested_, other.requested_);
    return *this;
  }
  ~held_lock() { release(); }

  /// Gives it back; the next one that waits gets it. Does nothing the second time.
  void release() noexcept {
    if (runtime_ != nullptr) detail::release_lock(*std::exchange(runtime_, nullptr), requested_);
  }
  /// false after `release`, and for what was moved from.
  bool held() const noexcept { return runtime_ != nullptr; }

  /// For evermill itself: what was granted to this request. Once.
  static held_lock take(const detail::cell& c) noexcept {
    return held_lock(std::exchange(c.owner, nullptr), c.seq);
  }

 private:
  held_lock(detail::runtime* rt, std::uint64_t requested) noexcept : runtime_(rt), requested_(requested) {}

  detail::runtime* runtime_;
  std::uint64_t requested_;
};

}  // namespace evermill
