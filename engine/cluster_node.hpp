// What an engine needs to share its partitions with other processes: the broker, who is there, where requests and reads go, and
// who in other processes waits for what happens here.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <vector>

#include "actors/node.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/task_loop.hpp"
#include "cluster/decision_router.hpp"
#include "cluster/decision_stream.hpp"
#include "cluster/inbox.hpp"
#include "cluster/node_member.hpp"
#include "cluster/plan_reader.hpp"
#include "cluster/remote_workers.hpp"
#include "cluster/worker_groups.hpp"
#include "engine/engine_metrics.hpp"
#include "engine/process_calls.hpp"
#include "engine/return_addresses.hpp"
#include "evermill/broker.hpp"
#include "evermill/engine.hpp"
#include "messages/cluster.pb.h"
#include "plugins/queue/memory/memory_queue.hpp"
#include "plugins/task/task_backend.hpp"
#include "storage/executions.hpp"
#include "storage/key_value_store.hpp"

namespace evermill {

/// A broker, and the cluster that lies on it.
struct cluster_connection {
  std::unique_ptr<queue::broker> broker;
  messages::ClusterDescription description;
};

/// Begins the cluster where `options.mode` is to run it and there is none. Throws engine_error: invalid_argument, unavailable,
/// not_found (nobody has begun it).
cluster_connection connect_to_cluster(const engine_options& options, random_source& random, const log& lines);

/// A process of a cluster, as it says itself: a node, until something else is said.
messages::MemberDescription describe_process(const registry& definitions, const clock& time);

/// What the engine is told. Called on the node's own threads; must not wait for it.
struct cluster_events {
  std::function<void(std::uint64_t token, actors::answer&&)> on_answer;
  std::function<void(actors::ended_execution&&)> on_ended;
  /// The partition runs here no longer: who waits for its answer gets none.
  std::function<void(partition_id, const std::string& why)> on_gone;
  /// The store has failed.
  std::function<void(const std::string& why)> on_failed;
  /// The executions for whose end somebody here waits.
  std::function<std::vector<std::string>()> awaited;
};

/// The threads of a cluster_node: one for all that must not wait, one for what may.
struct cluster_loops {
  cluster_loops() = default;
  explicit cluster_loops(task_loop::by_hand how) : chores(how), main(how) {}
  task_loop chores;
  task_loop main;
};

class cluster_node final : private cluster::partition_host {
 public:
  /// All outlive it. `store`: null where this process owns nothing and only asks. `patience`: how long a request may wait for its answer.
  cluster_node(cluster_connection connection, storage::key_value_store* store, clock& time, random_source& random,
               const engine_options& options, messages::MemberDescription says, cluster_events events, cluster_metrics& counts,
               log lines, std::shared_ptr<cluster_loops> loops = std::make_shared<cluster_loops>(),
               std::chrono::milliseconds patience = cluster::decision_router_options().give_up_after);
  ~cluster_node() override;
  cluster_node(const cluster_node&) = delete;
  cluster_node& operator=(const cluster_node&) = delete;

  queue::decision_queue& queue() noexcept { return router_; }
  queue::decision_queue& shared_queue() noexcept { return decisions_; }
  storage::commit_sink& commits() noexcept { return member_->commits(); }
  /// The workers; made with the first call, before `start`.
  tasks::remote_backend& workers(tasks::on_attempt_end report, cluster::remote_workers::on_released released);
  /// Workers are connected to this process, and run attempts of all nodes; before `start`. Called on the loop: must be short.
  void host_workers(std::function<void(std::vector<cluster::worker_agent::task_ptr>&&)> run,
                    std::function<void(const tasks::dispatch_id&, messages::AttemptCancellation::How)> tell);
  /// How many attempts those of this set of task queues can have at once.
  void set_capacity(std::vector<std::string> task_queues, std::size_t capacity);
  /// What such a worker had has ended; its end is on its way, and then durable, or not wanted.
  void hosted_attempt_ended(const tasks::dispatch_id& id);
  void hosted_attempt_acknowledged(const tasks::dispatch_id& id);
  std::uint32_t partitions() const noexcept { return description_.partition_count(); }
  /// Of this life of the process.
  const std::string& member_id() const noexcept { return member_id_; }

  /// From now on partitions may run on `node`. Throws engine_error (unavailable).
  void start(actors::node& node) { start(&node); }
  void start_asking() { start(nullptr); }
  /// Gives up all that it owns, to others where there are some, within `limit`. Partitions run no more after return.
  void stop(std::chrono::milliseconds limit);
  /// Gives up nothing: others will notice. Partitions run no more after return.
  void abandon();

  /// Counts what runs in this process, per partition, so that a partition that goes elsewhere takes nothing away from it.
  void attempt_begins(const messages::ActivityTask& task) { ++attempts_[task.partition()]; }
  void attempt_ended(const messages::ActivityTask& task);

