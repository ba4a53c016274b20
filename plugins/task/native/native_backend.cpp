#include "plugins/task/native/native_backend.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <mutex>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>

#include "plugins/task/attempt_watch.hpp"
#include "plugins/task/native/running_attempt.hpp"
#include "plugins/task/report_gate.hpp"

namespace evermill::tasks {
namespace {

using task_ptr = std::shared_ptr<const messages::ActivityTask>;

struct attempt {
  explicit attempt(task_ptr what) : task(std::move(what)) {}
  ~attempt() { delete watch.load(); }
  attempt(const attempt&) = delete;
  attempt& operator=(const attempt&) = delete;

  const task_ptr task;
  std::stop_source stop;
  std::atomic<bool> ended = false;  // whoever sets it reports the end
  std::atomic<attempt_watch*> watch = nullptr;  // made when there is something to watch
  // With the pool's lock:
  std::int64_t started_us = 0;
  bool runs = false;
  bool extra_thread = false;
};
using attempt_ptr = std::shared_ptr<attempt>;

struct job {
  attempt_ptr attempt;  // or
  std::function<void()> work;
};

/// Shared with the threads, which may outlive the backend when a function never returns.
struct pool : std::enable_shared_from_this<pool> {
  pool(registry known, const native_options& options, on_attempt_end to)
      : definitions(std::move(known)),
        limit(options.threads),
        time(options.time),
        on_heartbeat(options.on_heartbeat),
        on_start(options.on_start),
        secrets(options.secrets),
        reports(std::move(to)) {}

  void add_thread() {  // with the lock
    ++threads;
    std::thread([self = shared_from_this()] { self->work(); }).detach();
  }

  /// One lock per job: it is left when a job runs and its end is told.
  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      ++idle;
      changed.wait(lock, [&] { return stopping || !jobs.empty() || threads > limit + stuck; });
      --idle;
      if ((stopping && jobs.empty()) || threads > limit + stuck) break;
      job next = std::move(jobs.front());
      jobs.pop_front();
      if (next.attempt) {
        run(next.attempt, lock);
      } else {
        lock.unlock();
        next.work();
        next.work = nullptr;
        lock.lock();
      }
    }
    --threads;
    quiet.notify_all();
  }

  void run(const attempt_ptr& mine, std::unique_lock<std::mutex>& lock) {
    begin(mine);
    lock.unlock();
    outcome how = call(mine);
    if (!mine->ended.exchange(true)) end(*mine, std::move(how));
    lock.lock();
    mine->runs = false;
    running.erase(std::find(running.begin(), running.end(), mine));
    if (mine->extra_thread) --stuck;
  }

  /// With the lock: an abandoned thread must not touch the clock, which need not outlive the backend.
  void begin(const attempt_ptr& mine) {
    mine->started_us = to_micros(time->now());
    mine->runs = true;
    running.push_back(mine);
    if (on_start) on_start(*mine->task);
    if (attempt_watch::is_limited(*mine->task)) watch_of(mine).start();
  }

  attempt_watch& watch_of(const attempt_ptr& mine) {
    if (attempt_watch* const there = mine->watch.load()) return *there;
    const auto on_limit = [self = shared_from_this(), weak = std::weak_ptr(mine)](timed_out how) {
      if (const attempt_ptr late = weak.lock()) self->give_up(late, how);
    };
    const auto pass_on = [self = shared_from_this()](const task_ptr& task, std::optional<messages::Payload> details) {
      self->reports.while_open([&](const on_attempt_end&) { self->on_heartbeat(task, std::move(details)); });
    };
    auto made = std::make_unique<attempt_watch>(*time, mine->task, mine->started_us, on_limit,
                                                on_heartbeat ? on_attempt_heartbeat(pass_on) : nullptr);
    attempt_watch* none = nullptr;
    return mine->watch.compare_exchange_strong(none, made.get()) ? *made.release() : *none;
  }

