#include "interpreter/task_records.hpp"

#include <utility>
#include <variant>

namespace evermill::interpreter {
namespace {

constexpr std::size_t longest_error_shown = 300;

const char* phase_name(task_phase phase) {
  switch (phase) {
    case task_phase::running: return "running";
    case task_phase::waiting: return "waiting";
    case task_phase::retrying: return "retrying";
    case task_phase::completed: return "completed";
    case task_phase::skipped: return "skipped";
    case task_phase::faulted: return "faulted";
    case task_phase::cancelled: return "cancelled";
  }
  return "running";
}

bool waits_for_others(const dsl::task& what) {
  return std::holds_alternative<dsl::wait_task>(what.what) || std::holds_alternative<dsl::listen_task>(what.what);
}

nlohmann::json told_of(const task_record& of) {
  nlohmann::json made = {{"task", of.of->pointer},
                         {"phase", phase_name(of.phase)},
                         {"begun", of.begun},
                         {"part", of.part},
                         {"times", of.times},
                         {"since_us", of.since.time_since_epoch().count()},
                         {"until_us", of.until.time_since_epoch().count()}};
  if (of.attempt > 1) made["attempt"] = of.attempt;
  if (of.rounds > 0) made["round"] = of.round;
  if (of.rounds > 0) made["rounds"] = of.rounds;
  if (!of.error.empty()) made["error"] = of.error;
  return made;
}

}  // namespace

task_record& task_records::of(const dsl::task& what) {
  const auto [at, is_new] = places_.try_emplace(&what, records_.size());
  if (is_new) records_.push_back({.of = &what});
  return records_[at->second];
}

task_record& task_records::change(const dsl::task& what) {
  task_record& record = of(what);
  record.changed = ++changes_;
  return record;
}

void task_records::begin(const dsl::task& what, time_point now) {
  task_record& record = change(what);
  record.phase = waits_for_others(what) ? task_phase::waiting : task_phase::running;
  record.begun = record.part = record.changed;
  ++record.times;
  record.attempt = 1;
  record.round = record.rounds = 0;
  record.since = now;
  record.until = {};
  record.error.clear();
}

void task_records::skip(const dsl::task& what, time_point now) {
  begin(what, now);
  end(what, task_phase::skipped, now);
}

void task_records::end(const dsl::task& what, task_phase phase, time_point now, std::string error) {
  task_record& record = change(what);
  record.phase = phase;
  record.until = now;
  record.error = std::move(error);
}

void task_records::begin_round(const dsl::task& what, std::size_t round, std::size_t rounds) {
  task_record& record = change(what);
  record.part = record.changed;
  record.round = static_cast<std::uint32_t>(round);
  record.rounds = static_cast<std::uint32_t>(rounds);
}

void task_records::await_attempt(const dsl::task& what, time_point next, std::string error) {
  task_record& record = change(what);
  record.phase = task_phase::retrying;
  record.until = next;
  record.error = std::move(error);
}

void task_records::begin_attempt(const dsl::task& what) {
  task_record& record = change(what);
  record.phase = task_phase::running;
  record.part = record.changed;
  record.until = {};
  ++record.attempt;
}

nlohmann::json task_records::since(std::uint64_t number) const {
  nlohmann::json tasks = nlohmann::json::array();
  for (const task_record& each : records_) {
    if (each.changed > number) tasks.push_back(told_of(each));
  }
  return {{"upto", changes_}, {"tasks", std::move(tasks)}};
}

std::string in_short(const nlohmann::json& error) {
  std::string text;
  const auto status = error.find("status");
  if (status != error.end() && status->is_number_integer()) text = std::to_string(status->get<std::int64_t>());
  for (const char* property : {"title", "detail"}) {
    if (!error.contains(property) || !error[property].is_string()) continue;
    const bool first = property[0] == 't';
    text.append(text.empty() ? "" : first ? " " : ": ").append(error[property].get_ref<const std::string&>());
  }
  if (text.size() <= longest_error_shown) return text;
  std::size_t end = longest_error_shown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace evermill::interpreter
