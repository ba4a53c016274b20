#include <algorithm>
#include <chrono>
#include <set>
#include <thread>
#include <utility>

#include "actors/node.hpp"
#include "cluster/plan.hpp"
#include "cluster/remote_executions.hpp"
#include "cluster/remote_store.hpp"
#include "engine/cluster_messages.hpp"
#include "engine/cluster_node.hpp"

namespace evermill {
namespace {

constexpr std::chrono::milliseconds reply_limit{3'000};
constexpr std::chrono::milliseconds load_limit{1'000};
constexpr std::chrono::milliseconds ask_limit{60'000};
constexpr std::chrono::milliseconds ask_again_after{100};
constexpr std::chrono::seconds watch_interval{2};
constexpr std::size_t watched_per_message = 2'000;

}  // namespace

// --- what this process asks others

messages::ClusterPlan cluster_node::plan() {
  const std::lock_guard lock(plan_guard_);
  return plan_;
}

std::string cluster_node::durability() {
  {
    const std::lock_guard lock(plan_guard_);
    if (!durability_.empty()) return durability_;
  }
  const auto asked = broker_->durability();
  if (!asked) return "unknown: " + asked.error().message;
  const std::lock_guard lock(plan_guard_);
  durability_ = (asked->survives_power_cut ? "durable: " : "none: ") + asked->reason;
  return durability_;
}

bool is_shared_by(const cluster_description& cluster, std::size_t nodes) {
  std::set<std::uint32_t> owned;
  std::size_t owners = 0;
  for (const cluster_member& each : cluster.members) {
    owned.insert(each.owned.begin(), each.owned.end());
    if (!each.owned.empty()) ++owners;
  }
  return owned.size() == cluster.owners.size() && owners >= std::min(nodes, cluster.owners.size());
}

cluster_description cluster_node::describe() {
  const messages::ClusterPlan now = plan();
  cluster_description found{.cluster_id = description_.cluster_id(),
                            .address = broker_->address(),
                            .durability = durability(),
                            .coordinator = now.coordinator(),
                            .owners = std::vector<std::string>(partitions())};
  for (int i = 0; i < std::min(now.partitions_size(), static_cast<int>(partitions())); ++i) {
    found.owners[static_cast<std::size_t>(i)] = now.partitions(i).owner();
  }
  for (const messages::ClusterPlan::Member& each : now.members()) {
    const messages::MemberDescription& says = each.description();
    cluster_member member{.id = each.id(),
                          .role = says.role() == messages::MemberDescription::WORKER ? "worker" : "node",
                          .host = says.host(),
                          .process_id = says.process_id(),
                          .version = says.version(),
                          .started_at = from_micros(says.started_us()),
                          .leaving = says.leaving(),
                          .owned = {says.owned().begin(), says.owned().end()},
                          .standby = {says.caught_up().begin(), says.caught_up().end()},
                          .catching_up = {says.following().begin(), says.following().end()},
                          .task_queues = {says.task_queues().begin(), says.task_queues().end()},
                          .concurrency = says.concurrency(),
                          .workflow_types = {says.workflow_types().begin(), says.workflow_types().end()}};
    found.members.push_back(std::move(member));
  }
  ask_for_load(found.members);
  return found;
}

void cluster_node::ask_for_load(std::vector<cluster_member>& members) {
  std::vector<std::uint64_t> calls;
  for (const cluster_member& each : members) {
    messages::ProcessMessage message;
    message.set_to(each.id);
    message.set_call(calls.emplace_back(calls_.begin()));
    message.mutable_load_request();
    inbox_->send(std::move(message));
  }
  const timestamp until = time_.now() + load_limit;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - time_.now());
    const auto reply = calls_.wait(calls[i], std::max(left, std::chrono::milliseconds(0)));
    if (!reply || !reply->has_load()) continue;
    const messages::ProcessLoad& says = reply->load();
    members[i].load = member_load{says.live_instances(), says.running_attempts(), says.turns(), says.ended_attempts()};
  }
}

std::string cluster_node::owner_of(partition_id id) {
  const messages::ClusterPlan now = plan();
  return id.value < now.partitions_size() ? now.partitions(id.value).owner() : "";
}

/// Asks again until the answer is one; nothing: there was none in time.
std::optional<messages::ProcessMessage> cluster_node::ask_owner(
    partition_id id, const messages::ProcessMessage& request,
    const std::function<bool(const messages::ProcessMessage&)>& is_answer) {
  for (const timestamp until = time_.now() + ask_limit; time_.now() < until && !calls_.closed();) {
    const std::string owner = owner_of(id);
    if (!owner.empty()) {
      messages::ProcessMessage message = request;
      const std::uint64_t call = calls_.begin();
      message.set_to(owner);
      message.set_call(call);
      inbox_->send(std::move(message));
      auto reply = calls_.wait(call, reply_limit);
      if (reply && is_answer(*reply)) return reply;
    }
    std::this_thread::sleep_for(ask_again_after);
  }
  return std::nullopt;
}

std::shared_ptr<const storage::key_value_store> cluster_node::rows(partition_id id, const storage::key_value_store& local) {
  if (runs(id)) return {std::shared_ptr<void>(), &local};
  return cluster::make_remote_store(id, [this, id](messages::ReadRequest&& request) -> storage::storage_result<messages::ReadReply> {
    messages::ProcessMessage message;
    *message.mutable_read() = std::move(request);
    auto reply = ask_owner(id, message, [](const messages::ProcessMessage& each) {
      return each.has_read_reply() && !each.read_reply().not_owner();
    });
    if (reply) return std::move(*reply->mutable_read_reply());
    return unexpected(storage::storage_error{storage::storage_errc::io, "no process that owns partition " +
                                                                            std::to_string(id.value) + " has answered"});
  });
}

/// One round of messages, but for owners that change meanwhile. In the order of `requests`.
storage::storage_result<std::vector<messages::ExecutionsReply>> cluster_node::ask_for_executions(
    std::vector<messages::ExecutionsRequest>&& requests) {
  std::vector<messages::ExecutionsReply> replies(requests.size());
  std::vector<std::pair<std::size_t, std::uint64_t>> calls;
  std::vector<std::size_t> here;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const partition_id id(static_cast<std::uint16_t>(requests[i].partition()));
    replies[i].set_not_owner(true);
    if (runs(id)) {
      here.push_back(i);
      continue;
    }
    const std::string owner = owner_of(id);
    if (owner.empty()) continue;
    messages::ProcessMessage message;
    message.set_to(owner);
    message.set_call(calls.emplace_back(i, calls_.begin()).second);
    *message.mutable_executions() = requests[i];
    inbox_->send(std::move(message));
  }
  for (const std::size_t i : here) replies[i] = executions_here(requests[i]);
  for (const auto& [i, call] : calls) {
    auto reply = calls_.wait(call, reply_limit);
    if (reply && reply->has_executions_reply()) replies[i] = std::move(*reply->mutable_executions_reply());
  }
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (replies[i].not_owner()) {
      messages::ProcessMessage message;
      *message.mutable_executions() = requests[i];
      auto reply = ask_owner(partition_id(static_cast<std::uint16_t>(requests[i].partition())), message,
                             [](const messages::ProcessMessage& each) {
                               return each.has_executions_reply() && !each.executions_reply().not_owner();
                             });
      if (!reply) {
        return unexpected(storage::storage_error{storage::storage_errc::io, "no process that owns partition " +
                                                                                std::to_string(requests[i].partition()) + " has answered"});
      }
      replies[i] = std::move(*reply->mutable_executions_reply());
    }
    if (!replies[i].error().empty()) return unexpected(storage::storage_error{storage::storage_errc::io, replies[i].error()});
  }
  return replies;
}

