// One opening of a data directory: its store, and what runs on it until it is closed or the store fails.
#pragma once

#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "actors/node.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "evermill/engine.hpp"
#include "messages/state.pb.h"
#include "plugins/queue/decision_queue.hpp"
#include "plugins/task/native/native_backend.hpp"
#include "plugins/task/task_queues.hpp"
#include "storage/key_value_store.hpp"

namespace evermill {

/// What outlives every incarnation; owned by the engine.
struct engine_surroundings {
  const registry* definitions = nullptr;
  const engine_options* options = nullptr;
  evermill::clock* time = nullptr;
  random_source* random = nullptr;
  log lines;
};

[[noreturn]] void throw_storage_error(const storage::storage_error& error);

/// The value, or the storage's error as engine_error.
template <class T>
T must(storage::storage_result<T>&& result) {
  if (!result) throw_storage_error(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

class incarnation {
 public:
  /// Opens and recovers. `listener` outlives the incarnation. Throws engine_error: locked, storage, invalid_argument.
  incarnation(const engine_surroundings& around, actors::node_listener& listener);
  /// Stops in order: nothing new starts, activities end within options.stop_grace, what was decided becomes durable.
  ~incarnation();
  incarnation(const incarnation&) = delete;
  incarnation& operator=(const incarnation&) = delete;

  /// The store has failed: stops at once, makes nothing durable, and leaves running activities to themselves.
  void abandon();

  const storage::key_value_store& store() const noexcept { return *store_; }
  storage::key_value_store& store() noexcept { return *store_; }
  /// Null where the directory is only inspected.
  queue::decision_queue* queue() const noexcept { return queue_.get(); }
  std::uint32_t partitions() const noexcept { return description_.partition_count(); }
  partition_id partition_of(std::string_view workflow_id) const;
  actors::partition_statistics statistics() const;
  /// False: there is nobody to ask any more.
  bool query(actors::query_request&& query) const;

 private:
  void start(actors::node_listener& listener);

  const engine_surroundings around_;
  std::unique_ptr<storage::key_value_store> store_;
  messages::StoreDescription description_;
  std::unique_ptr<queue::decision_queue> queue_;
  std::unique_ptr<tasks::task_queues> task_queues_;
  std::unique_ptr<tasks::native_backend> native_;
  std::unique_ptr<tasks::task_backend> shell_;
  mutable std::shared_mutex node_mutex_;  // against a caller who looks while `abandon` takes the node down
  std::unique_ptr<actors::node> node_;
};

}  // namespace evermill
