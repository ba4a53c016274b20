#include "plugins/task/connected/connected_workers.hpp"

#include <algorithm>
#include <utility>

#include "base/namespaces.hpp"

namespace evermill::tasks {
namespace {

constexpr std::chrono::milliseconds look_interval{1'000};  // for workers that are away for too long

/// With its namespace: those of two namespaces are two queues.
std::string queue_name(const messages::ActivityTask& task) { return namespaces::qualified(task.name_space(), queue_of(task)); }

messages::Failure lost(const std::string& why) {
  messages::Failure failure;
  failure.set_kind(messages::Failure::LOST);
  failure.set_type("WorkerLost");
  failure.set_message(why);
  return failure;
}

}  // namespace

connected_workers::connected_workers(connected_workers_options options, clock& time, on_end report,
                                     on_attempt_heartbeat on_heartbeat, log lines)
    : options_(options),
      time_(time),
      report_(std::move(report)),
      on_heartbeat_(std::move(on_heartbeat)),
      log_(std::move(lines)) {}

connected_workers::~connected_workers() {
  clock::alarm_id alarm = 0;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    alarm = std::exchange(alarm_, 0);
    for (auto& [id, each] : workers_) {
      if (each.connection) each.connection->close("the process is stopping");
    }
  }
  if (alarm != 0) time_.cancel_alarm(alarm);
  for (auto& [id, each] : attempts_) each.watch.reset();
}

// --- workers

connected_workers::session_id connected_workers::connect(worker_description&& who, std::shared_ptr<worker_connection> connection) {
  endings lost_ones;
  session_id session = 0;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) {
      connection->close("the process is stopping");
      return 0;
    }
    const std::string id = who.id;
    worker& is = workers_[id];
    count(is, 0);  // it may serve other queues now
    if (is.connection) is.connection->close("the worker has connected anew");
    sessions_.erase(is.session);
    session = ++last_session_;
    sessions_.emplace(session, id);
    is.session = session;
    is.connection = std::move(connection);
    is.room = 0;
    for (const dispatch_id& each : who.has) {
      const auto it = attempts_.find(each);
      if (it == attempts_.end() || it->second.where != attempt::place::unknown) continue;
      if (!namespaces::same(queue_name(*it->second.task), id)) continue;
      it->second.where = attempt::place::sent;
      it->second.worker = id;
      is.has.insert(each);
    }
    for (const dispatch_id& each : std::set<dispatch_id>(is.has)) {
      if (!who.has.contains(each)) lose(each, "the worker that was given the attempt has not got it", lost_ones);
    }
    for (const dispatch_id& each : who.has) {  // what nobody wants any more
      if (!is.has.contains(each)) is.connection->stop(each, false);
    }
    is.about = std::move(who);
    is.about.has.clear();
    count(is);
    log_.info({}, "worker {} is connected; it serves {} task queues", namespaces::plain(id), is.about.task_queues.size());
  }
  tell(std::move(lost_ones));
  return session;
}

void connected_workers::grant(session_id session, std::uint32_t more) {
  const std::lock_guard lock(mutex_);
  worker* const who = find(session);
  if (who == nullptr) return;
  who->room += more;
  count(*who);
  send_out();
}

void connected_workers::withdraw(session_id session) {
  const std::lock_guard lock(mutex_);
  worker* const who = find(session);
  if (who == nullptr) return;
  who->room = 0;
  count(*who);
}

void connected_workers::end(session_id session, const dispatch_id& id, outcome how, std::function<void(bool)> acknowledged) {
  endings ended;
  {
    const std::lock_guard lock(mutex_);
    const worker* const who = find(session);
    const auto it = attempts_.find(id);
    const bool is_its = who != nullptr && it != attempts_.end() && who->has.contains(id);
    if (is_its) ended.push_back(finish(it, std::move(how), acknowledged));
  }
  if (ended.empty()) return acknowledged(true);
  tell(std::move(ended));
}

void connected_workers::heartbeat(session_id session, const dispatch_id& id, std::optional<messages::Payload> details) {
  std::shared_ptr<attempt_watch> watch;
  {
    const std::lock_guard lock(mutex_);
    const worker* const who = find(session);
    const auto it = attempts_.find(id);
    if (who != nullptr && it != attempts_.end() && who->has.contains(id)) watch = it->second.watch;
  }
  if (watch) watch->heartbeat(std::move(details));  // without the lock: it may wait for one that rings
}

void connected_workers::disconnect(session_id session, bool for_good) {
  endings lost_ones;
  {
    const std::lock_guard lock(mutex_);
    const auto it = sessions_.find(session);
    if (it == sessions_.end()) return;
    const std::string id = it->second;
    sessions_.erase(it);
    worker& who = workers_.at(id);
    who.connection = nullptr;
    who.session = 0;
    who.room = 0;
    count(who);
    if (for_good || who.has.empty()) {
      drop_worker(id, "the worker that ran the attempt has ended", lost_ones);
    } else {
      who.gone_at = time_.now() + options_.reconnect_limit;
      log_.warn({}, "the connection of worker {} broke; its {} attempts are lost unless it comes back within {} ms", namespaces::plain(id),
                who.has.size(), options_.reconnect_limit.count());
      set_alarm();
    }
  }
  tell(std::move(lost_ones));
}