  /// To be asked first by what the node tells: whether the token or the end is (also) of another process.
  bool pass_on(std::uint64_t token, actors::answer& what);
  void pass_on(const actors::ended_execution& what);

  /// The partition's rows as its owner has them.
  std::shared_ptr<const storage::key_value_store> rows(partition_id id, const storage::key_value_store& local);
  /// Of each partition, as its owner finds them: the owners are asked at once. Blocks.
  storage::storage_result<std::vector<storage::executions_page>> find_executions(const storage::execution_query& query,
                                                                                 const std::optional<storage::list_position>& after,
                                                                                 std::size_t limit);
  storage::storage_result<std::vector<storage::executions_count>> count_executions(const storage::execution_query& query);
  bool runs(partition_id id) const;
  /// Asks an instance elsewhere; blocks.
  actors::answer query(const actors::query_request& query, partition_id at);
  /// Somebody waits for the end of this execution now.
  void watch(const std::string& workflow_id);
  messages::ClusterPlan plan();
  /// What a power cut may do to what was acknowledged, and why.
  std::string durability();
  /// Asks all processes for their load; blocks for a second where one does not answer.
  cluster_description describe();

 private:
  void start(actors::node* node);
  storage::storage_result<void> start(partition_id id, std::uint64_t epoch) override;
  void drain(partition_id id) override;
  bool is_drained(partition_id id) override;
  void stop(partition_id id, const std::string& why) override;
  void on_plan(const messages::ClusterPlan& plan) override;
  void on_stopped(partition_id id, const storage::storage_error& why) override;

  void measure();
  void ask_broker(const std::vector<partition_id>& followed);
  queue::broker_result<void> start_reading_plans();
  partition_id partition_of(const std::string& workflow_id) const;
  void end_partitions(const std::string& why);
  void tick();
  void deliver(messages::ProcessMessage&& message);
  void answer_read(const messages::ProcessMessage& message);
  void answer_executions(messages::ProcessMessage&& message);
  messages::ExecutionsReply executions_here(const messages::ExecutionsRequest& request) const;
  storage::storage_result<std::vector<messages::ExecutionsReply>> ask_for_executions(
      std::vector<messages::ExecutionsRequest>&& requests);
  void answer_query(const messages::ProcessMessage& message);
  void answer_watch(const messages::ProcessMessage& message);
  void answer_load_request(const messages::ProcessMessage& message);
  void ask_for_load(std::vector<cluster_member>& members);
  void send_answer(const std::string& to, std::uint64_t call, const actors::answer& what);
  void watch_all();
  void watch_in(partition_id id, const std::vector<std::string>& workflow_ids);
  bool send_end(const std::string& to, const std::string& workflow_id);
  std::string owner_of(partition_id id);
  std::optional<messages::ProcessMessage> ask_owner(partition_id id, const messages::ProcessMessage& request,
                                                    const std::function<bool(const messages::ProcessMessage&)>& is_answer);

  const messages::ClusterDescription description_;
  const std::string member_id_;
  storage::key_value_store* const store_;
  clock& time_;
  random_source& random_;
  const cluster_events events_;
  cluster_metrics& counts_;
  const log log_;
  const bool only_asks_;

  const std::unique_ptr<queue::broker> broker_;
  return_addresses addresses_;
  process_calls calls_;
  const std::unique_ptr<queue::memory_queue> local_;
  const std::shared_ptr<cluster_loops> loops_;
  task_loop& chores_;
  task_loop& loop_;
  cluster::decision_stream decisions_;
  cluster::decision_router router_;
  std::unique_ptr<cluster::inbox> inbox_;
  std::unique_ptr<cluster::remote_workers> workers_;
  std::unique_ptr<cluster::worker_groups> hosted_;  ///< null: no workers connect to this process
  std::unique_ptr<cluster::node_member> member_;
  std::unique_ptr<cluster::plan_reader> plans_;  ///< where it only asks
  actors::node* node_ = nullptr;       ///< on the loop
  mutable std::shared_mutex running_guard_;
  std::set<partition_id> running_;     ///< partitions that run here
  std::set<partition_id> fresh_;       ///< that have begun to since the last tick; on the loop
  std::vector<std::atomic<std::uint32_t>> attempts_;

  std::mutex plan_guard_;
  messages::ClusterPlan plan_;
  std::string durability_;             ///< "": not known yet

  struct watcher {
    std::string process;
    timestamp until{};
  };
  std::mutex watchers_guard_;
  std::multimap<std::string, watcher> watchers_;  ///< by workflow id
  timestamp watched_at_{};
  bool asking_broker_ = false;         ///< on the loop
  timestamp ask_broker_at_{};
  std::optional<clock::alarm_id> alarm_;
  std::atomic<bool> stopping_{false};
};

}  // namespace evermill
