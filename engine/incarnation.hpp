// One opening of a data directory: its store, and what runs on it until it is closed or the store fails.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "actors/node.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "deciders/connected_deciders.hpp"
#include "engine/cluster_node.hpp"
#include "engine/engine_metrics.hpp"
#include "evermill/engine.hpp"
#include "messages/state.pb.h"
#include "plugins/queue/decision_queue.hpp"
#include "plugins/task/backends.hpp"
#include "plugins/task/connected/connected_workers.hpp"
#include "plugins/task/task_queues.hpp"
#include "publishing/publisher.hpp"
#include "storage/executions.hpp"
#include "storage/key_value_store.hpp"

namespace evermill {

class declared_namespaces;

/// What outlives every incarnation; owned by the engine.
struct engine_surroundings {
  const registry* definitions = nullptr;
  const engine_options* options = nullptr;
  evermill::clock* time = nullptr;
  random_source* random = nullptr;
  engine_metrics* counts = nullptr;
  tasks::output_tails* tails = nullptr;
  tasks::connected_workers* workers = nullptr;  ///< null: none are accepted
  deciders::connected_deciders* deciders = nullptr;  ///< the same
  declared_namespaces* namespaces = nullptr;
  tracing::span_sink* spans = nullptr;          ///< null: nobody is told of spans
  log lines;
};

[[noreturn]] void throw_storage_error(const storage::storage_error& error);

/// The value, or the storage's error as engine_error.
template <class T>
T must(storage::storage_result<T>&& result) {
  if (!result) throw_storage_error(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// What an engine that shares its partitions is asked and told besides. Thread-safe.
struct cluster_hooks {
  std::function<void(partition_id, std::uint32_t partitions, const std::string& why)> on_gone;
  std::function<std::vector<std::string>()> awaited;
};

class incarnation {
 public:
  /// Opens and recovers. `listener` outlives the incarnation. Throws engine_error: locked, storage, invalid_argument, unavailable.
  incarnation(const engine_surroundings& around, actors::node_listener& listener, const cluster_hooks& hooks);
  /// Stops in order: nothing new starts, activities end within options.stop_grace, what was decided becomes durable.
  ~incarnation();
  incarnation(const incarnation&) = delete;
  incarnation& operator=(const incarnation&) = delete;

  /// The store has failed: stops at once, makes nothing durable, and leaves running activities to themselves.
  void abandon();

  const storage::key_value_store& store() const noexcept { return *store_; }
  storage::key_value_store& store() noexcept { return *store_; }
  /// Null where the directory is only inspected.
  queue::decision_queue* queue() const noexcept { return publish_to_; }
  /// The partition's rows, also where another process has them.
  std::shared_ptr<const storage::key_value_store> rows(partition_id partition) const;
  /// Of each partition, wherever it runs: up to `limit` of its executions, as storage/executions.hpp finds them. Throws engine_error
  /// (storage).
  std::vector<storage::executions_page> find_executions(const storage::execution_query& query,
                                                        const std::optional<storage::list_position>& after, std::size_t limit) const;
  std::vector<storage::executions_count> count_executions(const storage::execution_query& query) const;
  /// Names what the store holds: the directory's, or the cluster's.
  const std::string& store_id() const noexcept { return description_.store_id(); }
  /// Null: partitions are not shared.
  cluster_node* shared() const noexcept { return cluster_.get(); }
  /// "fsync", "none", or what the broker's settings promise.
  std::string durability() const;
  /// Does the partition run here?
  bool has(partition_id partition) const;
  std::uint32_t partitions() const noexcept { return description_.partition_count(); }
  partition_id partition_of(std::string_view workflow_id) const;
  actors::partition_statistics statistics() const;
  std::uint64_t events_published() const;
  std::vector<tasks::task_queues::load> limited_queues() const {
    return task_queues_ ? task_queues_->loads() : std::vector<tasks::task_queues::load>();
  }
  /// False: there is nobody to ask any more.
  bool query(actors::query_request&& query) const;
  /// Of an attempt that a connected worker had. `reply_token`: of who is told when it is durable, or not wanted.
  /// False: nobody takes it any more.
  bool on_worker_end(tasks::attempt_end&& end, std::uint64_t reply_token);
  /// That end is durable, or not wanted.
  void on_worker_end_acknowledged(const tasks::dispatch_id& id);
  void on_worker_heartbeat(const messages::ActivityTask& task, std::optional<messages::Payload> details);

 private:
  class shared_listener;
  void start(actors::node_listener& listener);
  void start_shared(actors::node_listener& listener, const cluster_hooks& hooks);
  void show();
  void note_attempt_end(const tasks::attempt_end& end);
  void make_backends();
  void make_publisher();
  void host_workers();
  void on_attempt_end(tasks::attempt_end&& end);
  bool runs_here(const std::string& activity_type, const std::string& task_queue) const;
  bool runs_here(const messages::ActivityTask& task) const;
  void start_node(actors::node_parts&& parts, boot_number boot, actors::node_listener& listener);

  const engine_surroundings around_;
  std::unique_ptr<storage::key_value_store> store_;
  messages::StoreDescription description_;
  std::unique_ptr<queue::decision_queue> queue_;
  std::unique_ptr<cluster_node> cluster_;
  std::unique_ptr<actors::node_listener> shared_listener_;
  queue::decision_queue* publish_to_ = nullptr;
  std::atomic<bool> gives_up_{false};  ///< its partitions are others'
  std::unique_ptr<tasks::task_queues> task_queues_;
  std::unique_ptr<tasks::backends> backends_;
  std::unique_ptr<publishing::publisher> publisher_;  ///< null: nothing is published
  mutable std::shared_mutex node_mutex_;  // against the publisher and callers who look while `abandon` takes the node down
  std::unique_ptr<actors::node> node_;
  metrics::registry::registration shown_;  // ended first
};

}  // namespace evermill
