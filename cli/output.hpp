// Printing: values as JSON, times, tables.
#pragma once

#include <chrono>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/engine.hpp"

namespace evermill::cli {

using time_point = std::chrono::sys_time<std::chrono::microseconds>;

/// The payload as one line of JSON: itself where it is JSON, null where it is nothing, else
/// {"content_type":…,"type_name":…,"base64":…}.
std::string to_json(const std::optional<payload>& value);
/// Of one that did not complete, in one line: {"workflow_id":…,"status":…,"type":…,"message":…,"kind":…,"details":…,
/// "cause":{…}}; details are null and cause is left out where there are none.
std::string to_json(const std::string& workflow_id, const execution_end& end);
/// Of an update: the same without workflow_id.
std::string to_json(const failure& why, std::string_view status);
std::string to_json(const listed_execution& row);
/// {"total":…,"blocked":…,"by_status":{"running":…,…}}
std::string to_json(const execution_counts& counts);
/// With "phase" where there is one (standard_phase.hpp).
std::string to_json(const execution_description& about, const std::string& phase);
std::string to_json(const human_task_summary& task);
/// The same with "question" and "form_schema" (null where the task has none).
std::string to_json(const human_task_description& task);
std::string to_json(const lock_description& lock);
/// {"kind":"workflow",…}; `kind` is workflow or activity.
std::string to_json(const known_definition& what, std::string_view kind);
std::string to_json(const task_queue_description& queue);

/// "2026-05-01T12:00:00.000000Z"
std::string iso_time(time_point time);
/// "2026-05-01 12:00:00" in UTC, for tables.
std::string short_time(time_point time);
/// "1h 02m", "3m 05s", "12.3s", "45ms"
std::string duration_text(std::chrono::microseconds duration);

/// "running", "stuck", …: what matters most about it.
std::string state_of(execution_status status, const std::string& blocked);

/// Without control characters, which could take over the terminal, and at most `width` columns wide ("…" marks a cut).
std::string fit(std::string_view text, std::size_t width);

/// For print_table, with a header.
std::vector<std::vector<std::string>> queue_table(const std::vector<task_queue_description>& queues);

/// Rows under a header in aligned columns of together at most `width` columns: the widest give way first.
void print_table(std::ostream& out, std::vector<std::vector<std::string>> rows, std::size_t width);

}  // namespace evermill::cli
