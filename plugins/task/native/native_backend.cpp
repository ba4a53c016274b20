#include "plugins/task/native/native_backend.hpp"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>

#include "workflow/conversions.hpp"

namespace evermill::tasks {
namespace {

using task_ptr = std::shared_ptr<const messages::ActivityTask>;

/// Shared with the threads, which may outlive the backend when a function never returns.
struct pool : std::enable_shared_from_this<pool> {
  pool(registry known, const native_options& options, on_attempt_end to)
      : definitions(std::move(known)), limit(options.threads), time(options.time), report(std::move(to)) {}

  struct job {
    task_ptr task;  // or
    std::function<void()> work;
  };
  struct attempt {
    task_ptr task;
    std::stop_source stop;
    std::int64_t started_us = 0;
    bool ended = false;  // reported
    bool extra_thread = false;
    evermill::clock::alarm_id alarm = 0;
  };
  using attempt_ptr = std::shared_ptr<attempt>;

  void add_thread() {  // with the lock
    ++threads;
    std::thread([self = shared_from_this()] { self->work(); }).detach();
  }

  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      ++idle;
      changed.wait(lock, [&] { return stopping || !jobs.empty() || threads > limit + stuck; });
      --idle;
      if ((stopping && jobs.empty()) || threads > limit + stuck) break;
      job next = std::move(jobs.front());
      jobs.pop_front();
      if (next.task) {
        run(std::move(next.task), lock);
      } else {
        ++busy_functions;
        lock.unlock();
        next.work();
        next.work = nullptr;
        lock.lock();
        --busy_functions;
      }
    }
    --threads;
    quiet.notify_all();
  }

  void run(task_ptr task, std::unique_lock<std::mutex>& lock) {
    auto mine = std::make_shared<attempt>();
    mine->task = std::move(task);
    mine->started_us = to_micros(time->now());
    const dispatch_id id = dispatch_id_of(*mine->task);
    running.emplace(id, mine);
    // With the lock: an abandoned thread must not touch the clock, which need not outlive the backend.
    if (const std::int64_t limit_us = mine->task->options().start_to_close_us(); limit_us > 0) {
      mine->alarm = time->set_alarm(from_micros(mine->started_us + limit_us),
                                    [self = shared_from_this(), mine] { self->give_up(mine, timed_out{}); });
    }
    lock.unlock();
    outcome how = call(*mine);
    lock.lock();
    running.erase(id);
    if (mine->extra_thread) --stuck;
    if (!std::exchange(mine->ended, true)) end(*mine, std::move(how), lock);
  }

  /// For the one who set `ended`.
  void end(const attempt& mine, outcome how, std::unique_lock<std::mutex>& lock) {
    if (silent) return;
    ++telling;
    lock.unlock();
    if (mine.alarm != 0) time->cancel_alarm(mine.alarm);
    report({mine.task, mine.started_us, std::move(how)});
    lock.lock();
    if (--telling == 0 && silent) quiet.notify_all();
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
    workflow::to_message(std::get<failure_t>(result), failure);
    return failed{std::move(failure)};
  }

  /// Reports the end now; the function may go on, and its thread is replaced while it does.
  void give_up(const attempt_ptr& mine, outcome how) {
    mine->stop.request_stop();
    std::unique_lock lock(mutex);
    if (std::exchange(mine->ended, true)) return;
    if (stuck < limit && !stopping) {
      mine->extra_thread = true;
      ++stuck;
      try {
        add_thread();
      } catch (const std::system_error&) {  // the machine has no more: go on with fewer
        --threads;
      }
    }
    end(*mine, std::move(how), lock);
  }

  void tell(attempt_end&& end, std::unique_lock<std::mutex>& lock) {
    if (silent) return;
    ++telling;
    lock.unlock();
    report(std::move(end));
    lock.lock();
    if (--telling == 0 && silent) quiet.notify_all();
  }

  using failure_t = evermill::failure;

  const registry definitions;
  const unsigned limit;
  evermill::clock* const time;
  const on_attempt_end report;

  std::mutex mutex;
  std::condition_variable changed;
  std::condition_variable quiet;
  std::deque<job> jobs;
  std::map<dispatch_id, attempt_ptr> running;
  unsigned threads = 0;
  unsigned idle = 0;
  unsigned stuck = 0;  // attempts that were given up and still hold a thread
  unsigned telling = 0;
  unsigned busy_functions = 0;
  bool stopping = false;
  bool silent = false;
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
    std::lock_guard lock(pool_->mutex);
    if (pool_->stopping) return;
    const std::size_t count = tasks.size();
    for (task_ptr& task : tasks) pool_->jobs.push_back({std::move(task), nullptr});
    wake(count);
  }

  void run_function(std::function<void()> work) override {
    std::lock_guard lock(pool_->mutex);
    if (pool_->stopping) return;
    pool_->jobs.push_back({nullptr, std::move(work)});
    wake(1);
  }

  void cancel(const dispatch_id& id) override {
    pool::attempt_ptr mine;
    {
      std::unique_lock lock(pool_->mutex);
      for (auto it = pool_->jobs.begin(); it != pool_->jobs.end(); ++it) {
        if (!it->task || dispatch_id_of(*it->task) != id) continue;
        task_ptr task = std::move(it->task);
        pool_->jobs.erase(it);
        return pool_->tell({std::move(task), 0, canceled{}}, lock);
      }
      const auto it = pool_->running.find(id);
      if (it == pool_->running.end()) return;
      mine = it->second;
    }
    pool_->give_up(mine, canceled{});
  }

  void stop(std::chrono::milliseconds grace) override {
    std::unique_lock lock(pool_->mutex);
    pool_->stopping = true;
    pool_->jobs.clear();
    std::vector<pool::attempt_ptr> running;
    for (const auto& [id, mine] : pool_->running) running.push_back(mine);
    pool_->changed.notify_all();
    lock.unlock();
    for (const auto& mine : running) mine->stop.request_stop();
    lock.lock();
    pool_->quiet.wait_for(lock, grace, [&] { return pool_->threads == 0; });
    pool_->silent = true;
    std::vector<evermill::clock::alarm_id> alarms;
    for (const auto& mine : running) {
      if (!std::exchange(mine->ended, true) && mine->alarm != 0) alarms.push_back(mine->alarm);
    }
    pool_->quiet.wait(lock, [&] { return pool_->telling == 0; });
    lock.unlock();
    for (const auto alarm : alarms) pool_->time->cancel_alarm(alarm);
    // Threads inside a function that never returns keep the pool, not the backend, alive.
  }

 private:
  void wake(std::size_t count) {
    for (std::size_t i = 0; i < count && i < pool_->idle; ++i) pool_->changed.notify_one();
  }

  std::shared_ptr<pool> pool_;
};

}  // namespace

std::unique_ptr<native_backend> make_native_backend(registry definitions, const native_options& options,
                                                    on_attempt_end report) {
  return std::make_unique<backend>(std::move(definitions), options, std::move(report));
}

}  // namespace evermill::tasks
