#include "testing/inline_backend.hpp"

#include <algorithm>
#include <utility>

#include "workflow/conversions.hpp"

namespace evermill::testing {

void inline_backend::detach() {
  report_ = nullptr;
  waiting_.clear();
  for (const auto& [id, each] : hanging_) {
    if (each.alarm != 0) time_.cancel_alarm(each.alarm);
  }
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

void inline_backend::cancel(const tasks::dispatch_id& id) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const task_ptr& task) { return tasks::dispatch_id_of(*task) == id; });
  if (found == waiting_.end()) return end_hanging(id, tasks::canceled{});
  const task_ptr task = std::move(*found);
  waiting_.erase(found);
  report_({task, 0, tasks::canceled{}});
}

const activity_definition* inline_backend::find(const std::string& name) const {
  const auto replaced = replacements_.find(name);
  return (replaced == replacements_.end() ? definitions_ : replaced->second).find_activity(name);
}

activity_info inline_backend::note_call(const messages::ActivityTask& task) {
  const tasks::dispatch_id id = tasks::dispatch_id_of(task);
  activity_info info{task.workflow_id(), task.activity_type(), task.attempt(), tasks::to_string(id),
                     tasks::idempotency_key(id)};
  calls_.push_back({info.activity_type, info.workflow_id, info.attempt, info.idempotency_key,
                    workflow::from_message(task.input()), time_.now()});
  return info;
}

bool inline_backend::run_one() {
  if (waiting_.empty()) return false;
  const std::string& name = waiting_.front()->activity_type();
  const activity_definition* const activity = find(name);
  if (activity == nullptr && !hangs_.contains(name)) {
    throw environment_error("activity \"" + name + "\" of execution \"" + waiting_.front()->workflow_id() +
                            "\" has no code: register it, or replace it with environment::replace");
  }
  task_ptr task = std::move(waiting_.front());
  waiting_.pop_front();
  if (hangs_.contains(name)) return start_hanging(std::move(task)), true;
  activity_context about(note_call(*task), {});
  const std::int64_t started_us = to_micros(time_.now());
  const std::uint64_t process = process_;
  auto result = activity->run(about, workflow::from_message(task->input()));
  if (process != process_) return true;  // the function made its own process crash
  if (auto* value = std::get_if<std::optional<payload>>(&result)) {
    tasks::completed done;
    if (*value) workflow::to_message(std::move(**value), done.result.emplace());
    report_({std::move(task), started_us, std::move(done)});
  } else {
    tasks::failed failed;
    workflow::to_message(std::get<failure>(result), failed.failure);
    report_({std::move(task), started_us, std::move(failed)});
  }
  return true;
}

void inline_backend::start_hanging(task_ptr task) {
  note_call(*task);
  const tasks::dispatch_id id = tasks::dispatch_id_of(*task);
  hanging each{std::move(task), to_micros(time_.now()), 0};
  if (const std::int64_t limit_us = each.task->options().start_to_close_us(); limit_us > 0) {
    each.alarm = time_.set_alarm(from_micros(each.started_us + limit_us), [this, id] {
      hanging_.at(id).alarm = 0;
      end_hanging(id, tasks::timed_out{});
    });
  }
  hanging_.emplace(id, std::move(each));
}

void inline_backend::end_hanging(const tasks::dispatch_id& id, tasks::outcome how) {
  auto found = hanging_.extract(id);
  if (found.empty()) return;
  if (found.mapped().alarm != 0) time_.cancel_alarm(found.mapped().alarm);
  report_({std::move(found.mapped().task), found.mapped().started_us, std::move(how)});
}

}  // namespace evermill::testing
