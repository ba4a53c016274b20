// `run`: one execution to its end, or as far as it gets before somebody parks it.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/input.hpp"
#include "evermill/engine.hpp"

namespace evermill::cli {
namespace {

using namespace std::chrono_literals;

std::atomic<int> interrupts{0};

void on_interrupt(int) {
  if (interrupts.fetch_add(1) > 0) ::_exit(parked);
}

/// Parks on SIGINT and SIGTERM while it exists.
class interruptible {
 public:
  interruptible() {
    interrupts = 0;
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    ::sigaction(SIGINT, &action, &interrupt_before_);
    ::sigaction(SIGTERM, &action, &terminate_before_);
  }
  ~interruptible() {
    ::sigaction(SIGINT, &interrupt_before_, nullptr);
    ::sigaction(SIGTERM, &terminate_before_, nullptr);
  }

 private:
  struct sigaction interrupt_before_ {};
  struct sigaction terminate_before_ {};
};

/// A line that is redrawn on a terminal; elsewhere a line now and then.
class progress {
 public:
  progress(std::string id, bool shown) : id_(std::move(id)), shown_(shown), terminal_(::isatty(STDERR_FILENO) == 1) {}

  void on_event(const execution_progress& what) {
    std::lock_guard lock(mutex_);
    const std::string& type = what.event.type;
    if (type == "ActivityTaskScheduled") ++open_;
    if (type == "ActivityTaskCompleted") ++done_, --open_;
    if (type == "ActivityTaskFailed" || type == "ActivityTaskTimedOut" || type == "ActivityTaskCanceled") --open_;
    last_ = type;
  }

  void draw(bool final) {
    if (!shown_) return;
    std::lock_guard lock(mutex_);
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began_);
    if (!terminal_ && !final && elapsed < next_plain_) return;
    next_plain_ = elapsed + 5s;
    std::cerr << (terminal_ ? "\r\033[K" : "") << id_ << "  " << elapsed.count() / 1000 << "."
              << elapsed.count() / 100 % 10 << "s  " << done_ << " activities done, " << open_ << " open"
              << (last_.empty() ? "" : "  " + last_) << (terminal_ && !final ? "" : "\n") << std::flush;
  }

 private:
  const std::string id_;
  const bool shown_;
  const bool terminal_;
  std::mutex mutex_;
  std::uint64_t done_ = 0;
  std::int64_t open_ = 0;
  std::string last_;
  std::chrono::milliseconds next_plain_{5s};
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

nlohmann::ordered_json to_json(const payload& value) {
  if (value.type == payload::content_type::json) {
    if (value.data.empty()) return nullptr;
    return nlohmann::ordered_json::parse(value.data);
  }
  return {{"type_name", value.type_name}, {"bytes", value.data.size()}};
}

nlohmann::ordered_json to_json(const failure& why, execution_status status) {
  nlohmann::ordered_json error = {{"status", to_string(status)}, {"type", why.type}, {"message", why.message}};
  if (why.details) error["details"] = to_json(*why.details);
  if (why.cause) error["cause"] = to_json(*why.cause, status);
  if (why.cause) error["cause"].erase("status");
  return error;
}

int report(const execution_end& end) {
  if (end.status == execution_status::completed) {
    std::cout << (end.result ? to_json(*end.result) : nlohmann::ordered_json()).dump() << "\n";
    return completed;
  }
  std::cerr << to_json(end.cause.value_or(failure{}), end.status).dump() << "\n";
  return end.status == execution_status::canceled ? canceled : failed;
}

}  // namespace

int run(const settings& s) {
  payload input = read_input(s.input);
  const interruptible parking;
  engine e(s.definitions, {.data_directory = s.data});
  std::string id = s.id;
  progress shown(id.empty() ? s.name : id, !s.json);
  const auto following = e.follow({}, [&](const execution_progress& what) { shown.on_event(what); });
  id = e.start(s.name, std::move(input), {.id = s.id}).workflow_id;
  while (true) {
    if (const auto end = e.wait_for(id, 100ms)) {
      shown.draw(true);
      return report(*end);
    }
    shown.draw(false);
    if (interrupts > 0) {
      std::cerr << "\nparked; it goes on with: run " << s.name << " --id " << id << " --data " << s.data.string() << "\n";
      return parked;
    }
    const execution_description about = e.describe(id);
    if (about.blocked == "stuck") {
      std::cerr << "evermill: " << id << " is stuck at event " << about.blocked_at_event << ": " << about.blocked_message
                << "; run it with the code that it was started with\n";
      return stuck;
    }
  }
}

}  // namespace evermill::cli
