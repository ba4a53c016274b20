// A store that is not synced, as the nodes of a cluster have: a power cut takes the last writes with it.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "storage/memory_store.hpp"

namespace evermill::cluster_simulation {

class lossy_store final : public storage::key_value_store {
 public:
  storage::storage_result<void> write(const storage::write_batch& batch) override {
    written_.push_back(batch);
    return rows_->write(batch);
  }
  storage::storage_result<bool> get(storage::family f, std::string_view key, std::string& value) const override {
    return rows_->get(f, key, value);
  }
  std::unique_ptr<storage::cursor> scan(storage::family f, std::string_view from, std::string_view to) const override {
    return rows_->scan(f, from, to);
  }
  bool durable() const override { return false; }
  storage::store_statistics statistics() const override { return rows_->statistics(); }
  storage::storage_result<void> compact() override { return {}; }

  std::size_t writes() const { return written_.size(); }
  /// All but the first `kept` writes are gone.
  void lose_all_but(std::size_t kept) {
    written_.resize(kept);
    rows_ = storage::make_memory_store();
    for (const storage::write_batch& each : written_) static_cast<void>(rows_->write(each));
  }

 private:
  std::unique_ptr<storage::key_value_store> rows_ = storage::make_memory_store();
  std::vector<storage::write_batch> written_;
};

}  // namespace evermill::cluster_simulation
