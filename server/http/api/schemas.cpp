#include "server/http/api/openapi.hpp"

namespace evermill::server::http::api {

const char* component_schemas() noexcept {
  return R"json({
"AnyObject": {"type": "object"},
"Text": {"type": "string"},
"EventStream": {"type": "string", "description": "Server-sent events."},
"Duration": {"type": "string", "pattern": "^([0-9]+(\\.[0-9]+)?(us|ms|s|m|h|d))+$", "examples": ["30s", "1.5h", "1h30m"]},
"Time": {"type": "string", "format": "date-time"},
"Payload": {
  "type": "object", "description": "A value that is not JSON.", "additionalProperties": false,
  "required": ["content_type", "data"],
  "properties": {
    "content_type": {"type": "string", "examples": ["application/octet-stream", "application/protobuf", "image/png"]},
    "type_name": {"type": "string", "description": "Of application/protobuf: the message's full name."},
    "data": {"type": "string", "contentEncoding": "base64"}}},
"Problem": {
  "type": "object", "required": ["type", "title", "status", "detail"],
  "properties": {
    "type": {"type": "string", "format": "uri-reference", "description": "/problems/NAME; that path explains it."},
    "title": {"type": "string"},
    "status": {"type": "integer"},
    "detail": {"type": "string", "description": "What is wrong with this request."},
    "instance": {"type": "string", "description": "The request's path."}}},
"Failure": {
  "type": "object", "additionalProperties": false,
  "properties": {
    "kind": {"type": "string", "default": "application", "enum": ["application", "start_to_close", "canceled", "terminated", "lost",
      "not_registered", "invalid_payload", "already_exists", "timed_out", "schedule_to_start", "schedule_to_close", "heartbeat"]},
    "type": {"type": "string", "description": "The application's own name for it."},
    "message": {"type": "string"},
    "details": {"description": "Any JSON."},
    "details_payload": {"$ref": "#/components/schemas/Payload"},
    "non_retryable": {"type": "boolean", "default": false},
    "next_retry_delay": {"$ref": "#/components/schemas/Duration"},
    "cause": {"$ref": "#/components/schemas/Failure"}}},
"Signal": {
  "type": "object", "additionalProperties": false, "required": ["name"],
  "properties": {
    "name": {"type": "string"},
    "input": {"description": "Any JSON."},
    "input_payload": {"$ref": "#/components/schemas/Payload"}}},
"StartWorkflow": {
  "type": "object", "additionalProperties": false, "required": ["workflow_type"],
  "properties": {
    "workflow_id": {"type": "string", "maxLength": 512, "description": "Default: a random UUID."},
    "workflow_type": {"type": "string"},
    "input": {"description": "Any JSON; stored without white space, otherwise as it is."},
    "input_payload": {"$ref": "#/components/schemas/Payload"},
    "request_id": {"type": "string", "maxLength": 512,
      "description": "The same one again within a day starts nothing and finds what was started."},
    "reuse": {"type": "string", "default": "use_existing",
      "enum": ["use_existing", "reject_duplicate", "allow_after_failure", "allow", "terminate_existing"],
      "description": "What becomes of a start whose workflow id is taken."},
    "execution_timeout": {"$ref": "#/components/schemas/Duration"},
    "run_timeout": {"$ref": "#/components/schemas/Duration"},
    "version": {"type": "string", "description": "Of the code. Default: the one that is for new executions."},
    "with_signal": {"$ref": "#/components/schemas/Signal"}}},
"StartedWorkflow": {
  "type": "object", "required": ["workflow_id", "run_id", "existed"],
  "properties": {
    "workflow_id": {"type": "string"},
    "run_id": {"type": "string"},
    "existed": {"type": "boolean", "description": "Nothing was started: it was there, or it runs and was signaled."}}},
"StartWorkflows": {
  "type": "object", "additionalProperties": false, "required": ["starts"],
  "properties": {"starts": {"type": "array", "maxItems": 10000, "items": {"$ref": "#/components/schemas/StartWorkflow"}}}},
"StartOutcomes": {
  "type": "object", "required": ["outcomes"],
  "properties": {"outcomes": {"type": "array", "items": {
    "type": "object", "description": "Has one of the two.",
    "properties": {
      "started": {"$ref": "#/components/schemas/StartedWorkflow"},
      "error": {"$ref": "#/components/schemas/Problem"}}}}}},
"Status": {
  "type": "object", "required": ["version", "process_id", "durability", "ready", "workflow_types", "counters", "now"],
  "properties": {
    "version": {"type": "string"},
    "process_id": {"type": "integer"},
    "durability": {"type": "string", "description": "Whether a power cut may lose what was acknowledged."},
    "live_instances": {"type": "integer"},
    "ready": {"type": "boolean"},
    "not_ready": {"type": "string", "description": "Why not."},
    "log_level": {"type": "string", "description": "Which lines the process logs."},
    "workflow_types": {"type": "array", "items": {"type": "string"}},
    "counters": {"type": "object", "additionalProperties": {"type": "integer"}},
    "now": {"$ref": "#/components/schemas/Time"}}},
"WorkflowStatus": {"type": "string", "enum": ["running", "completed", "failed", "canceled", "terminated", "timed_out", "continued_as_new"]},
"Workflow": {
  "type": "object", "required": ["workflow_id", "run_id", "workflow_type", "status", "started_at"],
  "properties": {
    "workflow_id": {"type": "string"},
    "run_id": {"type": "string", "description": "Of the current run, or the last one."},
    "workflow_type": {"type": "string"},
    "status": {"$ref": "#/components/schemas/WorkflowStatus"},
    "blocked": {"type": "string", "enum": ["stuck", "unserved", "turn_timeout"], "description": "Why a running one takes no turns."},
    "started_at": {"$ref": "#/components/schemas/Time"},
    "closed_at": {"$ref": "#/components/schemas/Time"}}},
"WorkflowDescription": {
  "allOf": [{"$ref": "#/components/schemas/Workflow"}],
  "type": "object", "required": ["partition", "events", "activities", "timers"],
  "properties": {
    "blocked_message": {"type": "string"},
    "blocked_at_event": {"type": "integer"},
    "partition": {"type": "integer"},
    "events": {"type": "integer", "description": "In the history of the current run."},
    "activities": {"type": "array", "items": {"$ref": "#/components/schemas/OpenActivity"}},
    "timers": {"type": "array", "items": {
      "type": "object", "required": ["started_seq", "fire_at"],
      "properties": {"started_seq": {"type": "integer"}, "fire_at": {"$ref": "#/components/schemas/Time"}}}}}},
"OpenActivity": {
  "type": "object", "required": ["scheduled_seq", "activity_type", "attempt", "task_queue", "token"],
  "properties": {
    "scheduled_seq": {"type": "integer", "description": "The event with which it was called."},
    "activity_type": {"type": "string"},
    "attempt": {"type": "integer", "minimum": 1},
    "task_queue": {"type": "string"},
    "version": {"type": "string"},
    "token": {"type": "string", "description": "Of the current attempt: /activities/{token}:complete."},
    "last_failure": {"$ref": "#/components/schemas/Failure"},
    "not_before": {"$ref": "#/components/schemas/Time"},
    "dispatched": {"type": "boolean", "description": "false: no process could run it so far."},
    "completed_elsewhere": {"type": "boolean", "description": "Whoever has the token completes it."},
    "cancel_requested": {"type": "boolean"},
    "heartbeat_details": {"description": "Any JSON."},
    "heartbeat_details_payload": {"$ref": "#/components/schemas/Payload"}}},
"WorkflowResult": {
  "type": "object", "required": ["workflow_id", "status"],
  "properties": {
    "workflow_id": {"type": "string"},
    "status": {"$ref": "#/components/schemas/WorkflowStatus"},
    "result": {"description": "Any JSON; absent: no value."},
    "result_payload": {"$ref": "#/components/schemas/Payload"},
    "failure": {"$ref": "#/components/schemas/Failure"}}},
"HistoryPage": {
  "type": "object", "required": ["run_number", "run_id", "events", "ended"],
  "properties": {
    "run_number": {"type": "integer"},
    "run_id": {"type": "string"},
    "events": {"type": "array", "items": {"$ref": "#/components/schemas/HistoryEvent"}},
    "next_seq": {"type": "integer", "description": "Where the next page begins."},
    "ended": {"type": "boolean", "description": "The run has ended, and no event follows these."},
    "next_run_number": {"type": "integer", "description": "The run that it was continued as."}}},
"HistoryEvent": {
  "type": "object", "required": ["seq", "type", "time"], "description": "And the event's own fields.",
  "properties": {
    "seq": {"type": "integer"},
    "type": {"type": "string", "examples": ["ActivityTaskScheduled"]},
    "time": {"$ref": "#/components/schemas/Time"}}},
"WorkflowList": {
  "type": "object", "required": ["workflows"],
  "properties": {
    "workflows": {"type": "array", "items": {"$ref": "#/components/schemas/Workflow"}},
    "next_page_token": {"type": "string"}}},
"WorkflowCount": {
  "type": "object", "required": ["count", "blocked", "by_status"],
  "properties": {
    "count": {"type": "integer"},
    "blocked": {"type": "integer", "description": "Of those that run: take no turns."},
    "by_status": {"type": "object", "additionalProperties": {"type": "integer"}}}},
"QueryAnswer": {
  "type": "object",
  "properties": {"answer": {"description": "Any JSON."}, "answer_payload": {"$ref": "#/components/schemas/Payload"}}},
"UpdateEnd": {
  "type": "object", "required": ["accepted"],
  "properties": {
    "accepted": {"type": "boolean", "description": "false: refused by the code; nothing of it happened."},
    "result": {"description": "Any JSON; absent: no value."},
    "result_payload": {"$ref": "#/components/schemas/Payload"},
    "failure": {"$ref": "#/components/schemas/Failure", "description": "Why it was refused, or has failed."}}},
"Reason": {
  "type": "object", "additionalProperties": false,
  "properties": {"reason": {"type": "string", "description": "For people."}}},
"HumanTask": {
  "type": "object", "required": ["task_id", "workflow_id", "name", "title", "candidate_groups", "created_at"],
  "properties": {
    "task_id": {"type": "string"},
    "workflow_id": {"type": "string"},
    "name": {"type": "string"},
    "title": {"type": "string"},
    "assignee": {"type": "string", "description": "Absent: nobody has it."},
    "candidate_groups": {"type": "array", "items": {"type": "string"}},
    "created_at": {"$ref": "#/components/schemas/Time"},
    "due_at": {"$ref": "#/components/schemas/Time"},
    "question": {"description": "Any JSON; only where one task is described."},
    "question_payload": {"$ref": "#/components/schemas/Payload"},
    "form_schema": {"description": "JSON Schema of the answer."}}},
"HumanTaskList": {
  "type": "object", "required": ["human_tasks"],
  "properties": {
    "human_tasks": {"type": "array", "items": {"$ref": "#/components/schemas/HumanTask"}},
    "next_page_token": {"type": "string"}}},
"Claim": {
  "type": "object", "additionalProperties": false,
  "properties": {
    "by": {"type": "string", "description": "A name of your own choosing."},
    "force": {"type": "boolean", "default": false, "description": "Also where it is somebody else's."}}},
"Delegation": {
  "type": "object", "additionalProperties": false, "required": ["assignee"],
  "properties": {"by": {"type": "string"}, "assignee": {"type": "string"}, "force": {"type": "boolean", "default": false}}},
"Completion": {
  "type": "object", "additionalProperties": false,
  "properties": {
    "by": {"type": "string"},
    "answer": {"description": "Any JSON."},
    "answer_payload": {"$ref": "#/components/schemas/Payload"},
    "force": {"type": "boolean", "default": false}}},
"Heartbeat": {
  "type": "object", "required": ["cancel_requested"],
  "properties": {"cancel_requested": {"type": "boolean", "description": "Its cancellation was asked for, and its end is waited for."}}},
"LockList": {
  "type": "object", "required": ["locks"],
  "properties": {"locks": {"type": "array", "items": {"$ref": "#/components/schemas/Lock"}}, "next_page_token": {"type": "string"}}},
"Lock": {
  "type": "object", "required": ["name", "kind", "permits", "holders", "waiters", "workflow_id"],
  "properties": {
    "name": {"type": "string"},
    "kind": {"type": "string", "enum": ["lock", "semaphore"]},
    "permits": {"type": "integer"},
    "holders": {"type": "array", "items": {"$ref": "#/components/schemas/LockUser"}},
    "waiters": {"type": "array", "items": {"$ref": "#/components/schemas/LockUser"}},
    "workflow_id": {"type": "string", "description": "Of the lock's own execution, for its history."}}},
"LockUser": {
  "type": "object", "required": ["workflow_id", "run_number", "requested_seq"],
  "properties": {"workflow_id": {"type": "string"}, "run_number": {"type": "integer"}, "requested_seq": {"type": "integer"}}},
"Definitions": {
  "type": "object", "required": ["workflows", "activities"],
  "properties": {
    "workflows": {"type": "array", "items": {"$ref": "#/components/schemas/Definition"}},
    "activities": {"type": "array", "items": {"$ref": "#/components/schemas/Definition"}}}},
"Definition": {
  "type": "object", "required": ["name", "versions", "default_version", "from_file"],
  "properties": {
    "name": {"type": "string"},
    "versions": {"type": "array", "items": {"type": "string"}, "description": "An empty one: without a version."},
    "default_version": {"type": "string", "description": "Of those who name none."},
    "from_file": {"type": "boolean", "description": "A workflow file that this process has read; it is started by its text."}}},
"TaskQueues": {"type": "object", "required": ["task_queues"], "properties": {"task_queues": {"type": "array", "items": {"$ref": "#/components/schemas/TaskQueue"}}}},
"TaskQueue": {
  "type": "object", "required": ["name", "concurrency", "rate_per_second", "waiting", "running", "workers"],
  "properties": {
    "name": {"type": "string"},
    "concurrency": {"type": "integer", "description": "Attempts that may run at once; 0: no limit."},
    "rate_per_second": {"type": "number", "description": "Attempts that may start; 0: no limit."},
    "waiting": {"type": "integer"},
    "running": {"type": "integer"},
    "workers": {"type": "integer", "description": "Connected workers that serve it."}}},
"Cluster": {
  "type": "object", "required": ["cluster_id", "members"],
  "properties": {
    "cluster_id": {"type": "string"},
    "address": {"type": "string"},
    "durability": {"type": "string"},
    "coordinator": {"type": "string"},
    "members": {"type": "array", "items": {"type": "object"}},
    "owners": {"type": "array", "items": {"type": "string"}, "description": "Per partition: which member should have it."}}},
"LogLevel": {
  "type": "object", "additionalProperties": false, "required": ["level"],
  "properties": {"level": {"type": "string", "enum": ["trace", "debug", "info", "warning", "error", "critical", "off"]}}},
"HookOutcome": {
  "type": "object",
  "properties": {"workflow_id": {"type": "string"}, "run_id": {"type": "string"}, "existed": {"type": "boolean"}}}
})json";
}

}  // namespace evermill::server::http::api
