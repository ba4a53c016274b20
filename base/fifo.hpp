// A queue that owns no memory while it has never held anything. (libstdc++'s std::deque allocates more than half a kilobyte when it
// is made, which an instance has no use for.)
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace evermill {

template <class T>
class fifo {
 public:
  using iterator = typename std::vector<T>::iterator;
  using const_iterator = typename std::vector<T>::const_iterator;

  bool empty() const noexcept { return first_ == items_.size(); }
  std::size_t size() const noexcept { return items_.size() - first_; }
  T& front() { return items_[first_]; }
  T& operator[](std::size_t i) { return items_[first_ + i]; }
  iterator begin() noexcept { return items_.begin() + static_cast<std::ptrdiff_t>(first_); }
  iterator end() noexcept { return items_.end(); }
  const_iterator begin() const noexcept { return items_.begin() + static_cast<std::ptrdiff_t>(first_); }
  const_iterator end() const noexcept { return items_.end(); }

  template <class... Args>
  void emplace_back(Args&&... args) {
    items_.emplace_back(std::forward<Args>(args)...);
  }
  void push_back(T item) { items_.push_back(std::move(item)); }

  /// Costs the same however many there are, in the long run.
  void pop_front() {
    items_[first_] = T();
    if (++first_ * 2 <= items_.size()) return;
    items_.erase(items_.begin(), begin());
    first_ = 0;
  }
  /// As pop_front for the first one; otherwise those behind move up.
  void erase(iterator which) {
    if (which == begin()) return pop_front();
    items_.erase(which);
  }
  void clear() noexcept {
    items_.clear();
    first_ = 0;
  }

 private:
  std::vector<T> items_;
  std::size_t first_ = 0;
};

}  // namespace evermill
