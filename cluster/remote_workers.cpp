#include "cluster/remote_workers.hpp"

#include <algorithm>
#include <utility>

#include "base/namespaces.hpp"
#include "cluster/task_numbers.hpp"

namespace evermill::cluster {
namespace {

using tasks::dispatch_id;
using How = messages::AttemptCancellation;

constexpr std::chrono::milliseconds ask_interval{200};

std::string queue_of(const messages::ActivityTask& task) {
  return namespaces::qualified(task.name_space(), tasks::queue_of(task));
}

constexpr char before_group = '/';  // no process's id has one

std::string worker_id_of(const std::string& process, const std::string& group) {
  return group.empty() ? process : process + before_group + group;
}

/// Returns the group.
std::string address(messages::ProcessMessage& message, const std::string& worker_id) {
  const auto end = worker_id.find(before_group);
  message.set_to(worker_id.substr(0, end));
  return end == std::string::npos ? std::string() : worker_id.substr(end + 1);
}

}  // namespace

remote_workers::remote_workers(remote_workers_options options, clock& time, task_loop::post_function post, send_function send,
                               tasks::on_attempt_end report, on_released released, log lines)
    : options_(options),
      time_(time),
      post_(std::move(post)),
      send_(std::move(send)),
      report_(std::move(report)),
      released_(std::move(released)),
      log_(std::move(lines)) {}

void remote_workers::later(std::function<void(remote_workers&)> what) {
  post_([self = std::weak_ptr(self_), what = std::move(what)] {
    if (const auto alive = self.lock()) what(**alive);
  });
}

// --- what the node asks for

void remote_workers::run(std::vector<task_ptr> tasks) {
  later([tasks = std::move(tasks)](remote_workers& me) {
    for (const task_ptr& task : tasks) me.add(task);
    me.send_out();
  });
}

void remote_workers::add(task_ptr task) {
  if (stopped_) return;
  backlog& queue = waiting_[queue_of(*task)];
  const dispatch_id id = tasks::dispatch_id_of(*task);
  const auto [entry, fresh] = attempts_.try_emplace(id);
  if (!fresh) return;
  entry->second.in_backlog = queue.insert(queue.end(), task);
  entry->second.task = std::move(task);
}

void remote_workers::adopt(std::vector<task_ptr> tasks) {
  later([tasks = std::move(tasks)](remote_workers& me) {
    const timestamp lost_at = me.time_.now() + me.options_.adoption_limit;
    for (const task_ptr& task : tasks) {
      attempt& found = me.attempts_[tasks::dispatch_id_of(*task)];
      if (found.task) continue;
      found.where = attempt::place::unknown;
      found.task = task;
      found.lost_at = lost_at;
    }
  });
}

void remote_workers::tell(const dispatch_id& id, How::How how) {
  later([id, how](remote_workers& me) { me.tell_now(id, how); });
}

void remote_workers::tell_now(const dispatch_id& id, How::How how) {
  const auto it = attempts_.find(id);
  if (it != attempts_.end() && it->second.where == attempt::place::waiting) {
    task_ptr task = it->second.task;
    release(it);
    tasks::outcome end = tasks::canceled{};
    if (how == How::EXPIRE) end = tasks::timed_out{tasks::timed_out::limit::schedule_to_start};
    return report(std::move(task), std::move(end));
  }
  for (const auto& [worker_id, each] : workers_) {
    const bool is_there = it == attempts_.end() || it->second.worker.empty() || it->second.worker == worker_id;
    if (!is_there) continue;
    messages::ProcessMessage message;
    message.mutable_attempt_cancellation()->set_group(address(message, worker_id));
    message.mutable_attempt_cancellation()->set_dispatch_id(tasks::to_string(id));
    message.mutable_attempt_cancellation()->set_how(how);
    send_(std::move(message));
  }
}

void remote_workers::forget(std::uint32_t partition) {
  later([partition](remote_workers& me) {
    for (auto it = me.attempts_.begin(); it != me.attempts_.end();) {
      it = it->first.partition == partition ? me.release(it) : std::next(it);
    }
  });
}

std::vector<remote_workers::task_ptr> remote_workers::take_waiting(std::uint32_t partition) {
  std::vector<task_ptr> taken;
  for (auto it = attempts_.begin(); it != attempts_.end();) {
    const bool is_one = it->first.partition == partition && it->second.where == attempt::place::waiting;
    if (is_one) taken.push_back(it->second.task);
    it = is_one ? release(it) : std::next(it);
  }
  return taken;
}

void remote_workers::stop(std::chrono::milliseconds) {
  later([](remote_workers& me) {
    me.stopped_ = true;
    for (auto it = me.attempts_.begin(); it != me.attempts_.end();) {
      task_ptr task = it->second.where == attempt::place::waiting ? it->second.task : nullptr;
      it = me.release(it);
      if (task) me.report_({std::move(task), 0, tasks::canceled{}});
    }
  });
}

// --- what workers say

void remote_workers::on_status(const std::string& process, const messages::WorkerStatus& status) {
  if (stopped_) return;
  const std::string worker_id = worker_id_of(process, status.group());
  const auto [entry, fresh] = workers_.try_emplace(worker_id);
  worker& from = entry->second;
  if (fresh) {
    log_.info({}, "worker {} serves {} task queues", worker_id, status.task_queues_size());
    if (const auto lost = next_series_.find(worker_id); lost != next_series_.end()) {
      from.sent = from.received = before_series(lost->second);
    }
  }
  if (status.number() <= from.last_status) return;
  from.last_status = status.number();
  from.heard = time_.now();
  from.queues = {status.task_queues().begin(), status.task_queues().end()};
  from.of_all_namespaces = status.group().empty();
  from.granted = status.granted();
  from.received = std::max(from.received, std::min(status.received(), from.sent));
  while (!from.unconfirmed.empty() && from.sent - from.unconfirmed.size() < from.received) from.unconfirmed.pop_front();
  std::set<dispatch_id> has;
  for (const std::string& text : status.running()) {
    const auto id = tasks::parse_dispatch_id(text);
    if (!id) continue;
    has.insert(*id);
    const auto it = attempts_.find(*id);
    if (it == attempts_.end() || it->second.where != attempt::place::unknown) continue;
    it->second.where = attempt::place::sent;
    it->second.worker = worker_id;
    from.has.insert(*id);
  }
  std::set<dispatch_id> not_confirmed;
  for (const task_ptr& each : from.unconfirmed) not_confirmed.insert(tasks::dispatch_id_of(*each));
  for (auto it = from.has.begin(); it != from.has.end();) {
    const dispatch_id id = *it++;
    if (has.contains(id) || not_confirmed.contains(id)) continue;
    const auto ended = attempts_.find(id);
    if (ended != attempts_.end()) release(ended);
    from.has.erase(id);
  }
  send_out();
}

void remote_workers::tick() {
  const timestamp now = time_.now();
  for (auto it = workers_.begin(); it != workers_.end();) {
    auto& [id, each] = *it;
    if (now - each.heard > options_.worker_timeout) {
      log_.warn({}, "nothing was heard of worker {} for {} ms: its {} attempts are lost", id, options_.worker_timeout.count(), each.has.size());
      for (const dispatch_id& lost : std::exchange(each.has, {})) lose(lost, "nothing is heard of the worker that ran the attempt");
      next_series_[id] = series_of(each.sent) + 1;
      it = workers_.erase(it);
      continue;
    }
    if (!each.unconfirmed.empty() && now >= each.resend_at) {
      send_tasks(id, each, each.sent - each.unconfirmed.size() + 1, each.unconfirmed, 0);
    }
    ask_for_room(id, each);
    ++it;
  }
  std::vector<dispatch_id> lost;
  for (const auto& [id, each] : attempts_) {
    if (each.where == attempt::place::unknown && now >= each.lost_at) lost.push_back(id);
  }
  for (const dispatch_id& id : lost) lose(id, "no worker has the attempt that an earlier owner of the partition handed out");
}

/// Tasks wait, and it has granted no room for them.
void remote_workers::ask_for_room(const std::string& id, worker& of) {
  if (of.credit() > 0 || time_.now() - of.asked_at < ask_interval || waiting_for(of) == 0) return;
  send_tasks(id, of, of.sent + 1, {}, 0);
}

std::size_t remote_workers::waiting_for(const worker& of) const {
  std::size_t count = 0;
  for (const auto& [queue, tasks] : waiting_) {
    if (serves(of, queue)) count += tasks.size();
  }
  return count;
}

bool remote_workers::serves(const worker& of, const std::string& queue) {
  return of.queues.contains(of.of_all_namespaces ? std::string(namespaces::plain(queue)) : queue);
}

std::size_t remote_workers::waiting() const noexcept {
  std::size_t count = 0;
  for (const auto& [queue, tasks] : waiting_) count += tasks.size();
  return count;
}

/// The first one of its queues, as these have their turns.
remote_workers::task_ptr remote_workers::take_next(const worker& of) {
  backlog* longest = nullptr;
  for (auto& [queue, tasks] : waiting_) {
    if (tasks.empty() || (longest != nullptr && tasks.size() <= longest->size()) || !serves(of, queue)) continue;
    longest = &tasks;
  }
  if (longest == nullptr) return nullptr;
  task_ptr task = std::move(longest->front());
  longest->pop_front();
  return task;
}

/// One task to each worker in turn, as long as any has room.
void remote_workers::send_out() {
  std::map<std::string, std::size_t> fresh;  // by worker: how many of its last unconfirmed tasks
  for (bool any = true; any;) {
    any = false;
    auto it = workers_.upper_bound(last_served_);
    for (std::size_t i = 0; i < workers_.size(); ++i, ++it) {
      if (it == workers_.end()) it = workers_.begin();
      worker& to = it->second;
      if (to.credit() == 0) continue;
      task_ptr task = take_next(to);
      if (!task) continue;
      const dispatch_id id = tasks::dispatch_id_of(*task);
      attempt& sent = attempts_.at(id);
      sent.where = attempt::place::sent;
      sent.worker = it->first;
      to.has.insert(id);
      to.unconfirmed.push_back(std::move(task));
      ++to.sent;
      ++fresh[it->first];
      last_served_ = it->first;
      any = true;
    }
  }
  for (const auto& [id, count] : fresh) {
    worker& to = workers_.at(id);
    send_tasks(id, to, to.sent - count + 1, to.unconfirmed, to.unconfirmed.size() - count);
  }
  for (auto& [id, each] : workers_) ask_for_room(id, each);
}

/// `tasks` from index `from` on, whose numbers begin with `first`.
void remote_workers::send_tasks(const std::string& id, worker& to, std::uint64_t first, const std::deque<task_ptr>& tasks,
                                std::size_t from) {
  do {
    messages::ProcessMessage message;
    const std::string group = address(message, id);
    messages::WorkerTasks& what = *message.mutable_worker_tasks();
    what.set_group(group);
    what.set_first(first);
    for (; from < tasks.size() && static_cast<std::size_t>(what.tasks_size()) < options_.tasks_per_message; ++from, ++first) {
      *what.add_tasks() = *tasks[from];
    }
    what.set_waiting(waiting_for(to));
    send_(std::move(message));
  } while (from < tasks.size());
  if (!tasks.empty()) to.resend_at = time_.now() + options_.resend_after;
  to.asked_at = time_.now();
}

void remote_workers::lose(const dispatch_id& id, const std::string& why) {
  const auto it = attempts_.find(id);
  if (it == attempts_.end()) return;
  task_ptr task = it->second.task;
  release(it);
  messages::Failure failure;
  failure.set_kind(messages::Failure::LOST);
  failure.set_type("WorkerLost");
  failure.set_message(why);
  report(std::move(task), tasks::failed{std::move(failure)});
}

remote_workers::attempts::iterator remote_workers::release(attempts::iterator which) {
  const auto& [id, what] = *which;
  if (what.where == attempt::place::waiting) {
    waiting_[queue_of(*what.task)].erase(what.in_backlog);
  } else if (const auto holder = workers_.find(what.worker); holder != workers_.end()) {
    holder->second.has.erase(id);
  }
  released_(*what.task);
  return attempts_.erase(which);
}

void remote_workers::report(task_ptr&& task, tasks::outcome how) {
  if (!stopped_) report_({std::move(task), 0, std::move(how)});
}

}  // namespace evermill::cluster
