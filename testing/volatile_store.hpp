// A store whose process can die: from then on nothing is written, until the next process attaches.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <utility>

#include "evermill/testing/environment.hpp"
#include "storage/key_value_store.hpp"

namespace evermill::testing {

/// The stores of a directory; without one, rows in memory that outlive the processes of one environment. Opening one throws
/// engine_error (storage, locked).
store_opener stores_of(const std::filesystem::path& directory);

class volatile_store final : public storage::key_value_store {
 public:
  explicit volatile_store(store_opener open) : open_(std::move(open)) {}

  /// A process begins; opens its store, and throws what that does.
  void attach();
  /// The process is dead: each write fails, and none was made.
  void detach();
  /// The process dies with the `count`-th successful write from now on. 0: it does not.
  void die_after(std::uint64_t count) { writes_left_ = count; }
  bool is_dead() const { return dead_; }
  std::uint64_t writes() const { return writes_; }

  storage::storage_result<void> write(const storage::write_batch& batch) override;
  storage::storage_result<bool> get(storage::family f, std::string_view key, std::string& value) const override;
  std::unique_ptr<storage::cursor> scan(storage::family f, std::string_view from, std::string_view to) const override;
  bool durable() const override { return real_->durable(); }
  storage::store_statistics statistics() const override { return real_->statistics(); }
  storage::storage_result<void> compact() override { return real_->compact(); }

 private:
  const store_opener open_;
  std::unique_ptr<storage::key_value_store> real_;
  bool dead_ = true;
  std::uint64_t writes_ = 0;
  std::uint64_t writes_left_ = 0;
};

}  // namespace evermill::testing
