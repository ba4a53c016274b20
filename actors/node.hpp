// A node: the partitions of one store, their instances, the committer and the activities, as one running whole. No CAF
// type shows here.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/commit_sink.hpp"
#include "actors/node_metrics.hpp"
#include "actors/partition.hpp"
#include "actors/partition_ports.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "deciders/decider_hub.hpp"
#include "plugins/queue/decision_queue.hpp"
#include "plugins/task/remote_backend.hpp"
#include "plugins/task/task_backend.hpp"
#include "plugins/task/task_queues.hpp"
#include "storage/key_value_store.hpp"

namespace evermill {
class registry;
}

namespace evermill::actors {

/// What a node tells the engine around it. Called on the node's threads; must be short, thread-safe, and must not call
/// the node.
class node_listener {
 public:
  virtual ~node_listener() = default;
  virtual void on_answer(std::uint64_t token, answer&& what) = 0;
  virtual void on_ended(ended_execution&& what) = 0;
  virtual void on_update_ended(ended_update&& what) = 0;
  virtual void on_turn(durable_turn&& what) = 0;
  virtual bool has_followers() = 0;
  /// A partition has stopped because its store failed, or because what it read is wrong; nothing it had not acknowledged may be
  /// relied upon.
  virtual void on_failed(partition_id partition, const std::string& message) = 0;
};

/// Everything is owned by the caller and outlives the node.
struct node_parts {
  storage::key_value_store* store = nullptr;
  queue::decision_queue* queue = nullptr;  ///< takes what this process has for partitions, wherever they are
  queue::decision_queue* shared_queue = nullptr;  ///< what others have for the partitions of this node; null: there are no others
  storage::commit_sink* commits = nullptr;  ///< null: they go into the store
  evermill::clock* time = nullptr;
  random_source* random = nullptr;
  const registry* definitions = nullptr;
  std::vector<tasks::task_backend*> backends;
  tasks::task_queues* task_queues = nullptr;  ///< null: every task queue is served, without limits
  tasks::remote_backend* remote = nullptr;    ///< takes what `runs_here` does not say of; null: there is none
  std::function<bool(const std::string& activity_type, const std::string& task_queue)> runs_here;  ///< with `remote`
  deciders::decider_hub* deciders = nullptr;  ///< decides what `definitions` do not have; null: nobody does
  /// Runs a step's function on a thread that may block.
  std::function<void(std::function<void()>)> run_step;
  /// Told of the attempts that are handed to the task queues, before they are; on any thread. May be empty.
  std::function<void(const std::vector<std::shared_ptr<const messages::ActivityTask>>&)> on_dispatch;
  /// Told what is to be published, per partition in the order of its numbers; on any thread. May be empty.
  std::function<void(partition_id, const publishable_rows&)> on_publishable;
  /// Told of the ends of attempts that no backend was given. May be empty.
  std::function<void(const tasks::attempt_end&)> on_unrun;
  node_metrics* metrics = nullptr;  ///< outlives the node; null: partitions count for themselves
  tracing::span_sink* spans = nullptr;  ///< told of spans when what they are about is durable; null: nobody is
  node_listener* listener = nullptr;
  log lines;
};

struct node_options {
  boot_number boot;
  std::uint16_t partitions = 4;
  bool start_partitions = true;  ///< false: start_partition says which ones run here
  unsigned workflow_threads = 0;  ///< 0: one per core
  std::chrono::microseconds passivate_after{10'000'000};
  std::size_t live_instances_per_partition = 20'000;
  std::size_t recovery_chunk = 64;  ///< see partition_options
  /// Code that has not come back from a turn for this long is set aside. 0: never; so it is for a simulated node.
  std::chrono::microseconds turn_timeout{10'000'000};
  publishing_mode publishing = publishing_mode::off;
  std::uint64_t publish_limit = 1'000'000;  ///< see partition_options
  open_executions* open = nullptr;          ///< see partition_options
  std::vector<retention_rule> retention{};  ///< see partition_options
  bool run_effects = true;  ///< false: as after `drain`, from the start
  /// Set for a simulated node, which has no threads: `run_one` lets one of `waiting` actors, the one of this index,
  /// handle its next message. `workflow_threads` means nothing then.
  std::function<std::size_t(std::size_t waiting)> choose_next{};
  /// Of a simulated node: asked before the committer may be chosen. While it says so the committer handles no message, as
  /// if its last write took that long.
  std::function<bool()> committer_waits{};
};

class node {
 public:
  /// Recovers every partition, unless `start_partitions` is false, then runs. Throws std::runtime_error when a partition can't be
  /// recovered.
  node(node_parts parts, node_options options);
  /// Abandons what is not durable; call `drain` and `finish` before for a clean stop.
  ~node();
  node(const node&) = delete;
  node& operator=(const node&) = delete;

  /// From now on no activity or step starts and no timer fires; they wait, durably, for the next boot.
  void drain();
  /// Waits until all that was published is handled and durable, or `limit` is over. Returns whether it is.
  bool finish(std::chrono::milliseconds limit);

  /// @name One partition of several processes' that share them. Called on one thread.
  /// @{

  /// Recovers the partition, which does not run here, then runs it. `boot` was never given to it before.
  storage::storage_result<void> start_partition(partition_id id, boot_number boot);
  /// As `drain`, for this one.
  void drain_partition(partition_id id);
  /// Is all that was published for it handled and durable?
  bool partition_idle(partition_id id) const;
  /// Abandons what is not durable. After return it has no effects any more.
  void stop_partition(partition_id id);
  bool has_partition(partition_id id) const;
  /// Each partition sends anew what others have not acknowledged since the last call.
  void send_unacknowledged();

  /// @}

  /// Hands the end of an attempt to its partition's queue; what backends are given as `on_attempt_end`.
  /// `reply_token` is answered when it is durable or not wanted; 0: nobody is told. False: the queue is closed.
  static bool publish_attempt_end(queue::decision_queue& queue, tasks::attempt_end&& end, std::uint64_t reply_token = 0);
  /// The same for a heartbeat; for `on_attempt_heartbeat`.
  static void publish_heartbeat(queue::decision_queue& queue, const messages::ActivityTask& task,
                                std::optional<messages::Payload> details);

  /// The listener gets the answer; none comes where the partition stops before. False: it does not run here.
  bool query(query_request&& query);

  /// The partition's rows up to this number are published, and may be erased. Thread-safe.
  void published(partition_id id, std::uint64_t through);

  partition_statistics statistics() const;

  /// Of a simulated node only: lets one actor that has something to do handle one message. False: none has.
  bool run_one();

 private:
  class impl;
  std::unique_ptr<impl> impl_;
};

/// Which of `partitions` a workflow id belongs to: XXH3-64 modulo. Part of the storage format.
partition_id partition_of(std::string_view workflow_id, std::uint16_t partitions);

}  // namespace evermill::actors