connected_workers::worker* connected_workers::find(session_id session) {
  const auto it = sessions_.find(session);
  return it == sessions_.end() ? nullptr : &workers_.at(it->second);
}

void connected_workers::drop_worker(const std::string& id, const std::string& why, endings& into) {
  const auto it = workers_.find(id);
  for (const dispatch_id& each : std::set<dispatch_id>(it->second.has)) lose(each, why, into);
  count(it->second, 0);
  workers_.erase(it);
}

/// What a worker has room for and what it has together do not change by what it does, so that nobody is told of that.
void connected_workers::count(worker& who, std::size_t capacity) {
  const std::size_t before = std::exchange(who.counted, capacity);
  if (before == capacity) return;
  const auto it = capacity_.try_emplace(who.about.task_queues).first;
  it->second += capacity - before;
  if (told_capacity_) told_capacity_(it->first, it->second);
  if (it->second == 0) capacity_.erase(it);
}

void connected_workers::watch_capacity(on_capacity told) {
  const std::lock_guard lock(mutex_);
  told_capacity_ = std::move(told);
  if (!told_capacity_) return;
  for (const auto& [queues, capacity] : capacity_) told_capacity_(queues, capacity);
}

std::vector<task_queue_load> connected_workers::load() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, task_queue_load> by_name;
  for (const auto& [name, tasks] : waiting_) by_name[name.first].waiting += tasks.size();
  for (const auto& [id, each] : attempts_) {
    if (each.where != attempt::place::waiting) ++by_name[queue_name(*each.task)].running;
  }
  for (const auto& [id, each] : workers_) {
    for (const std::string& queue : each.about.task_queues) ++by_name[queue].workers;
  }
  std::vector<task_queue_load> all;
  for (auto& [name, each] : by_name) {
    each.name = name;
    all.push_back(std::move(each));
  }
  return all;
}

// --- attempts

void connected_workers::run(std::vector<task_ptr> tasks) {
  const std::lock_guard lock(mutex_);
  for (task_ptr& task : tasks) {
    const auto [it, fresh] = attempts_.try_emplace(dispatch_id_of(*task));
    if (!fresh) continue;
    backlog& queue = waiting_[{queue_name(*task), task->activity_type()}];
    it->second.in_backlog = queue.insert(queue.end(), {++last_waiting_, task});
    it->second.task = std::move(task);
  }
  send_out();
}

/// One attempt to each worker in turn, as long as any has room.
void connected_workers::send_out() {
  for (bool any = true; any;) {
    any = false;
    auto it = workers_.upper_bound(last_served_);
    for (std::size_t i = 0; i < workers_.size(); ++i, ++it) {
      if (it == workers_.end()) it = workers_.begin();
      worker& to = it->second;
      if (to.room == 0 || !to.connection) continue;
      const backlog* const from = first_for(to);
      if (from == nullptr) continue;
      send(it->first, to, attempts_.at(dispatch_id_of(*from->front().task)));
      last_served_ = it->first;
      any = true;
    }
  }
}

/// What came first of all that it runs; null: there is nothing.
connected_workers::backlog* connected_workers::first_for(const worker& to) {
  backlog* first = nullptr;
  const auto look_at = [&](backlog& tasks) {
    if (first == nullptr || tasks.front().number < first->front().number) first = &tasks;
  };
  for (const std::string& queue : to.about.task_queues) {
    for (const std::string& type : to.about.activity_types) {
      if (const auto it = waiting_.find({queue, type}); it != waiting_.end()) look_at(it->second);
    }
    if (!to.about.activity_types.empty()) continue;
    for (auto it = waiting_.lower_bound({queue, {}}); it != waiting_.end() && it->first.first == queue; ++it) look_at(it->second);
  }
  return first;
}

/// Of the backlog.
void connected_workers::take_out(attempt& what) {
  const auto queue = waiting_.find({queue_name(*what.task), what.task->activity_type()});
  queue->second.erase(what.in_backlog);
  if (queue->second.empty()) waiting_.erase(queue);
}

void connected_workers::send(const std::string& worker_id, worker& to, attempt& what) {
  const dispatch_id id = dispatch_id_of(*what.task);
  take_out(what);
  what.where = attempt::place::sent;
  what.worker = worker_id;
  what.started_us = to_micros(time_.now());
  what.watch = std::make_shared<attempt_watch>(
      time_, what.task, what.started_us, [this, id](timed_out how) { on_limit(id, how); }, on_heartbeat_);
  what.watch->start();
  to.has.insert(id);
  --to.room;
  to.connection->run(what.task);
}

void connected_workers::cancel(const dispatch_id& id) {
  endings ended;
  {
    const std::lock_guard lock(mutex_);
    const auto it = attempts_.find(id);
    if (it == attempts_.end()) return;
    if (it->second.where == attempt::place::sent) {
      const auto who = workers_.find(it->second.worker);
      if (who != workers_.end() && who->second.connection) who->second.connection->stop(id, false);
    }
    ended.push_back(finish(it, canceled{}, {}));
  }
  tell(std::move(ended));
}

