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

std::uint64_t number(const nlohmann::json& fields, const char* name) {
  const auto it = fields.find(name);
  return it != fields.end() && it->is_number_unsigned() ? it->get<std::uint64_t>() : 0;
}

}  // namespace

void execution_tally::apply(const history_event& event) {
  const std::string& type = event.type;
  if (event.seq == 1 && last_seq > 1 && type == "WorkflowExecutionStarted") *this = execution_tally{};  // a new run
  if (event.seq <= last_seq) return;
  last_seq = event.seq;
  nlohmann::json fields = nlohmann::json::parse(event.json, nullptr, false);
  if (!fields.is_object()) fields = nlohmann::json::object();
  if (type == "ActivityTaskScheduled") {
    open_activities.insert(event.seq);
  } else if (type == "ActivityTaskCompleted" || type == "ActivityTaskFailed" || type == "ActivityTaskTimedOut" ||
             type == "ActivityTaskCanceled") {
    open_activities.erase(number(fields, "scheduled_seq"));
    ++(type == "ActivityTaskCompleted" ? activities_done : activities_failed);
  } else if (type == "TimerStarted") {
    open_timers.insert(event.seq);
  } else if (type == "TimerFired" || type == "TimerCanceled") {
    open_timers.erase(number(fields, "started_seq"));
  } else if (type == "StepScheduled") {
    open_steps.insert(event.seq);
  } else if (type == "MarkerRecorded") {
    open_steps.erase(number(fields, "scheduled_seq"));
  } else if (type == "StartChildWorkflowExecutionInitiated") {
    open_children.insert(event.seq);
  } else if (type.starts_with("ChildWorkflowExecution") || type == "StartChildWorkflowExecutionFailed") {
    open_children.erase(number(fields, "initiated_seq"));
  }
  last_events.push_back(short_form(event, fields));
  if (last_events.size() > shown_events) last_events.pop_front();
}

progress::progress(environment& env, style style, std::string title, std::string signal_command, instant now)
    : env_(env),
      style_(style),
      title_(std::move(title)),
      signal_command_(std::move(signal_command)),
      started_(now),
      next_draw_(now),
      quiet_since_(now) {}

progress::~progress() { clear(); }

std::string progress::counts() const {
  std::string text = std::to_string(tally_.activities_done) + " done, " + std::to_string(tally_.open_activities.size()) +
                     " running";
  if (retrying_ > 0) text += ", " + std::to_string(retrying_) + " retrying";
  if (tally_.activities_failed > 0) text += ", " + std::to_string(tally_.activities_failed) + " failed";
  text = "activities: " + text;
  if (!tally_.open_timers.empty()) text += "; timers: " + std::to_string(tally_.open_timers.size());
  if (!tally_.open_children.empty()) text += "; children: " + std::to_string(tally_.open_children.size());
  return text;
}

void progress::tick(instant now) {
  if (style_ == style::none || now < next_draw_) return;
  if (tally_.last_seq != seen_seq_) {
    seen_seq_ = tally_.last_seq;
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
  env_.err << "\x1b[" << lines_drawn_ << "A\x1b[J" << std::flush;
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
  for (const std::string& event : tally_.last_events) {
    env_.err << dim << fit("  " + event, width) << plain << '\n';
    ++lines_drawn_;
  }
  if (tally_.waits_for_signal() && now - quiet_since_ >= quiet_before_hint) {
    env_.err << fit("  waits for a signal: " + signal_command_, width) << '\n';
    ++lines_drawn_;
  }
  env_.err << std::flush;
}

void progress::print_plain(instant now) {
  const bool hint = !hinted_ && tally_.waits_for_signal() && now - quiet_since_ >= quiet_before_hint;
  const bool due = now - started_ >= between_lines && tally_.last_seq != printed_seq_;
  if (hint) {
    hinted_ = true;
    env_.err << title_ << " waits for a signal: " << signal_command_ << std::endl;
  } else if (due) {
    env_.err << title_ << ": " << counts() << std::endl;
    next_draw_ = now + between_lines;
  }
  if (due) printed_seq_ = tally_.last_seq;
}

}  // namespace evermill::cli
