#include "cluster/plan.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "cluster/streams.hpp"
#include "messages/record.hpp"

namespace evermill::cluster {
namespace {

using description_of = std::map<std::string, messages::MemberDescription>;

description_of descriptions(const queue::membership_view& view) {
  description_of found;
  for (const queue::member& each : view.members) {
    messages::MemberDescription description;
    if (description.ParseFromString(each.description)) found.emplace(each.id, std::move(description));
  }
  return found;
}

/// Who has the partition, or was given it last and has not come to claim it.
std::string owner_of(std::uint32_t partition, const description_of& members, const std::string& planned) {
  const auto owns = [&](const messages::MemberDescription& each) {
    return std::find(each.owned().begin(), each.owned().end(), partition) != each.owned().end();
  };
  const auto by_plan = members.find(planned);
  if (by_plan != members.end() && owns(by_plan->second)) return planned;
  for (const auto& [id, each] : members) {
    if (owns(each)) return id;
  }
  return by_plan == members.end() ? "" : planned;
}

bool same_partitions(const messages::ClusterPlan& a, const messages::ClusterPlan& b) {
  const auto same = [](const messages::ClusterPlan::Partition& x, const messages::ClusterPlan::Partition& y) {
    return x.owner() == y.owner() &&
           std::equal(x.followers().begin(), x.followers().end(), y.followers().begin(), y.followers().end());
  };
  return std::equal(a.partitions().begin(), a.partitions().end(), b.partitions().begin(), b.partitions().end(), same);
}

bool same_members(const messages::ClusterPlan& a, const messages::ClusterPlan& b) {
  const auto same = [](const messages::ClusterPlan::Member& x, const messages::ClusterPlan::Member& y) {
    return x.id() == y.id() && x.description().SerializeAsString() == y.description().SerializeAsString();
  };
  return std::equal(a.members().begin(), a.members().end(), b.members().begin(), b.members().end(), same);
}

}  // namespace

queue::record to_record(const messages::ClusterPlan& plan) {
  queue::record record;
  append_record(record.value, plan_stream_name, plan);
  return record;
}

std::optional<messages::ClusterPlan> parse_plan(const queue::record& record, const std::string& cluster_id) {
  messages::ClusterPlan plan;
  if (!parse_record(plan_stream_name, record.value, plan) || plan.cluster_id() != cluster_id) return std::nullopt;
  return plan;
}

std::optional<messages::ClusterPlan> make_plan(const messages::ClusterPlan& last, const queue::membership_view& view,
                                               std::uint32_t partition_count) {
  const description_of members = descriptions(view);
  assignment_input input;
  input.followers = 0;
  input.partitions.resize(partition_count);
  for (const auto& [id, each] : members) {
    if (each.role() != messages::MemberDescription::NODE) continue;
    (each.leaving() ? input.leaving : input.members).push_back(id);
    input.followers = std::max<std::size_t>(input.followers, each.standbys());
    const auto follows = [&, id = id](std::uint32_t partition, bool caught_up) {
      if (partition < partition_count) input.partitions[partition].followers[id] = caught_up;
    };
    for (const std::uint32_t partition : each.following()) follows(partition, false);
    for (const std::uint32_t partition : each.caught_up()) follows(partition, true);
  }
  for (std::uint32_t partition = 0; partition < partition_count; ++partition) {
    const bool planned = partition < static_cast<std::uint32_t>(last.partitions_size());
    input.partitions[partition].owner =
        owner_of(partition, members, planned ? last.partitions(static_cast<int>(partition)).owner() : "");
    input.partitions[partition].followers.erase(input.partitions[partition].owner);
  }
  messages::ClusterPlan next;
  for (const assigned_partition& each : assign(input)) {
    messages::ClusterPlan::Partition& partition = *next.add_partitions();
    partition.set_owner(each.owner);
    partition.mutable_followers()->Add(each.followers.begin(), each.followers.end());
  }
  for (const auto& [id, each] : members) {
    messages::ClusterPlan::Member& member = *next.add_members();
    member.set_id(id);
    *member.mutable_description() = each;
  }
  if (last.coordinator() == view.coordinator && same_partitions(last, next) && same_members(last, next)) return std::nullopt;
  next.set_cluster_id(last.cluster_id());
  next.set_coordinator(view.coordinator);
  next.set_generation(last.generation() + 1);
  return next;
}

}  // namespace evermill::cluster
