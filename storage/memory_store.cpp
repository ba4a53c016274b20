#include "storage/memory_store.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <vector>

namespace evermill::storage {
namespace {

using rows = std::map<std::string, std::string, std::less<>>;

class memory_cursor final : public cursor {
 public:
  explicit memory_cursor(std::vector<std::pair<std::string, std::string>> copy) : rows_(std::move(copy)) {}
  bool valid() const override { return at_ < rows_.size(); }
  std::string_view key() const override { return rows_[at_].first; }
  std::string_view value() const override { return rows_[at_].second; }
  void next() override { ++at_; }
  void seek(std::string_view key) override {
    const auto from = rows_.begin() + static_cast<std::ptrdiff_t>(at_);
    const auto to = std::lower_bound(from, rows_.end(), key, [](const auto& row, std::string_view wanted) { return row.first < wanted; });
    at_ = static_cast<std::size_t>(to - rows_.begin());
  }
  storage_result<void> status() const override { return {}; }

 private:
  std::vector<std::pair<std::string, std::string>> rows_;
  std::size_t at_ = 0;
};

class memory_store final : public key_value_store {
 public:
  storage_result<void> write(const write_batch& batch) override {
    std::lock_guard lock(mutex_);
    batch.for_each(*this);
    ++statistics_.commits;
    return {};
  }
  void put(family f, std::string_view key, std::string_view value) {
    families_[static_cast<std::size_t>(f)].insert_or_assign(std::string(key), std::string(value));
  }
  void erase(family f, std::string_view key) {
    rows& all = families_[static_cast<std::size_t>(f)];
    if (const auto it = all.find(key); it != all.end()) all.erase(it);
  }
  storage_result<bool> get(family f, std::string_view key, std::string& value) const override {
    std::lock_guard lock(mutex_);
    const rows& all = families_[static_cast<std::size_t>(f)];
    const auto it = all.find(key);
    if (it == all.end()) return false;
    value = it->second;
    return true;
  }
  std::unique_ptr<cursor> scan(family f, std::string_view from, std::string_view to) const override {
    std::lock_guard lock(mutex_);
    const rows& all = families_[static_cast<std::size_t>(f)];
    const auto first = all.lower_bound(from);
    const auto last = to.empty() ? all.end() : all.lower_bound(to);
    return std::make_unique<memory_cursor>(std::vector<std::pair<std::string, std::string>>(first, last));
  }
  bool durable() const override { return false; }
  store_statistics statistics() const override {
    std::lock_guard lock(mutex_);
    return statistics_;
  }
  storage_result<void> compact() override { return {}; }

 private:
  mutable std::mutex mutex_;
  std::array<rows, family_count> families_;
  store_statistics statistics_;
};

}  // namespace

std::unique_ptr<key_value_store> make_memory_store() { return std::make_unique<memory_store>(); }

}  // namespace evermill::storage
