// The plan of a cluster: which process should own and which should follow which partition. What the stream holds, and how the next
// one is made from what the members say.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "cluster/assignment.hpp"
#include "evermill/broker.hpp"
#include "evermill/result.hpp"
#include "messages/cluster.pb.h"

namespace evermill::cluster {

queue::record to_record(const messages::ClusterPlan& plan);
/// Nothing where the record holds no plan of this cluster.
std::optional<messages::ClusterPlan> parse_plan(const queue::record& record, const std::string& cluster_id);

/// The next plan, by `view.coordinator`; nothing where `last` is still right. Members whose descriptions can't be read are left out.
std::optional<messages::ClusterPlan> make_plan(const messages::ClusterPlan& last, const queue::membership_view& view,
                                               std::uint32_t partition_count);

}  // namespace evermill::cluster