storage::storage_result<std::vector<storage::executions_page>> cluster_node::find_executions(
    const storage::execution_query& query, const std::optional<storage::list_position>& after, std::size_t limit) {
  std::vector<messages::ExecutionsRequest> requests;
  for (std::uint32_t n = 0; n < partitions(); ++n) {
    requests.push_back(cluster::list_request(partition_id(static_cast<std::uint16_t>(n)), query, after, limit));
  }
  auto replies = ask_for_executions(std::move(requests));
  if (!replies) return unexpected(replies.error());
  std::vector<storage::executions_page> found;
  for (messages::ExecutionsReply& each : *replies) found.push_back(cluster::page_of(std::move(each)));
  return found;
}

storage::storage_result<std::vector<storage::executions_count>> cluster_node::count_executions(const storage::execution_query& query) {
  std::vector<messages::ExecutionsRequest> requests;
  for (std::uint32_t n = 0; n < partitions(); ++n) {
    requests.push_back(cluster::count_request(partition_id(static_cast<std::uint16_t>(n)), query));
  }
  std::vector<storage::executions_count> found;
  while (!requests.empty()) {
    auto asked = requests;
    const auto replies = ask_for_executions(std::move(asked));
    if (!replies) return unexpected(replies.error());
    std::vector<messages::ExecutionsRequest> rest;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      cluster::add_counts((*replies)[i], found);
      if ((*replies)[i].resume().empty()) continue;
      requests[i].set_resume((*replies)[i].resume());
      rest.push_back(std::move(requests[i]));
    }
    requests = std::move(rest);
  }
  return found;
}

