// Executions, human tasks and what else the engine tells, as JSON.
#pragma once

#include <string>

#include "server/control.hpp"
#include "server/http/api/json_writer.hpp"

namespace evermill::server::http::api {

/// "running", "timed_out", …
std::string name_of(execution_status status);

void write(json_writer& to, std::string_view name, const started_execution& what);
/// "status", "result", "failure".
void write_end(json_writer& to, const execution_end& end);
void write(json_writer& to, std::string_view name, const listed_execution& what);
std::string to_json(const execution_description& what);
std::string to_json(const history_page& what);
/// Its members only.
void write_members(json_writer& to, const human_task_summary& what);
std::string to_json(const human_task_description& what);
void write(json_writer& to, std::string_view name, const lock_description& what);
std::string to_json(const known_definitions& what);
void write(json_writer& to, std::string_view name, const task_queue_description& what);
std::string to_json(const control_status& what, timestamp now);
std::string to_json(const cluster_description& what);

}  // namespace evermill::server::http::api
