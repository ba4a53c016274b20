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

#include "plugins/task/report_gate.hpp"
#include "workflow/conversions.hpp"

namespace evermill::tasks {
namespace {

using task_ptr = std::shared_ptr<const messages::ActivityTask>;

struct attempt {
  explicit attempt(task_ptr what) : task(std::move(what)) {}

  const task_ptr task;
  std::stop_source stop;
  std::atomic<bool> ended = false;  // whoever sets it reports the end
  // With the pool's lock:
  std::int64_t started_us = 0;
  evermill::clock::alarm_id alarm = 0;
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
      : definitions(std::move(known)), limit(options.threads), time(options.time), reports(std::move(to)) {}

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
    outcome how = call(*mine);
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
    const std::int64_t limit_us = mine->task->options().start_to_close_us();
    if (limit_us <= 0) return;
    mine->alarm = time->set_alarm(from_micros(mine->started_us + limit_us),
                                  [self = shared_from_this(), mine] { self->give_up(mine, timed_out{}); });
  }

  /// For the one who set `ended`, without the lock.
  void end(const attempt& mine, outcome how) {
    reports.while_open([&](const on_attempt_end& report) {
      if (mine.alarm != 0) time->cancel_alarm(mine.alarm);
      report({mine.task, mine.started_us, std::move(how)});
    });
  }

  outcome call(const attempt& mine) const {
    const dispatch_id id = dispatch_id_of(*mine.task);
    const activity_definition* activity = definitions.find_activity(mine.task->activity_type());
    if (activity == nullptr) {
      messages::Failure failure;
      failure.set_kind(messages::Failure::NOT_REGISTERED);
      failure.set_type("NotRegistered");
      failure.set_message("no activity named \"" + mine.task->activity_type() + "\" is registered in this process");
      return failed{std::move(failure)};
    }
    activity_context about({mine.task->workflow_id(), mine.task->activity_type(), mine.task->attempt(), to_string(id),
                            idempotency_key(id)},
                           mine.stop.get_token());
    auto result = activity->run(about, workflow::from_message(mine.task->input()));
    if (auto* value = std::get_if<std::optional<payload>>(&result)) {
      completed done;
      if (*value) workflow::to_message(std::move(**value), done.result.emplace());
      return done;
    }
    messages::Failure failure;
    workflow::to_message(std::get<evermill::failure>(result), failure);
    return failed{std::move(failure)};
  }

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
    attempt_ptr waiting;
    attempt_ptr running;
    {
      std::lock_guard lock(pool_->mutex);
      const auto has_id = [&](const attempt_ptr& each) { return each && dispatch_id_of(*each->task) == id; };
      auto& jobs = pool_->jobs;
      const auto it = std::find_if(jobs.begin(), jobs.end(), [&](const job& each) { return has_id(each.attempt); });
      if (it != jobs.end()) {
        waiting = std::move(it->attempt);
        jobs.erase(it);
      } else {
        const auto found = std::find_if(pool_->running.begin(), pool_->running.end(), has_id);
        if (found != pool_->running.end()) running = *found;
      }
    }
    if (waiting) never_started(*waiting);
    if (running) pool_->give_up(running, canceled{});
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
      if (mine->alarm != 0) pool_->time->cancel_alarm(mine->alarm);
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

  void never_started(const attempt& mine) { pool_->reports.report({mine.task, 0, canceled{}}); }

  const std::shared_ptr<pool> pool_;
};

}  // namespace

std::unique_ptr<native_backend> make_native_backend(registry definitions, const native_options& options,
                                                    on_attempt_end report) {
  return std::make_unique<backend>(std::move(definitions), options, std::move(report));
}

}  // namespace evermill::tasks
