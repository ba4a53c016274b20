/// @file
/// Which processes share the work of a cluster.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace evermill {

/// What a process does just now, and has done since it started.
struct member_load {
  std::uint64_t live_instances = 0;    ///< of a node: executions in memory
  std::uint64_t running_attempts = 0;  ///< of activities, in this process
  std::uint64_t turns = 0;             ///< of a node: decision events that were handled
  std::uint64_t ended_attempts = 0;    ///< of activities: by this worker, or of the partitions of this node
};

/// A process of a cluster, as it says itself.
struct cluster_member {
  std::string id;              ///< of one life of the process; random
  std::string role;            ///< "node" owns partitions, "worker" runs activities
  std::string host;            ///< where it runs
  std::int64_t process_id = 0; ///< on that host
  std::string version;         ///< of evermill
  std::chrono::sys_time<std::chrono::microseconds> started_at{};  ///< UTC
  bool leaving = false;        ///< it stops, and gives away what it has
  std::vector<std::uint32_t> owned;        ///< partitions that it runs
  std::vector<std::uint32_t> standby;      ///< that it follows, ready to take over
  std::vector<std::uint32_t> catching_up;  ///< that it follows, and is behind
  std::vector<std::string> task_queues;    ///< of a worker: whose activities it runs
  unsigned concurrency = 0;                ///< of a worker: how many attempts at once
  std::vector<std::string> workflow_types; ///< that it can run
  std::optional<member_load> load;         ///< as asked just now; nothing: it did not answer within a second
};

/// Who shares the work of a cluster. A moment old.
struct cluster_description {
  std::string cluster_id;               ///< random, since its first process started
  std::string address;                  ///< of the broker, without secrets
  std::string durability;               ///< what the broker's settings promise for what was acknowledged
  std::string coordinator;              ///< id of the process that decides which one should have which partition
  std::vector<cluster_member> members;  ///< ordered by id
  std::vector<std::string> owners;      ///< per partition: which member should have it; "": none can
};

/// Do at least so many nodes (or one for each partition) have all partitions between them?
bool is_shared_by(const cluster_description& cluster, std::size_t nodes);

}  // namespace evermill
