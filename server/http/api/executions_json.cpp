#include "server/http/api/executions_json.hpp"

#include <algorithm>
#include <charconv>

namespace evermill::server::http::api {
namespace {

void write_time(json_writer& to, std::string_view name, timestamp when) {
  if (to_micros(when) != 0) to.time(name, when);
}

void write_text(json_writer& to, std::string_view name, std::string_view text) {
  if (!text.empty()) to.text(name, text);
}

template <class Texts>
void write_texts(json_writer& to, std::string_view name, const Texts& texts) {
  to.begin_array(name);
  for (const std::string& each : texts) to.text({}, each);
  to.end_array();
}

template <class Numbers>
void write_numbers(json_writer& to, std::string_view name, const Numbers& numbers) {
  to.begin_array(name);
  for (const auto each : numbers) to.number({}, each);
  to.end_array();
}

void write_execution(json_writer& to, const listed_execution& what) {
  to.text("workflow_id", what.workflow_id).text("run_id", what.run_id).text("workflow_type", what.workflow_type);
  to.text("status", name_of(what.status));
  write_text(to, "blocked", what.blocked);
  write_time(to, "started_at", what.started_at);
  write_time(to, "closed_at", what.closed_at);
}

void write_activity(json_writer& to, const execution_description::open_activity& what) {
  to.begin_object().number("scheduled_seq", what.scheduled_seq).text("activity_type", what.activity_type);
  to.number("attempt", what.attempt).text("task_queue", what.task_queue);
  write_text(to, "version", what.version);
  to.text("token", what.token);
  if (what.last_failure) to.failure("last_failure", *what.last_failure);
  write_time(to, "not_before", what.not_before);
  to.boolean("dispatched", what.dispatched).boolean("completed_elsewhere", what.completed_elsewhere);
  to.boolean("cancel_requested", what.cancel_requested).value("heartbeat_details", what.heartbeat_details);
  to.end_object();
}

void write_users(json_writer& to, std::string_view name, const std::vector<lock_description::user>& users) {
  to.begin_array(name);
  for (const auto& each : users) {
    to.begin_object().text("workflow_id", each.workflow_id).number("run_number", each.run_number);
    to.number("requested_seq", each.requested_seq).end_object();
  }
  to.end_array();
}

void write_member(json_writer& to, const cluster_member& what) {
  to.begin_object().text("id", what.id).text("role", what.role).text("host", what.host);
  to.raw("process_id", std::to_string(what.process_id))
      .text("version", what.version)
      .time("started_at", what.started_at);
  to.boolean("leaving", what.leaving);
  write_numbers(to, "owned", what.owned);
  write_numbers(to, "standby", what.standby);
  write_numbers(to, "catching_up", what.catching_up);
  write_texts(to, "task_queues", what.task_queues);
  to.number("concurrency", what.concurrency);
  write_texts(to, "workflow_types", what.workflow_types);
  if (what.load) {
    to.begin_object("load").number("live_instances", what.load->live_instances);
    to.number("running_attempts", what.load->running_attempts).number("turns", what.load->turns);
    to.number("ended_attempts", what.load->ended_attempts).end_object();
  }
  to.end_object();
}

}  // namespace

std::string name_of(execution_status status) {
  std::string name(to_string(status));
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

void write(json_writer& to, std::string_view name, const started_execution& what) {
  to.begin_object(name).text("workflow_id", what.workflow_id).text("run_id", what.run_id);
  to.boolean("existed", what.existed).end_object();
}

void write_end(json_writer& to, const execution_end& end) {
  to.text("status", name_of(end.status)).value("result", end.result);
  if (end.cause) to.failure("failure", *end.cause);
}

void write(json_writer& to, std::string_view name, const listed_execution& what) {
  to.begin_object(name);
  write_execution(to, what);
  to.end_object();
}

std::string to_json(const execution_description& what) {
  json_writer to;
  listed_execution about;
  about.workflow_id = what.workflow_id;
  about.run_id = what.run_id;
  about.workflow_type = what.workflow_type;
  about.status = what.status;
  about.blocked = what.blocked;
  about.started_at = what.started_at;
  about.closed_at = what.closed_at;
  to.begin_object();
  write_execution(to, about);
  write_text(to, "blocked_message", what.blocked_message);
  if (what.blocked_at_event != 0) to.number("blocked_at_event", what.blocked_at_event);
  to.number("partition", what.partition).number("events", what.events).begin_array("activities");
  for (const auto& each : what.activities) write_activity(to, each);
  to.end_array().begin_array("timers");
  for (const auto& each : what.timers) {
    to.begin_object().number("started_seq", each.started_seq).time("fire_at", each.fire_at).end_object();
  }
  return to.end_array().end_object().take();
}

std::string to_json(const history_page& what) {
  json_writer to;
  to.begin_object().number("run_number", what.run_number).text("run_id", what.run_id).begin_array("events");
  for (const history_event& each : what.events) to.raw({}, each.json);
  to.end_array();
  if (!what.events.empty()) to.number("next_seq", what.events.back().seq + 1);
  to.boolean("ended", what.ended);
  if (what.next_run != 0) to.number("next_run_number", what.next_run);
  return to.end_object().take();
}

void write_members(json_writer& to, const human_task_summary& what) {
  to.text("task_id", what.task_id)
      .text("workflow_id", what.workflow_id)
      .text("name", what.name)
      .text("title", what.title);
  write_text(to, "assignee", what.assignee);
  write_texts(to, "candidate_groups", what.candidate_groups);
  write_time(to, "created_at", what.created_at);
  write_time(to, "due_at", what.due_at);
}

std::string to_json(const human_task_description& what) {
  json_writer to;
  to.begin_object();
  write_members(to, what);
  to.value("question", what.question);
  if (!what.form_schema.empty()) to.value("form_schema", json_payload(what.form_schema));
  return to.end_object().take();
}

void write(json_writer& to, std::string_view name, const lock_description& what) {
  to.begin_object(name)
      .text("name", what.name)
      .text("kind", what.semaphore ? "semaphore" : "lock")
      .number("permits", what.permits);
  write_users(to, "holders", what.holders);
  write_users(to, "waiters", what.waiters);
  to.text("workflow_id", what.id).end_object();
}

std::string to_json(const known_definitions& what) {
  json_writer to;
  const auto add = [&](std::string_view name, const std::vector<known_definition>& all) {
    to.begin_array(name);
    for (const known_definition& each : all) {
      to.begin_object().text("name", each.name);
      write_texts(to, "versions", each.versions);
      to.text("default_version", each.default_version).boolean("from_file", each.from_file).end_object();
    }
    to.end_array();
  };
  to.begin_object();
  add("workflows", what.workflows);
  add("activities", what.activities);
  return to.end_object().take();
}

void write(json_writer& to, std::string_view name, const task_queue_description& what) {
  to.begin_object(name).text("name", what.name).number("concurrency", what.concurrency);
  char rate[32];
  const auto end = std::to_chars(rate, rate + sizeof rate, what.rate_per_second).ptr;
  to.raw("rate_per_second", std::string_view(rate, static_cast<std::size_t>(end - rate)));
  to.number("waiting", what.waiting).number("running", what.running).number("workers", what.workers).end_object();
}

std::string to_json(const control_status& what, timestamp now) {
  const engine_statistics& counters = what.counters;
  json_writer to;
  to.begin_object().text("version", what.version).raw("process_id", std::to_string(what.process_id));
  to.text("durability", counters.durability).number("live_instances", counters.live_instances);
  to.boolean("ready", what.not_ready.empty());
  write_text(to, "not_ready", what.not_ready);
  to.text("log_level", what.log_level);
  write_texts(to, "workflow_types", what.workflow_types);
  to.begin_object("counters")
      .number("turns", counters.turns)
      .number("activities_completed", counters.activities_completed);
  to.number("late_results", counters.late_results).number("commits", counters.commits).number("syncs", counters.syncs);
  to.number("bytes_written", counters.bytes_written).number("bytes_on_disk", counters.bytes_on_disk);
  to.number("events_published", counters.events_published).number("events_lost", counters.events_lost).end_object();
  return to.time("now", now).end_object().take();
}

std::string to_json(const cluster_description& what) {
  json_writer to;
  to.begin_object()
      .text("cluster_id", what.cluster_id)
      .text("address", what.address)
      .text("durability", what.durability);
  to.text("coordinator", what.coordinator).begin_array("members");
  for (const cluster_member& each : what.members) write_member(to, each);
  to.end_array();
  write_texts(to, "owners", what.owners);
  return to.end_object().take();
}

}  // namespace evermill::server::http::api
