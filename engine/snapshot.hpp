// A data directory as it was at a moment, for reading only.
#pragma once

#include <filesystem>
#include <memory>

#include "messages/state.pb.h"
#include "storage/key_value_store.hpp"

namespace evermill {

struct snapshot {
  std::unique_ptr<storage::key_value_store> store;
  messages::StoreDescription description;
};

/// A directory that a process has open is read, too: files that vanish meanwhile lead to another try.
/// Throws engine_error (storage).
snapshot open_snapshot(const std::filesystem::path& data_directory);

}  // namespace evermill
