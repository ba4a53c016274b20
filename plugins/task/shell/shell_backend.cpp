#include "plugins/task/shell/shell_backend.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "evermill/codec.hpp"
#include "evermill/exceptions.hpp"
#include "plugins/task/shell/process.hpp"
#include "workflow/conversions.hpp"

namespace evermill::tasks {
namespace {

using task_ptr = std::shared_ptr<const messages::ActivityTask>;

failed failure_of(failure_kind kind, std::string type, std::string message, bool non_retryable,
                  std::optional<payload> details = {}) {
  failed how;
  workflow::to_message({kind, std::move(type), std::move(message), std::move(details), non_retryable, nullptr},
                       how.failure);
  return how;
}

std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of("\n");
  if (end == std::string::npos) return {};
  const std::size_t start = text.rfind('\n', end);
  return text.substr(start == std::string::npos ? 0 : start + 1, end - (start == std::string::npos ? 0 : start + 1) + 1);
}

outcome outcome_of(process_end&& end, bool check) {
  if (!end.start_error.empty()) {
    return failure_of(failure_kind::application, "CannotStart", "cannot start " + end.start_error, true);
  }
  payload result = codec<shell_result>::encode(end.result);
  if (end.signal != 0) {
    return failure_of(failure_kind::application, "KilledBySignal",
                      "the process was ended by signal " + std::to_string(end.signal), false, std::move(result));
  }
  if (check && end.result.exit_code != 0) {
    const std::string said = last_line(end.result.stderr_text);
    return failure_of(failure_kind::application, "NonZeroExit",
                      "exit code " + std::to_string(end.result.exit_code) + (said.empty() ? "" : ": " + said), false,
                      std::move(result));
  }
  completed done;
  workflow::to_message(std::move(result), done.result.emplace());
  return done;
}

/// A thread per process that may run at once: each waits in poll(2) for its child.
class shell_backend final : public task_backend {
 public:
  shell_backend(const shell_options& options, on_attempt_end report) : options_(options), report_(std::move(report)) {
    for (unsigned i = 0; i < options.max_processes; ++i) threads_.emplace_back([this] { work(); });
  }
  ~shell_backend() override { stop(std::chrono::milliseconds(0)); }

  std::string_view name() const override { return "shell"; }
  bool serves(std::string_view activity_type) const override { return activity_type == shell.name; }

  void run(std::vector<task_ptr> tasks) override {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    for (task_ptr& task : tasks) waiting_.push_back(std::move(task));
    changed_.notify_all();
  }

  void cancel(const dispatch_id& id) override {
    task_ptr never_started;
    {
      std::lock_guard lock(mutex_);
      for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
        if (dispatch_id_of(**it) != id) continue;
        never_started = std::move(*it);
        waiting_.erase(it);
        break;
      }
      if (const auto it = running_.find(id); it != running_.end()) stop_process(*it->second, canceled{});
    }
    if (never_started) report_({std::move(never_started), 0, canceled{}});
  }

  void stop(std::chrono::milliseconds) override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      waiting_.clear();
      for (auto& [id, process] : running_) stop_process(*process, canceled{});
      changed_.notify_all();
    }
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();  // bounded by kill_grace: SIGKILL can't be refused
    }
  }

 private:
  struct process {
    int stop = -1;  // eventfd
    std::optional<outcome> because;
  };

  static void stop_process(process& which, outcome because) {
    if (which.because) return;
    which.because = std::move(because);
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(which.stop, &one, sizeof one);
  }

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      task_ptr task = std::move(waiting_.front());
      waiting_.pop_front();
      process mine;
      mine.stop = ::eventfd(0, EFD_CLOEXEC);
      const dispatch_id id = dispatch_id_of(*task);
      running_.emplace(id, &mine);
      lock.unlock();
      const std::int64_t started = to_micros(options_.time->now());
      const auto alarm = set_timeout(*task, id, started);
      outcome how = execute(*task, mine);
      if (alarm != 0) options_.time->cancel_alarm(alarm);
      lock.lock();
      running_.erase(id);
      ::close(mine.stop);
      if (mine.because) how = std::move(*mine.because);
      const bool abandoned = stopping_;  // the next boot finds the attempt lost and tries again
      lock.unlock();
      if (!abandoned) report_({std::move(task), started, std::move(how)});
      lock.lock();
    }
  }

  evermill::clock::alarm_id set_timeout(const messages::ActivityTask& task, const dispatch_id& id,
                                        std::int64_t started) {
    const std::int64_t limit = task.options().start_to_close_us();
    if (limit <= 0) return 0;
    return options_.time->set_alarm(from_micros(started + limit), [this, id] {
      std::lock_guard lock(mutex_);
      if (const auto it = running_.find(id); it != running_.end()) stop_process(*it->second, timed_out{});
    });
  }

  outcome execute(const messages::ActivityTask& task, const process& mine) const {
    shell_command command;
    try {
      command = codec<shell_command>::decode(workflow::from_message(task.input()));
    } catch (const payload_error& error) {
      return failure_of(failure_kind::invalid_payload, "InvalidPayload", error.what(), true);
    }
    if (command.argv.empty() == command.script.empty()) {
      return failure_of(failure_kind::invalid_payload, "InvalidPayload",
                        "a shell command needs either \"argv\" or \"script\"", true);
    }
    const dispatch_id id = dispatch_id_of(task);
    const std::map<std::string, std::string> env = {{"EVERMILL_WORKFLOW_ID", task.workflow_id()},
                                                    {"EVERMILL_DISPATCH_ID", to_string(id)},
                                                    {"EVERMILL_IDEMPOTENCY_KEY", idempotency_key(id)},
                                                    {"EVERMILL_ATTEMPT", std::to_string(id.attempt)}};
    return outcome_of(run_process(command, env, mine.stop, options_.kill_grace), command.check);
  }

  const shell_options options_;
  const on_attempt_end report_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<task_ptr> waiting_;
  std::map<dispatch_id, process*> running_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<task_backend> make_shell_backend(const shell_options& options, on_attempt_end report) {
  return std::make_unique<shell_backend>(options, std::move(report));
}

}  // namespace evermill::tasks
