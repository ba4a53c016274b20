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
#include "plugins/task/attempt_watch.hpp"
#include "plugins/task/report_gate.hpp"
#include "plugins/task/shell/process.hpp"
#include "workflow/conversions.hpp"

namespace evermill::tasks {
namespace {

using task_ptr = std::shared_ptr<const messages::ActivityTask>;

constexpr const char* killed_by_signal = "KilledBySignal";

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
    return failure_of(failure_kind::application, killed_by_signal,
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
  std::map<std::string, std::string> env{{"EVERMILL_WORKFLOW_ID", task.workflow_id()},
                                         {"EVERMILL_RUN_ID", task.run_id()},
                                         {"EVERMILL_DISPATCH_ID", to_string(id)},
                                         {"EVERMILL_IDEMPOTENCY_KEY", idempotency_key(id)},
                                         {"EVERMILL_ATTEMPT", std::to_string(id.attempt)},
                                         {"EVERMILL_HEARTBEAT_FD", std::to_string(heartbeat_descriptor)}};
  if (task.has_heartbeat_details()) env["EVERMILL_HEARTBEAT_DETAILS"] = task.heartbeat_details().data();
  return env;
}

/// What a line of heartbeats says: JSON, or text.
messages::Payload details_of(std::string&& line) {
  messages::Payload details;
  const bool json = !nests_too_deeply(line) && nlohmann::json::accept(line);
  workflow::to_message(json ? json_payload(std::move(line)) : codec<std::string>::encode(to_utf8(std::move(line))),
                       details);
  return details;
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

  void cancel(const dispatch_id& id) override { end_early(id, why::canceled); }
  void request_stop(const dispatch_id& id) override { end_early(id, why::asked); }

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
  enum class why : unsigned char { not_stopped, timed_out, canceled, asked, abandoned };
  struct process {
    int stop = -1;  // eventfd
    why stopped = why::not_stopped;
    timed_out limit;  // that was exceeded
  };

  static void stop_process(process& which, why reason) {
    if (which.stopped == why::not_stopped) which.stopped = reason;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(which.stop, &one, sizeof one);
  }

  task_ptr take_waiting(const dispatch_id& id) {  // with the lock
    const auto it = std::find_if(waiting_.begin(), waiting_.end(),
                                 [&](const task_ptr& task) { return dispatch_id_of(*task) == id; });
    if (it == waiting_.end()) return nullptr;
    task_ptr waiting = std::move(*it);
    waiting_.erase(it);
    return waiting;
  }

  void end_early(const dispatch_id& id, why reason) {
    std::unique_lock lock(mutex_);
    task_ptr waiting = take_waiting(id);
    if (const auto it = running_.find(id); it != running_.end()) stop_process(*it->second, reason);
    lock.unlock();
    if (waiting) never_started(std::move(waiting));
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
    attempt_watch watch(*options_.time, task, started, [this, id](timed_out limit) { exceeded(id, limit); },
                        options_.on_heartbeat ? pass_on() : nullptr);
    watch.start();
    outcome how = mine.stop < 0 ? outcome(no_eventfd(error)) : execute(*task, mine.stop, watch);
    std::optional<messages::Payload> details = watch.stop();
    lock.lock();
    running_.erase(id);
    ::close(mine.stop);
    lock.unlock();
    if (mine.stopped == why::timed_out) how = mine.limit;
    if (mine.stopped == why::canceled || (mine.stopped == why::asked && was_killed(how))) how = canceled{};
    if (mine.stopped != why::abandoned) reports_.report({std::move(task), started, std::move(how), std::move(details)});
    lock.lock();
  }

  void exceeded(const dispatch_id& id, timed_out limit) {
    std::lock_guard lock(mutex_);
    const auto it = running_.find(id);
    if (it == running_.end()) return;
    if (it->second->stopped == why::not_stopped || it->second->stopped == why::asked) it->second->limit = limit;
    if (it->second->stopped == why::asked) it->second->stopped = why::timed_out;
    stop_process(*it->second, why::timed_out);
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

  outcome execute(const messages::ActivityTask& task, int stop, attempt_watch& watch) const {
    try {
      const shell_command command = command_of(task);
      process_control control{stop, &kill_grace_, {}, {}};
      control.on_heartbeat = [&](std::string&& line) { watch.heartbeat(details_of(std::move(line))); };
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
