#include "cli/commands.hpp"

#include <unistd.h>

#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/input.hpp"
#include "evermill/engine.hpp"

namespace evermill::cli {
namespace {

constexpr std::size_t page = 1000;

/// A directory that is not there is not created by a command that only looks.
engine_options existing_data(const settings& s) {
  if (!std::filesystem::exists(s.data / "CURRENT")) {
    throw usage_error("there is no evermill data in \"" + s.data.string() +
                      "\"; give its directory with --data, or start something with: run NAME --data DIR");
  }
  return {.data_directory = s.data};
}

std::string when(std::chrono::sys_time<std::chrono::microseconds> time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(time));
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string state_of(execution_status status, const std::string& blocked) {
  return blocked.empty() ? std::string(to_string(status)) : blocked;
}

}  // namespace

int list(const settings& s) {
  engine e(s.definitions, existing_data(s));
  std::string after;
  if (!s.json) std::cout << std::left << std::setw(32) << "ID" << std::setw(24) << "WORKFLOW" << std::setw(12) << "STATUS" << "STARTED\n";
  while (true) {
    const auto rows = e.list(after, page);
    for (const listed_execution& row : rows) {
      if (s.json) {
        std::cout << nlohmann::ordered_json{{"id", row.workflow_id},
                                            {"run_id", row.run_id},
                                            {"workflow", row.workflow_type},
                                            {"status", state_of(row.status, row.blocked)},
                                            {"started", when(row.started_at)}}
                         .dump()
                  << "\n";
      } else {
        std::cout << std::setw(31) << row.workflow_id << " " << std::setw(23) << row.workflow_type << " "
                  << std::setw(11) << state_of(row.status, row.blocked) << " " << when(row.started_at) << "\n";
      }
    }
    if (rows.size() < page) return completed;
    after = rows.back().workflow_id;
  }
}

int describe(const settings& s) {
  engine e(s.definitions, existing_data(s));
  const execution_description about = e.describe(s.id);
  nlohmann::ordered_json text = {{"id", about.workflow_id},        {"run_id", about.run_id},
                                 {"workflow", about.workflow_type}, {"status", state_of(about.status, about.blocked)},
                                 {"started", when(about.started_at)}, {"partition", about.partition},
                                 {"events", about.events}};
  if (about.closed_at.time_since_epoch().count() != 0) text["closed"] = when(about.closed_at);
  if (!about.blocked.empty()) {
    text["blocked"] = about.blocked_message;
    if (about.blocked_at_event != 0) text["blocked_at_event"] = about.blocked_at_event;
  }
  for (const auto& activity : about.activities) {
    nlohmann::ordered_json row = {{"event", activity.scheduled_seq}, {"activity", activity.activity_type}, {"attempt", activity.attempt}};
    if (activity.last_failure) row["last_failure"] = activity.last_failure->message;
    text["open_activities"].push_back(std::move(row));
  }
  for (const auto& timer : about.timers) {
    text["open_timers"].push_back({{"event", timer.started_seq}, {"fires", when(timer.fire_at)}});
  }
  if (s.json) {
    std::cout << text.dump() << "\n";
    return completed;
  }
  for (const auto& [name, value] : text.items()) {
    std::cout << std::left << std::setw(18) << name << (value.is_string() ? value.get<std::string>() : value.dump()) << "\n";
  }
  return completed;
}

int history(const settings& s) {
  engine e(s.definitions, existing_data(s));
  for (std::uint64_t from = 1;;) {
    const auto events = e.history(s.id, from, page);
    for (const history_event& event : events) {
      if (s.json) {
        std::cout << event.json << "\n";
        continue;
      }
      auto fields = nlohmann::ordered_json::parse(event.json);
      fields.erase("seq"), fields.erase("type"), fields.erase("time");
      std::cout << std::right << std::setw(6) << event.seq << "  " << std::left << std::setw(32) << event.type << " "
                << (fields.empty() ? "" : fields.dump()) << "\n";
    }
    if (events.size() < page) return completed;
    from = events.back().seq + 1;
  }
}

int signal(const settings& s) {
  payload input = read_input(s.input);
  engine e(s.definitions, existing_data(s));
  e.signal(s.id, s.name, std::move(input));
  return completed;
}

int cancel(const settings& s) {
  engine e(s.definitions, existing_data(s));
  e.cancel(s.id);
  return completed;
}

int terminate(const settings& s) {
  engine e(s.definitions, existing_data(s));
  e.terminate(s.id);
  return completed;
}

int taint(const settings& s) {
  engine e(s.definitions, existing_data(s));
  e.taint(s.id);
  return completed;
}

}  // namespace evermill::cli
