#include "testing/volatile_store.hpp"

#include "engine/incarnation.hpp"
#include "storage/memory_store.hpp"
#include "storage/rocksdb_store.hpp"

namespace evermill::testing {

store_opener stores_of(const std::filesystem::path& directory) {
  using store = std::unique_ptr<storage::key_value_store>;
  if (directory.empty()) return [](store before) { return before ? std::move(before) : storage::make_memory_store(); };
  return [directory](store before) {
    before.reset();  // its lock
    storage::rocksdb_options how;
    how.directory = directory;
    return must(storage::open_rocksdb_store(how));
  };
}

void volatile_store::attach() {
  real_ = open_(std::move(real_));
  dead_ = false;
}

void volatile_store::detach() { dead_ = true; }

storage::storage_result<void> volatile_store::write(const storage::write_batch& batch) {
  if (dead_) return unexpected(storage::storage_error{storage::storage_errc::io, "the process has crashed"});
  if (auto written = real_->write(batch); !written) return written;
  ++writes_;
  if (writes_left_ > 0 && --writes_left_ == 0) dead_ = true;
  return {};
}

storage::storage_result<bool> volatile_store::get(storage::family f, std::string_view key, std::string& value) const {
  return real_->get(f, key, value);
}

std::unique_ptr<storage::cursor> volatile_store::scan(storage::family f, std::string_view from,
    std::string_view to) const {
  return real_->scan(f, from, to);
}

}  // namespace evermill::testing
