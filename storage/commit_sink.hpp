// Where the commits of a node's partitions go when they do not go straight into the node's store: to logs that others read too.
#pragma once

#include <functional>
#include <optional>

#include "base/ids.hpp"
#include "storage/key_value_store.hpp"

namespace evermill::storage {

/// Thread-safe.
class commit_sink {
 public:
  /// Called at most once, on any thread; nothing: the commit holds and is in the store.
  using on_committed = std::function<void(std::optional<storage_error>)>;

  virtual ~commit_sink() = default;

  /// A partition has one commit on its way at a time. `done` is not called where the partition has lost its owner meanwhile: whoever
  /// knows that stops it (node::stop_partition).
  virtual void submit(partition_id of, write_batch&& batch, on_committed done) = 0;
};

}  // namespace evermill::storage
