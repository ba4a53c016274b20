#include "cli/progress.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/output.hpp"

namespace evermill::cli {
namespace {

constexpr std::size_t shown_events = 4;
constexpr std::chrono::milliseconds between_draws{200};
constexpr std::chrono::seconds between_lines{10};
constexpr std::chrono::seconds quiet_before_hint{1};

/// "12 ActivityTaskScheduled charge_card"
std::string short_form(const history_event& event, const nlohmann::json& fields) {
  std::string text = std::to_string(event.seq) + " " + event.type;
  for (const char* name : {"activity_type", "signal_name", "workflow_type", "name"}) {
    if (const auto it = fields.find(name); it != fields.end() && it->is_string()) {
      return text + " " + it->get<std::string>();
    }
  }
  return text;
}

std::string text_of(const nlohmann::json& fields, const char* name) {
  const auto it = fields.find(name);
  return it != fields.end() && it->is_string() ? it->get<std::string>() : "";
}

std::uint64_t number(const nlohmann::json& fields, const char* name) {
  const auto it = fields.find(name);
  return it != fields.end() && it->is_number_unsigned() ? it->get<std::uint64_t>() : 0;
}

}  // namespace

family_tally::family_tally(std::string root) : root_(std::move(root)) { add_member(root_); }

void family_tally::add_member(const std::string& workflow_id) {
  if (executions_.try_emplace(workflow_id).second) members_.push_back(workflow_id);
}

void family_tally::apply(const std::string& workflow_id, const history_event& event) {
  const std::string& type = event.type;
  const bool starts = type == "WorkflowExecutionStarted";
  if (!executions_.contains(workflow_id) && !starts) return;
  nlohmann::json fields = nlohmann::json::parse(event.json, nullptr, false);
  if (!fields.is_object()) fields = nlohmann::json::object();
  if (starts && fields.contains("parent") && executions_.contains(text_of(fields["parent"], "workflow_id"))) {
    add_member(workflow_id);  // its parent's event may come later
  }
  const auto found = executions_.find(workflow_id);
  if (found == executions_.end()) return;
  execution& its = found->second;
  if (const std::string run = starts ? text_of(fields, "run_id") : its.run_id; run != its.run_id) {
    its = {.run_id = run};  // it continues as new
  }
  if (event.seq <= its.last_seq) return;
  its.last_seq = event.seq;
  ++events_;
  std::string text = short_form(event, fields);
  if (type == "ActivityTaskScheduled") {
    its.activities[event.seq] = text_of(fields, "activity_type");
  } else if (type == "ActivityTaskCompleted" || type == "ActivityTaskFailed" || type == "ActivityTaskTimedOut" ||
             type == "ActivityTaskCanceled") {
    if (const auto closed = its.activities.find(number(fields, "scheduled_seq")); closed != its.activities.end()) {
      text += " " + closed->second;
      its.activities.erase(closed);
    }
    ++(type == "ActivityTaskCompleted" ? activities_done_ : activities_failed_);
  } else if (type == "TimerStarted") {
    its.timers.insert(event.seq);
  } else if (type == "TimerFired" || type == "TimerCanceled") {
    its.timers.erase(number(fields, "started_seq"));
  } else if (type == "StepScheduled") {
    its.steps.insert(event.seq);
  } else if (type == "MarkerRecorded") {
    its.steps.erase(number(fields, "scheduled_seq"));
  } else if (type == "StartChildWorkflowExecutionInitiated") {
    its.children.insert(event.seq);
    add_member(text_of(fields, "workflow_id"));
  } else if (type.starts_with("ChildWorkflowExecution") || type == "StartChildWorkflowExecutionFailed") {
    its.children.erase(number(fields, "initiated_seq"));
  }
  last_events_.push_back((workflow_id == root_ ? "" : workflow_id + ": ") + text);
  if (last_events_.size() > shown_events) last_events_.pop_front();
}

std::size_t family_tally::open_activities() const {
  std::size_t count = 0;
  for (const auto& [id, its] : executions_) count += its.activities.size();
  return count;
}

std::size_t family_tally::open_timers() const {
  std::size_t count = 0;
  for (const auto& [id, its] : executions_) count += its.timers.size();
  return count;
}

std::size_t family_tally::open_children() const {
  std::size_t count = 0;
  for (const auto& [id, its] : executions_) count += its.children.size();
  return count;
}

bool family_tally::waits() const {
  const execution& its = executions_.at(root_);
  return its.last_seq > 0 && its.activities.empty() && its.steps.empty() && its.children.empty();
}

progress::progress(environment& env, style style, const std::string& workflow_type, const std::string& workflow_id,
                   std::string signal_command, instant now)
    : env_(env),
      style_(style),
      title_(workflow_type + " " + workflow_id),
      signal_command_(std::move(signal_command)),
      started_(now),
      tally_(workflow_id),
      next_draw_(now),
      quiet_since_(now) {}

progress::~progress() { clear(); }

std::string progress::counts() const {
  std::string text = "activities: " + std::to_string(tally_.activities_done()) + " done, " +
                     std::to_string(tally_.open_activities()) + " open";
  if (retrying_ > 0) text += ", " + std::to_string(retrying_) + " retrying";
  if (tally_.activities_failed() > 0) text += ", " + std::to_string(tally_.activities_failed()) + " failed";
  if (const std::size_t timers = tally_.open_timers(); timers > 0) text += "; timers: " + std::to_string(timers);
  if (const std::size_t open = tally_.open_children(); open > 0) text += "; child workflows: " + std::to_string(open);
  return text;
}

std::string progress::hint() const {
  return (tally_.open_timers() > 0 ? "waits for a timer, or a signal: " : "waits for a signal: ") + signal_command_;
}

void progress::tick(instant now) {
  if (style_ == style::none || now < next_draw_) return;
  if (tally_.events() != seen_events_) {
    seen_events_ = tally_.events();
    quiet_since_ = now;
  }
  if (style_ == style::terminal) {
    draw(now);
    next_draw_ = now + between_draws;
  } else {
    print_plain(now);
  }
}

void progress::clear() {
  if (lines_drawn_ == 0) return;
  env_.err << "\r\x1b[" << lines_drawn_ << "A\x1b[J" << std::flush;
  lines_drawn_ = 0;
}

void progress::draw(instant now) {
  const char* bold = env_.color ? "\x1b[1m" : "";
  const char* dim = env_.color ? "\x1b[2m" : "";
  const char* plain = env_.color ? "\x1b[0m" : "";
  const std::size_t width = env_.width > 1 ? env_.width - 1 : 1;  // a full line would wrap on some terminals
  clear();
  const auto elapsed = std::chrono::duration_cast<std::chrono::microseconds>(now - started_);
  env_.err << bold << fit(title_ + "  " + duration_text(elapsed), width) << plain << '\n';
  env_.err << fit("  " + counts(), width) << '\n';
  lines_drawn_ = 2;
  for (const std::string& event : tally_.last_events()) {
    env_.err << dim << fit("  " + event, width) << plain << '\n';
    ++lines_drawn_;
  }
  if (tally_.waits() && now - quiet_since_ >= quiet_before_hint) {
    env_.err << fit("  " + hint(), width) << '\n';
    ++lines_drawn_;
  }
  env_.err << std::flush;
}

void progress::print_plain(instant now) {
  const bool due_hint = !hinted_ && tally_.waits() && now - quiet_since_ >= quiet_before_hint;
  const bool due = now - started_ >= between_lines && tally_.events() != printed_events_;
  if (due_hint) {
    hinted_ = true;
    env_.err << title_ << ' ' << hint() << std::endl;
  } else if (due) {
    env_.err << title_ << ": " << counts() << std::endl;
    next_draw_ = now + between_lines;
  }
  if (due) printed_events_ = tally_.events();
}

}  // namespace evermill::cli