void connected_workers::request_stop(const dispatch_id& id) {
  endings ended;
  {
    const std::lock_guard lock(mutex_);
    const auto it = attempts_.find(id);
    if (it == attempts_.end()) return;
    if (it->second.where == attempt::place::waiting) {
      ended.push_back(finish(it, canceled{}, {}));
    } else if (const auto who = workers_.find(it->second.worker); who != workers_.end() && who->second.connection) {
      who->second.connection->stop(id, true);
    }
  }
  tell(std::move(ended));
}

void connected_workers::expire(const dispatch_id& id) {
  endings ended;
  {
    const std::lock_guard lock(mutex_);
    const auto it = attempts_.find(id);
    if (it == attempts_.end() || it->second.where != attempt::place::waiting) return;
    ended.push_back(finish(it, timed_out{timed_out::limit::schedule_to_start}, {}));
  }
  tell(std::move(ended));
}

void connected_workers::on_limit(const dispatch_id& id, timed_out how) {
  endings ended;
  {
    const std::lock_guard lock(mutex_);
    const auto it = attempts_.find(id);
    if (it == attempts_.end()) return;
    const auto who = workers_.find(it->second.worker);
    if (who != workers_.end() && who->second.connection) who->second.connection->stop(id, false);
    ended.push_back(finish(it, how, {}));
  }
  tell(std::move(ended));
}

void connected_workers::stop(std::chrono::milliseconds) {
  endings ended;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = attempts_.begin(); it != attempts_.end();) {
      const auto next = std::next(it);
      if (it->second.where == attempt::place::waiting) ended.push_back(finish(it, canceled{}, {}));
      it = next;
    }
  }
  tell(std::move(ended));
}

void connected_workers::forget_waiting() {
  const std::lock_guard lock(mutex_);
  std::erase_if(attempts_, [](const auto& entry) { return entry.second.where == attempt::place::waiting; });
  waiting_.clear();
}

void connected_workers::adopt(std::vector<task_ptr> tasks) {
  const std::lock_guard lock(mutex_);
  for (task_ptr& task : tasks) {
    attempt& found = attempts_[dispatch_id_of(*task)];
    if (found.task) continue;
    found.where = attempt::place::unknown;
    found.task = std::move(task);
    found.lost_at = time_.now() + options_.adoption_limit;
  }
  set_alarm();
}

void connected_workers::lose(const dispatch_id& id, const std::string& why, endings& into) {
  const auto it = attempts_.find(id);
  if (it != attempts_.end()) into.push_back(finish(it, failed{lost(why)}, {}));
}

/// The attempt is here no more.
connected_workers::ending connected_workers::finish(attempts::iterator which, outcome how, std::function<void(bool)> durable) {
  attempt& what = which->second;
  if (what.where == attempt::place::waiting) {
    take_out(what);
  } else if (const auto holder = workers_.find(what.worker); holder != workers_.end()) {
    holder->second.has.erase(which->first);
  }
  ending ended{{std::move(what.task), what.started_us, std::move(how)}, std::move(durable), std::move(what.watch)};
  attempts_.erase(which);
  return ended;
}

void connected_workers::tell(endings&& what) {
  for (ending& each : what) {
    if (each.watch) each.end.heartbeat_details = each.watch->stop();
    if (!each.durable) each.durable = [](bool) {};
    report_(std::move(each.end), std::move(each.durable));
  }
}

// --- time

/// While a worker is away, or an attempt is of an unknown place.
void connected_workers::set_alarm() {
  const bool is_needed =
      std::any_of(workers_.begin(), workers_.end(), [](const auto& entry) { return !entry.second.connection; }) ||
      std::any_of(attempts_.begin(), attempts_.end(),
                  [](const auto& entry) { return entry.second.where == attempt::place::unknown; });
  if (closed_ || alarm_ != 0 || !is_needed) return;
  alarm_ = time_.set_alarm(time_.now() + look_interval, [this] { ring(); });
}

void connected_workers::ring() {
  endings lost_ones;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    const timestamp now = time_.now();
    alarm_ = 0;
    std::vector<std::string> gone;
    for (const auto& [id, each] : workers_) {
      if (!each.connection && now >= each.gone_at) gone.push_back(id);
    }
    for (const std::string& id : gone) {
      log_.warn({}, "worker {} did not come back: its attempts are lost", namespaces::plain(id));
      drop_worker(id, "the worker that ran the attempt did not come back", lost_ones);
    }
    std::vector<dispatch_id> unnamed;
    for (const auto& [id, each] : attempts_) {
      if (each.where == attempt::place::unknown && now >= each.lost_at) unnamed.push_back(id);
    }
    for (const dispatch_id& id : unnamed) lose(id, "no worker has the attempt that was handed out before this process started", lost_ones);
    set_alarm();
  }
  tell(std::move(lost_ones));
}

}  // namespace evermill::tasks