  void heartbeat(const attempt_ptr& mine, std::optional<messages::Payload> details) {
    if (mine->ended) return;
    reports.while_open([&](const on_attempt_end&) { watch_of(mine).heartbeat(std::move(details)); });
  }

  /// For the one who set `ended`, without the lock.
  void end(const attempt& mine, outcome how) {
    reports.while_open([&](const on_attempt_end& report) {
      attempt_watch* const watch = mine.watch.load();
      report({mine.task, mine.started_us, std::move(how), watch != nullptr ? watch->stop() : std::nullopt});
    });
  }

  outcome call(const attempt_ptr& mine);

  /// Reports the end now; the function may go on, and its thread is replaced while it does.
  void give_up(const attempt_ptr& mine, outcome how) {
    mine->stop.request_stop();
    if (mine->ended.exchange(true)) return;
    {
      std::lock_guard lock(mutex);
      if (mine->runs && stuck < limit && !stopping) {
        mine->extra_thread = true;
        ++stuck;
        try {
          add_thread();
        } catch (const std::system_error&) {  // the machine has no more: go on with fewer
          --threads;
        }
      }
    }
    end(*mine, std::move(how));
  }

  const registry definitions;
  const unsigned limit;
  evermill::clock* const time;
  const on_attempt_heartbeat on_heartbeat;
  const on_attempt_start on_start;
  const std::shared_ptr<const secret_source> secrets;
  report_gate reports;

  std::mutex mutex;
  std::condition_variable changed;
  std::condition_variable quiet;
  std::deque<job> jobs;
  std::vector<attempt_ptr> running;  // as many as threads at most
  unsigned threads = 0;
  unsigned idle = 0;
  unsigned stuck = 0;  // attempts that were given up and still hold a thread
  bool stopping = false;
};

/// An attempt as its function sees it.
class host final : public running_attempt {
 public:
  /// `task` is the attempt's with the values of its secrets; both outlive the host.
  host(pool& in, const attempt_ptr& mine, const messages::ActivityTask& task, const attempt_secrets& secrets)
      : running_attempt(task), in_(in), mine_(mine), secrets_(secrets), stop_(mine->stop.get_token()) {}

  const std::stop_token& stop_token() const override { return stop_; }

 private:
  void pass_on(std::optional<messages::Payload> details) override {
    if (secrets_.any()) secrets_.hide(details);
    in_.heartbeat(mine_, std::move(details));
  }

  pool& in_;
  const attempt_ptr& mine_;
  const attempt_secrets& secrets_;
  const std::stop_token stop_;
};

outcome pool::call(const attempt_ptr& mine) {
  const activity_definition* activity = definitions.find_activity(mine->task->activity_type(), mine->task->options().version());
  if (activity == nullptr) return not_registered(mine->task->activity_type());
  attempt_secrets used(secrets);
  try {
    const task_ptr task = used.reveal(mine->task);
    outcome how = host(*this, mine, *task, used).run(*activity);
    if (used.any()) used.hide(how);
    return how;
  } catch (const secret_error& error) {
    return failure_of(error);
  }
}

class backend final : public native_backend {
 public:
  backend(registry definitions, const native_options& options, on_attempt_end report)
      : pool_(std::make_shared<pool>(std::move(definitions), options, std::move(report))) {
    std::lock_guard lock(pool_->mutex);
    for (unsigned i = 0; i < options.threads; ++i) pool_->add_thread();
  }
  ~backend() override { stop(std::chrono::milliseconds(0)); }

  std::string_view name() const override { return "native"; }
  bool serves(std::string_view activity_type) const override {
    return pool_->definitions.find_activity(activity_type) != nullptr;
  }

  std::vector<std::string> activity_types() const override { return pool_->definitions.activity_names(); }

  void run(std::vector<task_ptr> tasks) override {
    std::vector<job> jobs;
    jobs.reserve(tasks.size());
    for (task_ptr& task : tasks) jobs.push_back({std::make_shared<attempt>(std::move(task)), nullptr});
    push(jobs);
    for (const job& refused : jobs) never_started(*refused.attempt);
  }

