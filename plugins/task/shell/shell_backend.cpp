#include "plugins/task/shell/shell_backend.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "base/text.hpp"
#include "evermill/codec.hpp"
#include "evermill/exceptions.hpp"
#include "plugins/task/report_gate.hpp"
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

/// What a person would look at first.
std::string last_lines(const std::string& text) {
  constexpr int lines = 5;
  constexpr std::size_t bytes = 1'000;
  const std::size_t last = text.find_last_not_of('\n');
  if (last == std::string::npos) return {};
  std::size_t from = last + 1;
  for (int i = 0; i < lines && from > 0; ++i) {
    const std::size_t newline = from < 2 ? std::string::npos : text.rfind('\n', from - 2);
    from = newline == std::string::npos ? 0 : newline + 1;
  }
  from = std::max(from, last + 1 > bytes ? last + 1 - bytes : 0);
  return to_utf8(text.substr(from, last + 1 - from));
}

outcome outcome_of(process_end&& end, const shell_command& command) {
  if (!end.start_error.empty()) {
    return failure_of(failure_kind::application, "CannotStart", to_utf8("cannot start " + end.start_error),
                      !end.out_of_means);
  }
  const std::string said = last_lines(end.result.stderr_text);
  const std::string colon = said.empty() ? "" : ": " + said;
  end.result.stdout_text = to_utf8(end.result.stdout_text);
  end.result.stderr_text = to_utf8(end.result.stderr_text);
  payload result = codec<shell_result>::encode(end.result);
  if (end.signal != 0) {
    return failure_of(failure_kind::application, "KilledBySignal",
                      "the process was ended by signal " + std::to_string(end.signal) + colon, false,
                      std::move(result));
  }
  if (command.check && end.result.exit_code != 0) {
    return failure_of(failure_kind::application, "NonZeroExit",
                      "exit code " + std::to_string(end.result.exit_code) + colon, false, std::move(result));
  }
  completed done;
  workflow::to_message(std::move(result), done.result.emplace());
  return done;
}

shell_command command_of(const messages::ActivityTask& task) {
  auto command = codec<shell_command>::decode(workflow::from_message(task.input()));
  if (command.argv.empty() == command.script.empty()) {
    throw payload_error("a shell command needs either \"argv\" or \"script\"");
  }
  if (!command.argv.empty() && command.argv.front().empty()) throw payload_error("\"argv\" begins with an empty name");
  if (command.max_output_bytes < 0) throw payload_error("\"max_output_bytes\" is negative");
  return command;
}

/// A process that could not be told to stop is not started.
failed no_eventfd(int error) {
  return failure_of(failure_kind::application, "CannotStart",
                    std::string("cannot start a process: eventfd: ") + std::strerror(error), false);
}

std::map<std::string, std::string> environment_of(const messages::ActivityTask& task) {
  const dispatch_id id = dispatch_id_of(task);
  return {{"EVERMILL_WORKFLOW_ID", task.workflow_id()},
          {"EVERMILL_DISPATCH_ID", to_string(id)},
          {"EVERMILL_IDEMPOTENCY_KEY", idempotency_key(id)},
          {"EVERMILL_ATTEMPT", std::to_string(id.attempt)}};
}

/// A write to a process that reads no more is an error value here, not a signal.
void block_sigpipe() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

/// A thread per process that may run at once: each waits in poll(2) for its child.
class shell_backend final : public task_backend {
 public:
  shell_backend(const shell_options& options, on_attempt_end report)
      : options_(options), reports_(std::move(report)), kill_grace_(options.kill_grace) {
    for (unsigned i = 0; i < options.max_processes; ++i) threads_.emplace_back([this] { work(); });
  }
  ~shell_backend() override { stop(std::chrono::milliseconds(0)); }

  std::string_view name() const override { return "shell"; }
  bool serves(std::string_view activity_type) const override { return activity_type == shell.name; }

