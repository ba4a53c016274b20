#include "storage/run_prefix.hpp"

#include <string>

#include "storage/keys.hpp"

namespace evermill::storage {
namespace {

class run_prefix final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "evermill.run"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
    const std::string_view prefix = run_prefix_of({key.data(), key.size()});
    return {prefix.data(), prefix.size()};
  }
  bool InDomain(const rocksdb::Slice&) const override { return true; }
};

}  // namespace

std::string_view run_prefix_of(std::string_view key) {
  constexpr std::size_t partition_bytes = 2;
  if (key.size() <= partition_bytes) return key;
  const auto run_bytes = static_cast<unsigned char>(key[partition_bytes]);
  return key.substr(0, partition_bytes + 1 + run_bytes);
}

bool within_one_run(std::string_view from, std::string_view to) {
  constexpr std::size_t shortest = 3;  // a partition and the length of a run's number
  const std::string_view run = run_prefix_of(from);
  if (run.size() < shortest || run.size() < shortest + static_cast<unsigned char>(run[2])) return false;
  if (to.empty()) return false;
  return to.starts_with(run) || to == end_of(std::string(run));
}

std::shared_ptr<const rocksdb::SliceTransform> make_run_prefix() { return std::make_shared<run_prefix>(); }

}  // namespace evermill::storage