  void run_function(std::function<void()> work) override {
    std::vector<job> jobs(1);
    jobs.front().work = std::move(work);
    push(jobs);
  }

  void cancel(const dispatch_id& id) override {
    if (const attempt_ptr waiting = take_waiting(id)) return never_started(*waiting);
    if (const attempt_ptr running = find_running(id)) pool_->give_up(running, canceled{});
  }

  void request_stop(const dispatch_id& id) override {
    if (const attempt_ptr waiting = take_waiting(id)) return never_started(*waiting);
    if (const attempt_ptr running = find_running(id)) running->stop.request_stop();
  }

  void expire(const dispatch_id& id) override {
    const attempt_ptr waiting = take_waiting(id);
    if (waiting) pool_->reports.report({waiting->task, 0, timed_out{timed_out::limit::schedule_to_start}});
  }

  void stop(std::chrono::milliseconds grace) override {
    std::deque<job> dropped;
    std::unique_lock lock(pool_->mutex);
    pool_->stopping = true;
    dropped.swap(pool_->jobs);
    const std::vector<attempt_ptr> running = pool_->running;
    pool_->changed.notify_all();
    lock.unlock();
    for (const attempt_ptr& mine : running) mine->stop.request_stop();
    for (const job& each : dropped) {
      if (each.attempt) never_started(*each.attempt);
    }
    lock.lock();
    pool_->quiet.wait_for(lock, grace, [&] { return pool_->threads == 0; });
    lock.unlock();
    // Threads inside a function that never returns keep the pool, not the backend, alive.
    for (const attempt_ptr& mine : running) mine->ended = true;
    pool_->reports.close();
    for (const attempt_ptr& mine : running) {
      if (attempt_watch* const watch = mine->watch.load()) watch->stop();
    }
  }

 private:
  /// Takes all, in order, or nothing when the backend stops.
  void push(std::vector<job>& jobs) {
    std::size_t woken = 0;
    {
      std::lock_guard lock(pool_->mutex);
      if (pool_->stopping) return;
      woken = std::min<std::size_t>(jobs.size(), pool_->idle);
      pool_->jobs.insert(pool_->jobs.end(), std::move_iterator(jobs.begin()), std::move_iterator(jobs.end()));
      jobs.clear();
    }
    while (woken-- > 0) pool_->changed.notify_one();
  }

  static bool is(const attempt_ptr& each, const dispatch_id& id) { return each && dispatch_id_of(*each->task) == id; }

  attempt_ptr take_waiting(const dispatch_id& id) {
    std::lock_guard lock(pool_->mutex);
    auto& jobs = pool_->jobs;
    const auto it = std::find_if(jobs.begin(), jobs.end(), [&](const job& each) { return is(each.attempt, id); });
    if (it == jobs.end()) return nullptr;
    attempt_ptr waiting = std::move(it->attempt);
    jobs.erase(it);
    return waiting;
  }

  attempt_ptr find_running(const dispatch_id& id) {
    std::lock_guard lock(pool_->mutex);
    const auto& running = pool_->running;
    const auto it = std::find_if(running.begin(), running.end(), [&](const attempt_ptr& each) { return is(each, id); });
    return it == running.end() ? nullptr : *it;
  }

  void never_started(const attempt& mine) { pool_->reports.report({mine.task, 0, canceled{}}); }

  const std::shared_ptr<pool> pool_;
};

}  // namespace

unsigned default_native_threads() {
  constexpr unsigned threads_per_core = 4;
  constexpr unsigned least = 8;
  return std::max(least, threads_per_core * std::max(1U, std::thread::hardware_concurrency()));
}

std::unique_ptr<native_backend> make_native_backend(registry definitions, const native_options& options,
                                                    on_attempt_end report) {
  return std::make_unique<backend>(std::move(definitions), options, std::move(report));
}

}  // namespace evermill::tasks
