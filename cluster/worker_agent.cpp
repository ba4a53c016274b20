#include "cluster/worker_agent.hpp"

#include <algorithm>
#include <utility>

#include "cluster/task_numbers.hpp"

namespace evermill::cluster {

worker_agent::worker_agent(worker_agent_options options, clock& time, actions does)
    : options_(std::move(options)), time_(time), does_(std::move(does)), concurrency_(options_.concurrency) {}

void worker_agent::on_plan(const messages::ClusterPlan& plan) {
  std::set<std::string> alive;
  for (const messages::ClusterPlan::Member& each : plan.members()) {
    if (each.description().role() == messages::MemberDescription::NODE) alive.insert(each.id());
  }
  std::erase_if(nodes_, [&](const auto& entry) {
    if (alive.contains(entry.first)) return false;
    received_from_[entry.first] = entry.second.received;
    return true;
  });
  for (const std::string& id : alive) find_node(id);
  owners_.clear();
  for (const messages::ClusterPlan::Partition& each : plan.partitions()) owners_.push_back(each.owner());
  for (auto& [id, each] : nodes_) each.changed = true;
  grant();
  tell_changed();
}

/// Made where it is not known.
worker_agent::node& worker_agent::find_node(const std::string& id) {
  const auto [it, fresh] = nodes_.try_emplace(id);
  if (fresh) {
    if (const auto known = received_from_.find(id); known != received_from_.end()) {
      it->second.received = it->second.granted = known->second;
      received_from_.erase(known);
    }
  }
  return it->second;
}

void worker_agent::on_tasks(const std::string& from, messages::WorkerTasks&& tasks) {
  node& sender = find_node(from);
  if (series_of(tasks.first()) < series_of(sender.received)) return;  // it has given them up
  if (series_of(tasks.first()) > series_of(sender.received)) {
    sender.received = sender.granted = before_series(series_of(tasks.first()));
    sender.changed = true;
  }
  sender.waiting = tasks.waiting();
  std::vector<task_ptr> fresh;
  std::uint64_t number = tasks.first();
  for (messages::ActivityTask& task : *tasks.mutable_tasks()) {
    if (number++ != sender.received + 1) continue;  // it is here already, or one before it is missing and comes again
    ++sender.received;
    auto shared = std::make_shared<messages::ActivityTask>(std::move(task));
    if (!attempts_.try_emplace(tasks::dispatch_id_of(*shared), attempt{from}).second) continue;
    ++running_;
    fresh.push_back(std::move(shared));
  }
  if (tasks.tasks_size() > 0) sender.changed = true;
  grant();
  tell_changed();
  if (!fresh.empty()) does_.run(std::move(fresh));
}

void worker_agent::on_cancellation(const messages::AttemptCancellation& cancellation) {
  const auto id = tasks::parse_dispatch_id(cancellation.dispatch_id());
  if (id && attempts_.contains(*id)) does_.tell(*id, cancellation.how());
}

void worker_agent::on_ended(const tasks::dispatch_id& id) {
  const auto it = attempts_.find(id);
  if (it == attempts_.end() || std::exchange(it->second.ended, true)) return;
  --running_;
  grant();
  tell_changed();
}

void worker_agent::on_acknowledged(const tasks::dispatch_id& id) {
  const auto it = attempts_.find(id);
  if (it == attempts_.end() || !it->second.ended) return;
  if (const auto sender = nodes_.find(it->second.from); sender != nodes_.end()) sender->second.changed = true;
  if (id.partition < owners_.size()) {
    if (const auto owner = nodes_.find(owners_[id.partition]); owner != nodes_.end()) owner->second.changed = true;
  }
  attempts_.erase(it);
  tell_changed();
}

void worker_agent::drain() {
  concurrency_ = 0;
  for (auto& [id, each] : nodes_) {
    each.granted = each.received;
    each.changed = true;
  }
  tell_changed();
}

void worker_agent::set_concurrency(std::size_t concurrency) {
  if (concurrency == 0) return drain();
  std::size_t room = 0;
  for (const auto& [id, each] : nodes_) room += each.room();
  if (running_ + room > concurrency) drain();  // and grants anew what there is
  concurrency_ = concurrency;
  grant();
  tell_changed();
}

void worker_agent::tick() {
  const timestamp now = time_.now();
  for (auto& [id, each] : nodes_) {
    if (now - each.told_at >= options_.status_interval) each.changed = true;
  }
  grant();
  tell_changed();
}

// --- room

/// As much as there is.
void worker_agent::grant() {
  std::size_t taken = running_;
  for (const auto& [id, each] : nodes_) taken += each.room();
  while (taken < concurrency_) {
    node* to = next_in_need();
    if (to == nullptr) to = with_least_room();
    if (to == nullptr) return;
    to->granted = std::max(to->granted, to->received) + 1;
    to->granted_at = time_.now();
    to->changed = true;
    ++taken;
  }
  if (concurrency_ == 0 || next_in_need() == nullptr || !take_back()) return;
  grant();
}

/// One whose tasks wait for room; in turn.
worker_agent::node* worker_agent::next_in_need() {
  auto it = nodes_.upper_bound(last_granted_);
  for (std::size_t i = 0; i < nodes_.size(); ++i, ++it) {
    if (it == nodes_.end()) it = nodes_.begin();
    if (it->second.waiting <= it->second.room()) continue;
    last_granted_ = it->first;
    return &it->second;
  }
  return nullptr;
}

worker_agent::node* worker_agent::with_least_room() {
  const auto least = std::min_element(nodes_.begin(), nodes_.end(),
                                      [](const auto& a, const auto& b) { return a.second.room() < b.second.room(); });
  return least == nodes_.end() ? nullptr : &least->second;
}

/// Of a node that has nothing to send: it says so, or would have sent something by now.
bool worker_agent::take_back() {
  const timestamp now = time_.now();
  for (auto& [id, each] : nodes_) {
    if (each.room() == 0) continue;
    if (each.waiting > 0 && now - each.granted_at < options_.status_interval) continue;
    each.waiting = 0;
    each.granted = each.received;
    each.changed = true;
    return true;
  }
  return false;
}

// --- what nodes are told

void worker_agent::tell_changed() {
  for (auto& [id, each] : nodes_) {
    if (std::exchange(each.changed, false)) tell(id, each);
  }
}

void worker_agent::tell(const std::string& id, node& about) {
  about.told_at = time_.now();
  messages::ProcessMessage message;
  message.set_to(id);
  messages::WorkerStatus& status = *message.mutable_worker_status();
  status.mutable_task_queues()->Add(options_.task_queues.begin(), options_.task_queues.end());
  status.set_granted(about.granted);
  status.set_received(about.received);
  status.set_number(++last_status_);
  status.set_group(options_.group);
  for (const auto& [attempt_id, each] : attempts_) {
    const bool owns = attempt_id.partition < owners_.size() && owners_[attempt_id.partition] == id;
    if (owns || each.from == id) status.add_running(tasks::to_string(attempt_id));
  }
  does_.send(std::move(message));
}

}  // namespace evermill::cluster