  void run(std::vector<task_ptr> tasks) override {
    {
      std::lock_guard lock(mutex_);
      if (!stopping_) {
        for (task_ptr& task : tasks) waiting_.push_back(std::move(task));
        tasks.clear();
        changed_.notify_all();
      }
    }
    for (task_ptr& refused : tasks) never_started(std::move(refused));
  }

  void cancel(const dispatch_id& id) override {
    task_ptr waiting;
    {
      std::lock_guard lock(mutex_);
      for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
        if (dispatch_id_of(**it) != id) continue;
        waiting = std::move(*it);
        waiting_.erase(it);
        break;
      }
      if (const auto it = running_.find(id); it != running_.end()) stop_process(*it->second, why::canceled);
    }
    if (waiting) never_started(std::move(waiting));
  }

  void stop(std::chrono::milliseconds grace) override {
    std::deque<task_ptr> dropped;
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      dropped.swap(waiting_);
      kill_grace_ = std::min(kill_grace_.load(), grace);
      for (auto& [id, process] : running_) stop_process(*process, why::abandoned);
      changed_.notify_all();
    }
    for (task_ptr& task : dropped) never_started(std::move(task));
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();  // bounded by the grace: SIGKILL can't be refused
    }
    reports_.close();
  }

 private:
  enum class why : unsigned char { not_stopped, timed_out, canceled, abandoned };
  struct process {
    int stop = -1;  // eventfd
    why stopped = why::not_stopped;
  };

  static void stop_process(process& which, why reason) {
    if (which.stopped == why::not_stopped) which.stopped = reason;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(which.stop, &one, sizeof one);
  }

  void never_started(task_ptr&& task) { reports_.report({std::move(task), 0, canceled{}}); }

  void work() {
    block_sigpipe();
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      task_ptr task = std::move(waiting_.front());
      waiting_.pop_front();
      run_one(std::move(task), lock);
    }
  }

  void run_one(task_ptr task, std::unique_lock<std::mutex>& lock) {
    process mine;
    mine.stop = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const int error = errno;
    const dispatch_id id = dispatch_id_of(*task);
    running_.emplace(id, &mine);
    lock.unlock();
    const std::int64_t started = to_micros(options_.time->now());
    const auto alarm = set_timeout(*task, id, started);
    outcome how = mine.stop < 0 ? outcome(no_eventfd(error)) : execute(*task, mine.stop);
    if (alarm != 0) options_.time->cancel_alarm(alarm);
    lock.lock();
    running_.erase(id);
    ::close(mine.stop);
    lock.unlock();
    if (mine.stopped == why::timed_out) how = timed_out{};
    if (mine.stopped == why::canceled) how = canceled{};
    if (mine.stopped != why::abandoned) reports_.report({std::move(task), started, std::move(how)});
    lock.lock();
  }

  evermill::clock::alarm_id set_timeout(const messages::ActivityTask& task, const dispatch_id& id,
                                        std::int64_t started) {
    const std::int64_t limit = task.options().start_to_close_us();
    if (limit <= 0) return 0;
    return options_.time->set_alarm(from_micros(started + limit), [this, id] {
      std::lock_guard lock(mutex_);
      if (const auto it = running_.find(id); it != running_.end()) stop_process(*it->second, why::timed_out);
    });
  }

  outcome execute(const messages::ActivityTask& task, int stop) const {
    try {
      const shell_command command = command_of(task);
      process_control control{stop, &kill_grace_, {}};
      if (options_.on_output) {
        control.on_output = [&](output_stream which, std::string_view text) { options_.on_output(task, which, text); };
      }
      return outcome_of(run_process(command, environment_of(task), control), command);
    } catch (const payload_error& error) {
      return failure_of(failure_kind::invalid_payload, "InvalidPayload", to_utf8(error.what()), true);
    } catch (const std::exception& error) {
      return failure_of(failure_kind::application, "CannotStart", to_utf8(error.what()), false);
    }
  }

  const shell_options options_;
  report_gate reports_;
  std::atomic<std::chrono::milliseconds> kill_grace_;
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
