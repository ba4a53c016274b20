#include "engine/snapshot.hpp"

#include <utility>

#include "engine/incarnation.hpp"
#include "storage/lock_holder.hpp"
#include "storage/rocksdb_store.hpp"
#include "storage/rows.hpp"

namespace evermill {
namespace {
constexpr int tries = 10;
}

snapshot open_snapshot(const std::filesystem::path& data_directory) {
  storage::rocksdb_options options;
  options.directory = data_directory;
  options.read_only = true;
  auto store = storage::open_rocksdb_store(options);
  for (int i = 1; !store && i < tries && storage::lock_holder(data_directory) != 0; ++i) {
    store = storage::open_rocksdb_store(options);
  }
  snapshot opened{must(std::move(store)), {}};
  if (auto found = must(storage::find_description(*opened.store))) opened.description = std::move(*found);
  return opened;
}

}  // namespace evermill
