#include "cli/output.hpp"

#include <google/protobuf/stubs/strutil.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/text.hpp"

namespace evermill::cli {
namespace {

using json = nlohmann::ordered_json;

std::string line(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

const char* name_of(payload::content_type type) {
  switch (type) {
    case payload::content_type::json: return "json";
    case payload::content_type::protobuf: return "protobuf";
    case payload::content_type::bytes: return "bytes";
    case payload::content_type::other: return "other";
  }
  return "other";
}

const char* name_of(failure_kind kind) {
  switch (kind) {
    case failure_kind::application: return "application";
    case failure_kind::start_to_close: return "start_to_close";
    case failure_kind::canceled: return "canceled";
    case failure_kind::terminated: return "terminated";
    case failure_kind::lost: return "lost";
    case failure_kind::not_registered: return "not_registered";
    case failure_kind::invalid_payload: return "invalid_payload";
    case failure_kind::already_exists: return "already_exists";
    case failure_kind::timed_out: return "timed_out";
    case failure_kind::schedule_to_start: return "schedule_to_start";
    case failure_kind::schedule_to_close: return "schedule_to_close";
    case failure_kind::heartbeat: return "heartbeat";
  }
  return "application";
}

json value_of(const std::optional<payload>& value) {
  if (!value || (value->type == payload::content_type::json && value->data.empty())) return nullptr;
  if (value->type == payload::content_type::json && !nests_too_deeply(value->data)) {
    json parsed = json::parse(value->data, nullptr, false);
    if (!parsed.is_discarded()) return parsed;
  }
  std::string base64;
  google::protobuf::Base64Escape(value->data, &base64);
  json object = {{"content_type", name_of(value->type)}};
  if (!value->type_name.empty()) object["type_name"] = value->type_name;
  object["base64"] = base64;
  return object;
}

json value_of(const failure& why) {
  json object = {{"type", why.type}, {"message", why.message}, {"kind", name_of(why.kind)}};
  object["details"] = value_of(why.details);
  if (why.non_retryable) object["non_retryable"] = true;
  if (why.cause) object["cause"] = value_of(*why.cause);
  return object;
}

json value_of(const listed_execution& row) {
  json object = {{"workflow_id", row.workflow_id},
                 {"run_id", row.run_id},
                 {"workflow_type", row.workflow_type},
                 {"status", std::string(to_string(row.status))}};
  if (!row.blocked.empty()) object["blocked"] = row.blocked;
  object["started_at"] = iso_time(row.started_at);
  if (row.status != execution_status::running) object["closed_at"] = iso_time(row.closed_at);
  const bool continued = row.execution_started_at != time_point{} && row.execution_started_at != row.started_at;
  if (continued) object["execution_started_at"] = iso_time(row.execution_started_at);
  return object;
}

json value_of(const human_task_summary& task) {
  json object = {{"task_id", task.task_id}, {"workflow_id", task.workflow_id}, {"name", task.name}, {"title", task.title}};
  object["assignee"] = task.assignee.empty() ? json(nullptr) : json(task.assignee);
  object["candidate_groups"] = task.candidate_groups;
  object["created_at"] = iso_time(task.created_at);
  if (task.due_at != time_point{}) object["due_at"] = iso_time(task.due_at);
  return object;
}

json value_of(const std::vector<lock_description::user>& users) {
  json list = json::array();
  for (const auto& user : users) {
    list.push_back({{"workflow_id", user.workflow_id}, {"run_number", user.run_number}, {"requested_seq", user.requested_seq}});
  }
  return list;
}

std::string formatted(time_point time, const char* format) {
  const std::time_t whole = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();  // also beyond 2262
  std::tm parts{};
  gmtime_r(&whole, &parts);
  char text[40];
  return {text, std::strftime(text, sizeof text, format, &parts)};
}

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); }));
}

}  // namespace

std::string to_json(const std::optional<payload>& value) { return line(value_of(value)); }
std::string to_json(const std::string& workflow_id, const execution_end& end) {
  failure why = end.cause.value_or(failure{});
  if (why.type.empty()) why.type = std::string(to_string(end.status));
  json object = {{"workflow_id", workflow_id}, {"status", std::string(to_string(end.status))}};
  object.update(value_of(why));
  return line(object);
}
std::string to_json(const failure& why, std::string_view status) {
  json object = {{"status", std::string(status)}};
  object.update(value_of(why));
  return line(object);
}
std::string to_json(const listed_execution& row) { return line(value_of(row)); }
std::string to_json(const execution_counts& counts) {
  json by_status = json::object();
  for (const auto& [status, count] : counts.by_status) by_status[std::string(to_string(status))] = count;
  return line({{"total", counts.total}, {"blocked", counts.blocked}, {"by_status", by_status}});
}
std::string to_json(const human_task_summary& task) { return line(value_of(task)); }

std::string to_json(const human_task_description& task) {
  json object = value_of(static_cast<const human_task_summary&>(task));
  object["question"] = value_of(task.question);
  const std::optional<payload> form = task.form_schema.empty() ? std::nullopt : std::optional(json_payload(task.form_schema));
  object["form_schema"] = value_of(form);
  return line(object);
}

std::string to_json(const lock_description& lock) {
  return line({{"name", lock.name},
               {"kind", lock.semaphore ? "semaphore" : "lock"},
               {"permits", lock.permits},
               {"holders", value_of(lock.holders)},
               {"waiters", value_of(lock.waiters)},
               {"workflow_id", lock.id}});
}

std::string to_json(const known_definition& what, std::string_view kind) {
  return line({{"kind", std::string(kind)},
               {"name", what.name},
               {"versions", what.versions},
               {"default_version", what.default_version},
               {"from_file", what.from_file}});
}

