#include "testing/inline_backend.hpp"

#include <algorithm>
#include <utility>

#include "plugins/task/native/running_attempt.hpp"
#include "workflow/conversions.hpp"

namespace evermill::testing {

namespace {

/// An attempt that runs on the test's thread: it is over before time goes on.
class host final : public tasks::running_attempt {
 public:
  host(const messages::ActivityTask& task, tasks::attempt_watch& watch) : running_attempt(task), watch_(watch) {}
  const std::stop_token& stop_token() const override { return stop_; }

 private:
  void pass_on(std::optional<messages::Payload> details) override { watch_.heartbeat(std::move(details)); }

  tasks::attempt_watch& watch_;
  const std::stop_token stop_;
};

}  // namespace

void inline_backend::detach() {
  report_ = nullptr;
  on_heartbeat_ = nullptr;
  waiting_.clear();
  hanging_.clear();
}

void inline_backend::replace(const std::string& name, registry replacement) {
  replacements_.insert_or_assign(name, std::move(replacement));
  hangs_.erase(name);
}

void inline_backend::hang(const std::string& name) { hangs_.insert(name); }

void inline_backend::run(std::vector<task_ptr> tasks) {
  if (!report_) return;
  waiting_.insert(waiting_.end(), tasks.begin(), tasks.end());
}

inline_backend::task_ptr inline_backend::take_waiting(const tasks::dispatch_id& id) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const task_ptr& task) { return tasks::dispatch_id_of(*task) == id; });
  if (found == waiting_.end()) return nullptr;
  task_ptr task = std::move(*found);
  waiting_.erase(found);
  return task;
}

void inline_backend::cancel(const tasks::dispatch_id& id) {
  if (task_ptr task = take_waiting(id)) return report_({std::move(task), 0, tasks::canceled{}});
  end_hanging(id, tasks::canceled{});
}

void inline_backend::expire(const tasks::dispatch_id& id) {
  task_ptr task = take_waiting(id);
  if (task) report_({std::move(task), 0, tasks::timed_out{tasks::timed_out::limit::schedule_to_start}});
}

/// A replacement stands for every version.
const activity_definition* inline_backend::find(const messages::ActivityTask& task) const {
  const auto replaced = replacements_.find(task.activity_type());
  if (replaced != replacements_.end()) return replaced->second.find_activity(task.activity_type());
  return definitions_.find_activity(task.activity_type(), task.options().version());
}

void inline_backend::note_call(const messages::ActivityTask& task) {
  calls_.push_back({task.activity_type(), task.workflow_id(), task.attempt(),
                    tasks::idempotency_key(tasks::dispatch_id_of(task)), workflow::from_message(task.input()),
                    time_.now()});
}

bool inline_backend::run_one() {
  if (waiting_.empty()) return false;
  const std::string& name = waiting_.front()->activity_type();
  const activity_definition* const activity = find(*waiting_.front());
  if (activity == nullptr && !hangs_.contains(name)) {
    throw environment_error("activity \"" + name + "\" of execution \"" + waiting_.front()->workflow_id() +
                            "\" has no code: register it, or replace it with environment::replace");
  }
  task_ptr task = std::move(waiting_.front());
  waiting_.pop_front();
  if (hangs_.contains(name)) return start_hanging(std::move(task)), true;
  note_call(*task);
  const std::int64_t started_us = to_micros(time_.now());
  const std::uint64_t process = process_;
  tasks::attempt_watch watch(time_, task, started_us, [](tasks::timed_out) {}, on_heartbeat_);
  host seen(*task, watch);
  tasks::outcome how = seen.run(*activity);
  if (process != process_) return true;  // the function made its own process crash
  report_({std::move(task), started_us, std::move(how), watch.stop()});
  return true;
}

void inline_backend::start_hanging(task_ptr task) {
  note_call(*task);
  const tasks::dispatch_id id = tasks::dispatch_id_of(*task);
  const std::int64_t started_us = to_micros(time_.now());
  auto watch = std::make_unique<tasks::attempt_watch>(
      time_, task, started_us, [this, id](tasks::timed_out limit) { end_hanging(id, limit); }, nullptr);
  watch->start();
  hanging_.emplace(id, hanging{std::move(task), started_us, std::move(watch)});
}

void inline_backend::end_hanging(const tasks::dispatch_id& id, tasks::outcome how) {
  auto found = hanging_.extract(id);
  if (found.empty()) return;
  report_({std::move(found.mapped().task), found.mapped().started_us, std::move(how)});
}

}  // namespace evermill::testing
