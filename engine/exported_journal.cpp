#include "engine/exported_journal.hpp"

#include <istream>
#include <ostream>

#include "base/namespaces.hpp"
#include "base/text.hpp"
#include "messages/history_json.hpp"
#include "evermill/engine.hpp"

namespace evermill {
namespace {

using json = ordered_json;

std::string text(const json& line) { return line.dump(-1, ' ', false, json::error_handler_t::strict); }

std::string member_text(const json& line, const char* name) {
  const auto found = line.find(name);
  return found != line.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Nothing where the member is missing or no such number.
std::optional<std::uint64_t> member_number(const json& line, const char* name) {
  const auto found = line.find(name);
  if (found == line.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

}  // namespace

// --- writing

void journal_writer::begin(const exported_run& about) {
  events_ = activities_ = parked_ = 0;
  json line = {{"evermill_journal", export_format_version},
               {"workflow_id", about.workflow_id},
               {"run_id", about.run_id},
               {"run", about.run.value},
               {"workflow_type", about.workflow_type},
               {"status", messages::ExecutionStatus_Name(about.status)},
               {"started", iso_time(about.started)}};
  if (about.status != messages::RUNNING) line["closed"] = iso_time(about.closed);
  line["partitions"] = about.partitions;
  out_ << text(line) << '\n';
}

void journal_writer::add(const storage::stored_turn& turn) {
  messages::TurnRecord back;
  back.set_time_us(turn.record.time_us());
  for (const messages::Event& event : turn.record.events()) *back.add_events() = event;
  if (back.SerializeAsString() != turn.record.SerializeAsString()) {
    throw engine_error(engine_errc::storage, "event " + std::to_string(turn.first.value) +
                                                 ": its turn was written by a newer evermill; export it with that one");
  }
  std::uint64_t seq = turn.first.value;
  for (const messages::Event& event : turn.record.events()) {
    out_ << text(event_line(seq++, turn.first.value, from_micros(turn.record.time_us()), event)) << '\n';
    ++events_;
  }
}

void journal_writer::add(event_seq scheduled, const messages::OpenActivity& activity) {
  out_ << text({{"open_activity", scheduled.value}, {"state", message_json(activity)}}) << '\n';
  ++activities_;
}

void journal_writer::add(std::uint64_t index, const messages::DecisionEvent& parked) {
  out_ << text({{"parked", index}, {"decision", message_json(parked)}}) << '\n';
  ++parked_;
}

void journal_writer::end() {
  out_ << text({{"end", {{"events", events_}, {"open_activities", activities_}, {"parked", parked_}}}}) << '\n';
}

void journal_writer::write(const exported_run& run) {
  begin(run);
  for (const storage::stored_turn& turn : run.turns) add(turn);
  for (const auto& [scheduled, activity] : run.activities) add(scheduled, activity);
  for (const auto& [index, event] : run.parked) add(index, event);
  end();
}

// --- reading

void exported_journals::refuse(std::size_t line, const std::string& why) const {
  throw engine_error(engine_errc::invalid_argument, name_ + ":" + std::to_string(line) + ": " + why);
}

bool exported_journals::read_line(json& line) {
  std::string read;
  if (!std::getline(in_, read)) {
    if (in_.bad()) refuse(line_, "the file can't be read any further");
    return false;
  }
  ++line_;
  if (nests_too_deeply(read)) refuse(line_, "it is nested too deeply");
  line = json::parse(read, nullptr, false);
  if (!line.is_object()) refuse(line_, "it is not a JSON object");
  return true;
}

bool exported_journals::next(exported_run& run) {
  json line;
  if (!read_line(line)) return false;
  run = {};
  read_first(line, run);
  expected_ = 1;
  turn_open_ = false;
  check_ = std::make_unique<journal_check>([this](event_seq at, const std::string& what) {
    refuse(line_, "event " + std::to_string(at.value) + ": " + what);
  });
  while (true) {
    if (!read_line(line)) refuse(line_, "the file ends inside of a run; it was cut short");
    if (line.contains("seq")) {
      read_event(line, run);
      continue;
    }
    finish_turn(run);
    if (line.contains("open_activity")) {
      read_activity(line, run);
    } else if (line.contains("parked")) {
      read_parked(line, run);
    } else {
      read_last(line, run);
      check_whole(run);
      return true;
    }
  }
}

void exported_journals::read_first(const json& line, exported_run& run) {
  run.line = line_;
  const auto version = member_number(line, "evermill_journal");
  if (!version || *version == 0) refuse(line_, "it does not begin a run: \"evermill_journal\" is missing");
  if (*version > export_format_version) {
    refuse(line_, "format " + std::to_string(*version) + " is that of a newer evermill; use that one, or a later one");
  }
  run.workflow_id = member_text(line, "workflow_id");
  run.run_id = member_text(line, "run_id");
  run.workflow_type = member_text(line, "workflow_type");
  if (const auto why = namespaces::why_no_kept_id(run.workflow_id)) refuse(line_, "the workflow_id " + *why);
  if (const auto why = why_no_name(run.workflow_type)) refuse(line_, "the workflow_type " + *why);
  run.run = run_number(member_number(line, "run").value_or(0));
  if (run.run.value == 0) refuse(line_, "\"run\" is not the number of a run");
  const std::uint64_t partitions = member_number(line, "partitions").value_or(0);
  if (partitions == 0 || partitions > UINT16_MAX) refuse(line_, "\"partitions\" is not a number of partitions");
  run.partitions = static_cast<std::uint32_t>(partitions);
  if (!messages::ExecutionStatus_Parse(member_text(line, "status"), &run.status)) refuse(line_, "\"status\" is not known");
  const auto time = [&](const char* name) {
    const auto parsed = parse_iso_time(member_text(line, name));
    if (!parsed) refuse(line_, std::string(name) + ": " + parsed.error().message);
    return *parsed;
  };
  run.started = time("started");
  if (run.status != messages::RUNNING) run.closed = time("closed");
}

void exported_journals::read_event(const json& line, exported_run& run) {
  auto event = parse_event_line(line);
  if (!event) refuse(line_, event.error().message);
  if (event->seq != expected_) {
    refuse(line_, "event " + std::to_string(event->seq) + " where event " + std::to_string(expected_) + " is expected");
  }
  ++expected_;
  const bool first = event->turn == event->seq;
  if (first) {
    finish_turn(run);
    auto& turn = run.turns.emplace_back();
    turn.first = event_seq(event->turn);
    turn.record.set_time_us(to_micros(event->time));
    turn_open_ = true;
  }
  if (!turn_open_ || run.turns.back().first.value != event->turn) {
    refuse(line_, "event " + std::to_string(event->seq) + " is of turn " + std::to_string(event->turn) +
                      ", which does not begin before it");
  }
  if (run.turns.back().record.time_us() != to_micros(event->time)) refuse(line_, "the events of a turn have one time");
  *run.turns.back().record.add_events() = std::move(event->event);
}

void exported_journals::finish_turn(exported_run& run) {
  if (!turn_open_) return;
  turn_open_ = false;
  check_->add(run.turns.back().first, run.turns.back().record);
}

void exported_journals::read_activity(const json& line, exported_run& run) {
  const event_seq scheduled(member_number(line, "open_activity").value_or(0));
  if (!check_->open().activities.contains(scheduled)) refuse(line_, "\"open_activity\" does not name an open activity");
  if (!run.activities.empty() && scheduled <= run.activities.back().first) refuse(line_, "the activities are out of order");
  auto& [seq, activity] = run.activities.emplace_back(scheduled, messages::OpenActivity());
  if (auto parsed = parse_message_json(line.value("state", json()), activity); !parsed) refuse(line_, parsed.error().message);
  if (activity.attempt() == 0) refuse(line_, "an attempt without a number");
}

void exported_journals::read_parked(const json& line, exported_run& run) {
  const std::uint64_t index = member_number(line, "parked").value_or(0);
  if (index == 0 || (!run.parked.empty() && index <= run.parked.back().first)) refuse(line_, "the parked events are out of order");
  auto& [number, event] = run.parked.emplace_back(index, messages::DecisionEvent());
  if (auto parsed = parse_message_json(line.value("decision", json()), event); !parsed) refuse(line_, parsed.error().message);
  if (event.workflow_id() != run.workflow_id || event.run_number() != run.run.value || !event.has_event()) {
    refuse(line_, "the parked event is for another run");
  }
}

void exported_journals::read_last(const json& line, const exported_run& run) {
  const auto end = line.find("end");
  if (end == line.end() || !end->is_object()) refuse(line_, "neither an event nor the run's \"end\"");
  const bool same = member_number(*end, "events") == expected_ - 1 &&
                    member_number(*end, "open_activities") == run.activities.size() &&
                    member_number(*end, "parked") == run.parked.size();
  if (!same) refuse(line_, "lines of the run are missing: its \"end\" counts others than there are");
}

void exported_journals::check_whole(const exported_run& run) {
  if (run.turns.empty()) {
    const bool waits = run.status == messages::RUNNING && !run.parked.empty() &&
                       run.parked.front().second.event().has_workflow_execution_started();
    if (!waits) refuse(run.line, "a run without events");
    return;
  }
  const auto& started = *check_->started();  // or an event would have been refused
  if (started.workflow_id() != run.workflow_id || started.run_id() != run.run_id ||
      started.workflow_type() != run.workflow_type) {
    refuse(run.line, "WorkflowExecutionStarted names another run");
  }
  const auto status = check_->end() ? actors::status_after(*check_->end()) : messages::RUNNING;
  if (status != run.status) {
    refuse(run.line, "the status is " + messages::ExecutionStatus_Name(run.status) + ", but the events say " +
                         messages::ExecutionStatus_Name(status));
  }
  if (status != messages::RUNNING && (!run.activities.empty() || !run.parked.empty())) {
    refuse(run.line, "a run that has ended has nothing open or parked");
  }
}

}  // namespace evermill