std::string to_json(const task_queue_description& queue) {
  return line({{"name", queue.name},
               {"concurrency", queue.concurrency},
               {"rate_per_second", queue.rate_per_second},
               {"waiting", queue.waiting},
               {"running", queue.running},
               {"workers", queue.workers}});
}

std::string to_json(const execution_description& about, const std::string& phase) {
  json object = value_of(listed_execution{about.workflow_id, about.run_id, about.workflow_type, about.status,
                                          about.blocked, about.started_at, about.closed_at});
  if (!phase.empty()) object["phase"] = phase;
  if (!about.blocked.empty()) {
    object["blocked_message"] = about.blocked_message;
    if (about.blocked_at_event != 0) object["blocked_at_event"] = about.blocked_at_event;
  }
  object["partition"] = about.partition;
  object["events"] = about.events;
  object["activities"] = json::array();
  for (const auto& activity : about.activities) {
    json& open = object["activities"].emplace_back(json{
        {"scheduled_seq", activity.scheduled_seq}, {"activity_type", activity.activity_type}, {"attempt", activity.attempt}});
    if (activity.last_failure) open["last_failure"] = value_of(*activity.last_failure);
    if (activity.not_before != time_point{}) open["not_before"] = iso_time(activity.not_before);
    open["task_queue"] = activity.task_queue;
    if (!activity.version.empty()) open["version"] = activity.version;
    open["token"] = activity.token;
    open["dispatched"] = activity.dispatched;
    if (activity.completed_elsewhere) open["completed_elsewhere"] = true;
    if (activity.cancel_requested) open["cancel_requested"] = true;
    if (activity.heartbeat_details) open["heartbeat_details"] = value_of(activity.heartbeat_details);
  }
  object["timers"] = json::array();
  for (const auto& timer : about.timers) {
    object["timers"].push_back({{"started_seq", timer.started_seq}, {"fire_at", iso_time(timer.fire_at)}});
  }
  return line(object);
}

std::string iso_time(time_point time) {
  char micros[16];
  const auto fraction = time - std::chrono::floor<std::chrono::seconds>(time);
  std::snprintf(micros, sizeof micros, ".%06dZ", static_cast<int>(fraction.count()));
  return formatted(time, "%Y-%m-%dT%H:%M:%S") + micros;
}

std::string short_time(time_point time) { return time == time_point{} ? "" : formatted(time, "%Y-%m-%d %H:%M:%S"); }

std::string duration_text(std::chrono::microseconds duration) {
  const long long ms = std::max<long long>(0, duration.count() / 1000);
  char text[48];
  if (ms < 1000) {
    std::snprintf(text, sizeof text, "%lldms", ms);
  } else if (ms < 60'000) {
    std::snprintf(text, sizeof text, "%lld.%llds", ms / 1000, ms % 1000 / 100);
  } else if (ms < 3'600'000) {
    std::snprintf(text, sizeof text, "%lldm %02llds", ms / 60'000, ms / 1000 % 60);
  } else if (ms < 86'400'000) {
    std::snprintf(text, sizeof text, "%lldh %02lldm", ms / 3'600'000, ms / 60'000 % 60);
  } else {
    std::snprintf(text, sizeof text, "%lldd %02lldh", ms / 86'400'000, ms / 3'600'000 % 24);
  }
  return text;
}

std::string state_of(execution_status status, const std::string& blocked) {
  return status == execution_status::running && !blocked.empty() ? blocked : std::string(to_string(status));
}

std::string fit(std::string_view text, std::size_t width) {
  std::string clean(text);
  for (char& c : clean) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  if (columns(clean) <= width) return clean;
  if (width == 0) return {};
  std::size_t end = 0;
  for (std::size_t used = 0; used + 1 < width; ++used) {
    do ++end;
    while (end < clean.size() && continues(clean[end]));
  }
  return clean.substr(0, end) + "…";
}

std::vector<std::vector<std::string>> queue_table(const std::vector<task_queue_description>& queues) {
  std::vector<std::vector<std::string>> table{{"TASK QUEUE", "AT ONCE", "PER SECOND", "WAITING", "RUNNING", "WORKERS"}};
  for (const task_queue_description& each : queues) {
    table.push_back({each.name, each.concurrency == 0 ? "any" : std::to_string(each.concurrency),
                     each.rate_per_second <= 0 ? "any" : json(each.rate_per_second).dump(), std::to_string(each.waiting),
                     std::to_string(each.running), std::to_string(each.workers)});
  }
  return table;
}

void print_table(std::ostream& out, std::vector<std::vector<std::string>> rows, std::size_t width) {
  constexpr std::size_t gap = 2;
  constexpr std::size_t narrowest = 8;
  if (rows.empty()) return;
  std::vector<std::size_t> widths(rows.front().size());
  for (auto& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      row[i] = fit(row[i], static_cast<std::size_t>(-1));
      widths[i] = std::max(widths[i], columns(row[i]));
    }
  }
  std::size_t total = gap * (widths.size() - 1);
  for (const std::size_t w : widths) total += w;
  for (; total > width; --total) {
    auto widest = std::max_element(widths.begin(), widths.end());
    if (*widest <= narrowest) break;
    --*widest;
  }
  for (const auto& row : rows) {
    std::string text;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string cell = fit(row[i], widths[i]);
      text += cell;
      if (i + 1 < widths.size()) text.append(widths[i] - columns(cell) + gap, ' ');
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out << text << '\n';
  }
}

}  // namespace evermill::cli
