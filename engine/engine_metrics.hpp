// All that an engine measures, with the registry that shows it. Outlives the engine's incarnations, so that counters go on when
// the store had to be opened anew.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "actors/node_metrics.hpp"
#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "cluster/node_member.hpp"
#include "deciders/connected_deciders.hpp"
#include "engine/command_ingress.hpp"
#include "engine/request_metrics.hpp"
#include "plugins/queue/measured_broker.hpp"
#include "plugins/task/attempt_metrics.hpp"
#include "plugins/task/connected/connected_workers.hpp"
#include "storage/key_value_store.hpp"

namespace evermill {

/// What a process knows of its part in a cluster; put here by the loop of the cluster_node now and then. Thread-safe.
class cluster_metrics {
 public:
  queue::broker_metrics broker;
  commands::ingress_metrics commands;
  const std::shared_ptr<cluster::ownership_metrics> ownership = std::make_shared<cluster::ownership_metrics>();

  /// What it has now, and why it takes no part where it does not.
  void set(std::vector<cluster::partition_share> shares, std::optional<std::string> why_apart);
  /// Places in the logs of partitions that it follows at which those end; of the others nothing is said.
  void set_ends(std::map<partition_id, queue::position> ends);
  /// Whether the broker has answered, when it was asked last. Nothing: it has.
  void set_broker_failure(std::optional<std::string> why, timestamp when);
  /// It takes no part in any cluster now.
  void gone();

  /// Nothing where it takes its part; otherwise why not.
  std::optional<std::string> why_not_ready(timestamp now) const;
  void collect(metrics::scrape& into) const;

 private:
  mutable std::mutex mutex_;
  bool used_ = false;  ///< was it ever part of one?
  std::vector<cluster::partition_share> shares_;
  std::map<partition_id, queue::position> ends_;
  std::optional<std::string> why_apart_;
  std::optional<std::string> broker_failure_;
  timestamp broker_asked_{};
};

/// Of an engine.
struct engine_metrics {
  explicit engine_metrics(std::string version);

  metrics::registry shown;
  actors::node_metrics node;
  tasks::attempt_metrics attempts;
  cluster_metrics cluster;
  request_metrics requests;

 private:
  const metrics::registry::registration own_;
};

/// Shows which evermill it is.
void collect_build(const std::string& version, metrics::scrape& into);
/// Shows what the store says of itself.
void collect_store(const storage::key_value_store& store, metrics::scrape& into);
/// Shows how many decision events wait for a partition.
void collect_backlog(partition_id id, std::size_t events, metrics::scrape& into);
/// Shows the workers that are connected with this process, and what they have.
void collect_workers(const std::vector<tasks::task_queue_load>& queues, metrics::scrape& into);
/// The same of those that decide.
void collect_deciders(const deciders::decider_load& load, metrics::scrape& into);
/// So that it is there also where no partition runs.
void describe_backlog(metrics::scrape& into);

}  // namespace evermill
