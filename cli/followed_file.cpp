#include "cli/followed_file.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace evermill::cli {
namespace {

constexpr std::array<std::pair<std::string_view, task_state>, 7> states_by_name{{{"running", task_state::running},
                                                                                 {"waiting", task_state::waiting},
                                                                                 {"retrying", task_state::retrying},
                                                                                 {"completed", task_state::completed},
                                                                                 {"skipped", task_state::skipped},
                                                                                 {"faulted", task_state::faulted},
                                                                                 {"cancelled", task_state::cancelled}}};

task_state state_named(std::string_view name) {
  for (const auto& [known, is] : states_by_name) {
    if (known == name) return is;
  }
  return task_state::running;
}

followed_task::time_point moment(const nlohmann::json& of, const char* name) {
  return followed_task::time_point(std::chrono::microseconds(of.value(name, std::int64_t{0})));
}

void take_record(const nlohmann::json& from, followed_task& into) {
  into.last = state_named(from.value("phase", ""));
  into.begun = from.value("begun", std::uint64_t{0});
  into.part = from.value("part", std::uint64_t{0});
  into.times = from.value("times", std::int64_t{1});
  into.attempt = from.value("attempt", std::int64_t{1});
  into.round = from.value("round", std::int64_t{0});
  into.rounds = from.value("rounds", std::int64_t{0});
  into.since = moment(from, "since_us");
  into.until = moment(from, "until_us");
  into.error = from.value("error", "");
}

/// As if it had never been done.
void forget(followed_task& what) {
  what.last = task_state::pending;
  what.begun = what.part = 0;
  what.times = 0;
  what.output.clear();
}

}  // namespace

followed_file::followed_file(std::string title, const dsl::definition& of, bool follows_schedule) : title_(std::move(title)) {
  const dsl::chart drawing = dsl::chart_of(of);
  if (follows_schedule) {
    schedule_ = drawing.start;
  } else {
    add(drawing.blocks, followed_task::none, false);
  }
}

void followed_file::add(const std::vector<dsl::chart_block>& blocks, std::size_t parent, bool catches) {
  for (const dsl::chart_block& block : blocks) {
    const std::size_t place = tasks_.size();
    followed_task made;
    made.pointer = block.pointer;
    made.name = block.name;
    made.kind = block.kind;
    made.detail = block.kind == "for" && !block.sections.empty() ? block.sections.front().title : block.detail;
    made.parent = parent;
    made.depth = parent == followed_task::none ? 0 : tasks_[parent].depth + 1;
    made.catches = catches;
    places_.emplace(made.pointer, place);
    tasks_.push_back(std::move(made));
    for (std::size_t i = 0; i < block.sections.size(); ++i) add(block.sections[i].blocks, place, block.kind == "try" && i > 0);
    tasks_[place].end = tasks_.size();
  }
}

void followed_file::apply(const nlohmann::json& look) {
  if (!look.is_object()) return;
  const auto upto = look.value("upto", std::uint64_t{0});
  if (upto < upto_) {  // another run: the next look tells all of it
    for (followed_task& each : tasks_) forget(each);
    upto_ = 0;
    return;
  }
  upto_ = upto;
  phase_ = look.value("phase", phase_);
  started_ = moment(look, "started_us");
  scheduled_ = look.value("scheduled", scheduled_);
  const auto tasks = look.find("tasks");
  if (tasks == look.end() || !tasks->is_array()) return;
  for (const nlohmann::json& each : *tasks) {
    const auto known = places_.find(each.value("task", ""));
    if (known != places_.end()) take_record(each, tasks_[known->second]);
  }
}

void followed_file::show_outputs(const std::map<std::string, running_output>& by_task) {
  for (followed_task& each : tasks_) {
    const auto found = by_task.find(each.pointer);
    if (found == by_task.end()) {
      each.output.clear();
      each.process = 1;
    } else {
      each.output = found->second.lines;
      each.process = found->second.attempt;
    }
  }
}

void followed_file::end(execution_status how, time_point at) {
  const bool completed = how == execution_status::completed;
  const bool failed = how == execution_status::failed || how == execution_status::timed_out;
  const task_state left = completed ? task_state::completed : failed ? task_state::faulted : task_state::cancelled;
  phase_ = completed ? "completed" : failed ? "faulted" : "cancelled";
  ended_ = at;
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    tasks_[i].output.clear();
    if (!is_open(state_of(i))) continue;
    tasks_[i].last = left;
    tasks_[i].until = at;
  }
}

task_state followed_file::state_of(std::size_t place) const {
  if (tasks_[place].times == 0) return task_state::pending;
  for (std::size_t at = place; tasks_[at].parent != followed_task::none; at = tasks_[at].parent) {
    const followed_task& parent = tasks_[tasks_[at].parent];
    if (parent.times == 0 || tasks_[at].begun < parent.part) return task_state::pending;
  }
  return tasks_[place].last;
}

}  // namespace evermill::cli
