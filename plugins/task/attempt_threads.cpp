#include "plugins/task/attempt_threads.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "plugins/task/report_gate.hpp"

namespace evermill::tasks {

attempt_signal::attempt_signal(const std::atomic<std::chrono::milliseconds>& grace)
    : grace_(grace), descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

attempt_signal::~attempt_signal() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void attempt_signal::listen(std::function<void()> call) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(call);
  if (listener_ && stopped()) listener_();
}

void attempt_signal::send(why reason) {
  why none = why::not_stopped;
  reason_.compare_exchange_strong(none, reason);
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(descriptor_, &one, sizeof one);
  const std::lock_guard lock(mutex_);
  if (listener_) listener_();
}

namespace {

using task_ptr = std::shared_ptr<const messages::ActivityTask>;

/// One that could not be told to stop is not begun.
failed no_signal(int error) {
  failed how;
  how.failure.set_kind(messages::Failure::APPLICATION);
  how.failure.set_type("CannotStart");
  how.failure.set_message(std::string("cannot start: eventfd: ") + std::strerror(error));
  return how;
}

/// A write to something that reads no more is an error value here, not a signal.
void block_sigpipe() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

class attempt_threads final : public task_backend {
 public:
  attempt_threads(const attempt_threads_options& options, attempt_work work, on_attempt_end report)
      : options_(options), work_(std::move(work)), reports_(std::move(report)), kill_grace_(options.kill_grace) {}
  ~attempt_threads() override { stop(std::chrono::milliseconds(0)); }

  std::string_view name() const override { return options_.activity_type; }
  bool serves(std::string_view activity_type) const override {
    return options_.serves ? options_.serves(activity_type) : activity_type == options_.activity_type;
  }

  std::vector<std::string> activity_types() const override {
    return options_.serves ? options_.activity_types : std::vector{std::string(options_.activity_type)};
  }

  void run(std::vector<task_ptr> tasks) override {
    {
      std::lock_guard lock(mutex_);
      if (!stopping_) {
        for (task_ptr& task : tasks) waiting_.push_back(std::move(task));
        tasks.clear();
        while (waiting_.size() > idle_ && threads_.size() < options_.threads) {
          threads_.emplace_back([this] { run_attempts(); });
          ++idle_;
        }
        changed_.notify_all();
      }
    }
    for (task_ptr& refused : tasks) never_started(std::move(refused));
  }

  void cancel(const dispatch_id& id) override { end_early(id, attempt_signal::why::canceled); }
  void request_stop(const dispatch_id& id) override { end_early(id, attempt_signal::why::asked); }

  void expire(const dispatch_id& id) override {
    std::unique_lock lock(mutex_);
    task_ptr waiting = take_waiting(id);
    lock.unlock();
    if (waiting) reports_.report({std::move(waiting), 0, timed_out{timed_out::limit::schedule_to_start}});
  }

  void stop(std::chrono::milliseconds grace) override {
    std::deque<task_ptr> dropped;
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      dropped.swap(waiting_);
      kill_grace_ = std::min(kill_grace_.load(), grace);
      for (auto& [id, attempt] : running_) attempt->signal.send(attempt_signal::why::abandoned);
      changed_.notify_all();
    }
    for (task_ptr& task : dropped) never_started(std::move(task));
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();  // bounded by the grace, as work_ promises
    }
    reports_.close();
  }

 private:
  struct attempt {
    explicit attempt(const std::atomic<std::chrono::milliseconds>& grace) : signal(grace) {}
    attempt_signal signal;
    timed_out limit;  // that was exceeded
  };

  task_ptr take_waiting(const dispatch_id& id) {  // with the lock
    const auto it =
        std::find_if(waiting_.begin(), waiting_.end(), [&](const task_ptr& task) { return dispatch_id_of(*task) == id; });
    if (it == waiting_.end()) return nullptr;
    task_ptr waiting = std::move(*it);
    waiting_.erase(it);
    return waiting;
  }

  void end_early(const dispatch_id& id, attempt_signal::why reason) {
    std::unique_lock lock(mutex_);
    task_ptr waiting = take_waiting(id);
    if (const auto it = running_.find(id); it != running_.end()) it->second->signal.send(reason);
    lock.unlock();
    if (waiting) never_started(std::move(waiting));
  }

  void never_started(task_ptr&& task) { reports_.report({std::move(task), 0, canceled{}}); }

  void run_attempts() {
    block_sigpipe();
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      task_ptr task = std::move(waiting_.front());
      waiting_.pop_front();
      --idle_;
      run_one(std::move(task), lock);
      ++idle_;
    }
  }

  void run_one(task_ptr task, std::unique_lock<std::mutex>& lock) {
    using why = attempt_signal::why;
    attempt mine(kill_grace_);
    const int error = errno;
    const dispatch_id id = dispatch_id_of(*task);
    running_.emplace(id, &mine);
    if (options_.on_start) options_.on_start(*task);
    lock.unlock();
    const std::int64_t started = to_micros(options_.time->now());
    attempt_watch watch(
        *options_.time, task, started, [this, id](timed_out limit) { exceeded(id, limit); },
        options_.on_heartbeat ? pass_on() : nullptr);
    watch.start();
    outcome how = mine.signal.descriptor() < 0 ? outcome(no_signal(error)) : work_(task, mine.signal, watch);
    std::optional<messages::Payload> details = watch.stop();
    lock.lock();
    running_.erase(id);
    lock.unlock();
    const why reason = mine.signal.reason();
    if (reason == why::timed_out) how = mine.limit;
    if (reason == why::canceled || (reason == why::asked && was_killed(how))) how = canceled{};
    if (reason != why::abandoned) reports_.report({std::move(task), started, std::move(how), std::move(details)});
    lock.lock();
  }

  void exceeded(const dispatch_id& id, timed_out limit) {
    std::lock_guard lock(mutex_);
    const auto it = running_.find(id);
    if (it == running_.end()) return;
    attempt_signal& signal = it->second->signal;
    const bool asked = signal.reason() == attempt_signal::why::asked;
    if (asked || !signal.stopped()) it->second->limit = limit;
    if (asked) signal.give_up_waiting();
    signal.send(attempt_signal::why::timed_out);
  }

  on_attempt_heartbeat pass_on() {
    return [this](const task_ptr& task, std::optional<messages::Payload> details) {
      reports_.while_open([&](const on_attempt_end&) { options_.on_heartbeat(task, std::move(details)); });
    };
  }

  static bool was_killed(const outcome& how) {
    const auto* how_failed = std::get_if<failed>(&how);
    return how_failed != nullptr && how_failed->failure.type() == killed_by_signal;
  }

  const attempt_threads_options options_;
  const attempt_work work_;
  report_gate reports_;
  std::atomic<std::chrono::milliseconds> kill_grace_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<task_ptr> waiting_;
  std::map<dispatch_id, attempt*> running_;
  bool stopping_ = false;
  std::size_t idle_ = 0;  // threads that wait for a task, or are about to
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<task_backend> make_attempt_threads(const attempt_threads_options& options, attempt_work work,
                                                   on_attempt_end report) {
  return std::make_unique<attempt_threads>(options, std::move(work), std::move(report));
}

}  // namespace evermill::tasks
