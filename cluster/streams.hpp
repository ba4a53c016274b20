// The streams of a cluster, and what all its processes agree on before they do anything.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/random.hpp"
#include "evermill/broker.hpp"
#include "messages/cluster.pb.h"

namespace evermill::cluster {

/// One partition for each of the cluster's: commits, decision events, rows as of a place in the log.
inline const std::string log_stream_name = "log";
inline const std::string decision_stream_name = "decisions";
inline const std::string snapshot_stream_name = "snapshots";
/// One partition.
inline const std::string description_stream_name = "cluster";
inline const std::string plan_stream_name = "plan";
inline const std::string rejected_stream_name = "rejected";
/// `inbox_partitions` partitions, each shared by some processes.
inline const std::string inbox_stream_name = "inbox";
inline constexpr std::uint32_t inbox_partitions = 16;
/// Who is alive.
inline const std::string membership_group_name = "processes";

/// Where it is written first, the cluster begins: with `partitions` (0: default_cluster_partitions). Where it is there already, the
/// number of partitions has to be the same, or 0. Makes the streams that are missing. Blocks. Errors: what the broker says;
/// `invalid` where the number differs.
inline constexpr std::uint32_t default_cluster_partitions = 8;
queue::broker_result<messages::ClusterDescription> open_cluster(queue::broker& broker, std::uint32_t partitions, random_source& random);
/// For those who only use it. not_found: nobody has begun it.
queue::broker_result<messages::ClusterDescription> find_cluster(queue::broker& broker);

/// The last record of a stream's partition that is there now; "" where there is none. Blocks.
queue::broker_result<queue::stored_record> read_last(queue::broker& broker, const queue::stream_partition& from);

/// The partition of the inbox that a process reads.
std::uint32_t inbox_partition_of(const std::string& member);

}  // namespace evermill::cluster
