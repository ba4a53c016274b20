// Somebody who reads all logs and believes nothing else: what lies there is what was decided.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/task_loop.hpp"
#include "cluster/partition_logs.hpp"
#include "messages/cluster.pb.h"
#include "messages/journal.pb.h"
#include "plugins/queue/memory/memory_broker.hpp"

namespace evermill::cluster_simulation {

struct journal_of_run {
  std::string workflow_id;
  std::vector<messages::TurnRecord> turns;
  bool ended() const;
};

class auditor final : private cluster::partition_logs_listener {
 public:
  auditor(std::shared_ptr<queue::memory_server> server, const messages::ClusterDescription& of, random_source& random);
  ~auditor() override;

  /// Reads what has come. Never behind where a log is trimmed, as it is called often enough.
  void read();
  /// What is wrong with the logs; "": nothing.
  const std::string& problem() const { return problem_; }

  const storage::key_value_store& store() const { return *store_; }
  /// Does the run have this event?
  bool has_event(partition_id partition, std::uint64_t run, std::uint64_t seq) const;
  /// Is the text in any row of the partition?
  bool has_text(partition_id partition, const std::string& text) const;
  /// By partition and run.
  std::map<std::pair<std::uint16_t, std::uint64_t>, journal_of_run> journals() const;
  /// All rows of a partition, as text, for comparison.
  static std::string rows_of(const storage::key_value_store& store, partition_id partition);

 private:
  void on_owned(partition_id, std::uint64_t) override {}
  void on_lost(partition_id, const std::string&) override {}
  void on_stopped(partition_id id, const storage::storage_error& why) override;

  const std::uint32_t partitions_;
  const std::unique_ptr<queue::broker> broker_;
  const std::unique_ptr<storage::key_value_store> store_;
  task_loop loop_{task_loop::by_hand{}};
  std::string problem_;
  cluster::partition_logs logs_;
};

}  // namespace evermill::cluster_simulation
