#include "cluster/worker_groups.hpp"

namespace evermill::cluster {
namespace {

/// Names the set. No name of a task queue has a line's end.
std::string group_of(const std::vector<std::string>& task_queues) {
  std::string name;
  for (const std::string& each : task_queues) name += each + '\n';
  return name;
}

}  // namespace

void worker_groups::set_capacity(const std::vector<std::string>& task_queues, std::size_t capacity) {
  const std::string group = group_of(task_queues);
  auto it = agents_.find(group);
  if (it == agents_.end()) {
    if (capacity == 0) return;
    worker_agent::actions does = does_;
    does.run = [this, group](std::vector<worker_agent::task_ptr>&& tasks) {
      for (const auto& task : tasks) group_of_.emplace(tasks::dispatch_id_of(*task), group);
      does_.run(std::move(tasks));
    };
    it = agents_.try_emplace(group, worker_agent_options{.task_queues = task_queues, .concurrency = 0, .group = group}, time_, std::move(does)).first;
    it->second.on_plan(plan_);
  }
  it->second.set_concurrency(capacity);
}

void worker_groups::on_plan(const messages::ClusterPlan& plan) {
  plan_ = plan;
  for (auto& [group, each] : agents_) each.on_plan(plan);
}

void worker_groups::on_tasks(const std::string& node, messages::WorkerTasks&& tasks) {
  const auto it = agents_.find(tasks.group());
  if (it != agents_.end()) it->second.on_tasks(node, std::move(tasks));
}

void worker_groups::on_cancellation(const messages::AttemptCancellation& cancellation) {
  const auto it = agents_.find(cancellation.group());
  if (it != agents_.end()) it->second.on_cancellation(cancellation);
}

void worker_groups::on_ended(const tasks::dispatch_id& id) {
  const auto it = group_of_.find(id);
  if (it != group_of_.end()) agents_.at(it->second).on_ended(id);
}

void worker_groups::on_acknowledged(const tasks::dispatch_id& id) {
  const auto it = group_of_.find(id);
  if (it == group_of_.end()) return;
  agents_.at(it->second).on_acknowledged(id);
  group_of_.erase(it);
}

void worker_groups::tick() {
  for (auto& [group, each] : agents_) each.tick();
}

}  // namespace evermill::cluster