actors::answer cluster_node::query(const actors::query_request& query, partition_id at) {
  messages::ProcessMessage message;
  message.mutable_query()->set_partition(at.value);
  message.mutable_query()->set_workflow_id(query.workflow_id);
  message.mutable_query()->set_name(query.what.name);
  *message.mutable_query()->mutable_input() = query.what.input;
  auto reply = ask_owner(at, message, [](const messages::ProcessMessage& each) {
    return each.has_answer() && each.answer().outcome() != messages::RequestAnswer::NOT_OWNER &&
           each.answer().outcome() != messages::RequestAnswer::UNAVAILABLE;
  });
  if (reply) return from_message(std::move(*reply->mutable_answer()));
  return {actors::answer::outcome::unavailable, query.workflow_id, {}, false,
          "no process that owns the execution \"" + query.workflow_id + "\" has answered"};
}

void cluster_node::watch(const std::string& workflow_id) {
  loop_.post([this, workflow_id] {
    const partition_id at = partition_of(workflow_id);
    runs(at) ? static_cast<void>(send_end("", workflow_id)) : watch_in(at, {workflow_id});
  });
}

/// All that somebody here waits for, elsewhere; and what may have ended while it was elsewhere.
void cluster_node::watch_all() {
  const timestamp now = time_.now();
  const std::set<partition_id> fresh = std::exchange(fresh_, {});
  if (now - watched_at_ < watch_interval && fresh.empty()) return;
  std::map<partition_id, std::vector<std::string>> elsewhere;
  for (std::string& id : events_.awaited()) {
    const partition_id at = partition_of(id);
    if (!runs(at)) {
      elsewhere[at].push_back(std::move(id));
    } else if (fresh.contains(at)) {
      send_end("", id);
    }
  }
  if (now - watched_at_ < watch_interval) return;
  watched_at_ = now;
  for (const auto& [at, ids] : elsewhere) watch_in(at, ids);
}

void cluster_node::watch_in(partition_id id, const std::vector<std::string>& workflow_ids) {
  const std::string owner = owner_of(id);
  if (owner.empty()) return;
  for (std::size_t from = 0; from < workflow_ids.size(); from += watched_per_message) {
    messages::ProcessMessage message;
    message.set_to(owner);
    message.mutable_watch()->set_partition(id.value);
    const std::size_t count = std::min(watched_per_message, workflow_ids.size() - from);
    for (std::size_t i = from; i < from + count; ++i) message.mutable_watch()->add_workflow_ids(workflow_ids[i]);
    inbox_->send(std::move(message));
  }
}

}  // namespace evermill
