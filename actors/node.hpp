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

#include "actors/partition.hpp"
#include "actors/partition_ports.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "plugins/queue/decision_queue.hpp"
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
  /// A partition has stopped because its store failed; nothing it had not acknowledged may be relied upon.
  virtual void on_failed(const std::string& message) = 0;
};

/// Everything is owned by the caller and outlives the node.
struct node_parts {
  storage::key_value_store* store = nullptr;
  queue::decision_queue* queue = nullptr;
  evermill::clock* time = nullptr;
  random_source* random = nullptr;
  const registry* definitions = nullptr;
  std::vector<tasks::task_backend*> backends;
  tasks::task_queues* task_queues = nullptr;  ///< null: every task queue is served, without limits
  /// Runs a step's function on a thread that may block.
  std::function<void(std::function<void()>)> run_step;
  node_listener* listener = nullptr;
  log lines;
};

struct node_options {
  boot_number boot;
  std::uint16_t partitions = 4;
  unsigned workflow_threads = 0;  ///< 0: one per core
  std::chrono::microseconds passivate_after{10'000'000};
  std::size_t live_instances_per_partition = 20'000;
  std::size_t recovery_chunk = 64;  ///< see partition_options
  /// Code that has not come back from a turn for this long is set aside. 0: never; so it is for a simulated node.
  std::chrono::microseconds turn_timeout{10'000'000};
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
  /// Recovers every partition, then runs. Throws std::runtime_error when a partition can't be recovered.
  node(node_parts parts, node_options options);
  /// Abandons what is not durable; call `drain` and `finish` before for a clean stop.
  ~node();
  node(const node&) = delete;
  node& operator=(const node&) = delete;

  /// From now on no activity or step starts and no timer fires; they wait, durably, for the next boot.
  void drain();
  /// Waits until all that was published is handled and durable, or `limit` is over. Returns whether it is.
  bool finish(std::chrono::milliseconds limit);

  /// Hands the end of an attempt to its partition's queue; what backends are given as `on_attempt_end`.
  static void publish_attempt_end(queue::decision_queue& queue, tasks::attempt_end&& end);
  /// The same for a heartbeat; for `on_attempt_heartbeat`.
  static void publish_heartbeat(queue::decision_queue& queue, const messages::ActivityTask& task,
                                std::optional<messages::Payload> details);

  /// The listener gets the answer; none comes where the partition stops before.
  void query(query_request&& query);

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
