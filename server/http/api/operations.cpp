// The engine itself, for those who operate it.
#include <utility>

#include "server/http/api/call.hpp"
#include "server/http/api/executions_json.hpp"

namespace evermill::server::http::api {
namespace {

constexpr std::size_t default_locks = 100;
constexpr std::size_t max_locks = 1000;

void status(const call_ptr& call) {
  call->on_thread([](const api::call& on) { on.answer(200, to_json(on.control().status(), on.parts().time.now())); });
}

void locks(const call_ptr& call) {
  const std::uint64_t size = call->query_number("page_size", max_locks, default_locks);
  call->on_thread([size](const api::call& on) {
    const auto found = on.control().locks(on.query("page_token"), size == 0 ? default_locks : size);
    json_writer to;
    to.begin_object().begin_array("locks");
    for (const lock_description& each : found) write(to, {}, each);
    to.end_array();
    if (!found.empty()) to.text("next_page_token", found.back().id);
    on.answer(200, to.end_object().take());
  });
}

void cluster(const call_ptr& call) {
  call->on_thread([](const api::call& on) { on.answer(200, to_json(on.parts().source.cluster())); });
}

void set_level(const call_ptr& call) {
  object_reader body = call->body_object();
  const std::string level = body.need_text("level");
  body.finish();
  call->control().set_log_level(level);
  call->answer_nothing();
}

void definitions(const call_ptr& call) {
  call->on_thread([](const api::call& on) { on.answer(200, to_json(on.control().definitions())); });
}

void task_queues(const call_ptr& call) {
  call->on_thread([](const api::call& on) {
    json_writer to;
    to.begin_object().begin_array("task_queues");
    for (const task_queue_description& each : on.control().task_queues()) write(to, {}, each);
    on.answer(200, to.end_array().end_object().take());
  });
}

}  // namespace

void add_operation_routes(route_table& to) {
  using op = operation;
  to.push_back(api_route{"GET", "/api/v1/status", "getStatus", op::get_status, "", status, "operations"}
                   .says("Who answers, and how much it has to do")
                   .gives(200, "The process.", "Status"));
  to.push_back(api_route{"GET", in_namespace("/definitions"), "listDefinitions", op::list_definitions, "",
                         definitions, "operations"}
                   .says("What this process can run, with versions", "What is registered, and the workflow files that it has read lately.")
                   .gives(200, "The definitions.", "Definitions"));
  to.push_back(api_route{"GET", in_namespace("/task-queues"), "listTaskQueues", op::list_task_queues, "",
                         task_queues, "operations"}
                   .says("Task queues that this process serves, and what waits in them", "Also those of connected workers.")
                   .gives(200, "The task queues.", "TaskQueues"));
  to.push_back(api_route{"GET", in_namespace("/locks"), "listLocks", op::list_locks, "", locks, "operations"}
                   .says("Locks and semaphores in use", "An empty page is the end.")
                   .asks({"page_token", "`next_page_token` of the page before."})
                   .asks({"page_size", "How many at most.",
                          R"({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})"})
                   .gives(200, "A page.", "LockList"));
  to.push_back(api_route{"GET", "/api/v1/cluster", "getCluster", op::get_cluster, "", cluster, "operations"}
                   .says("The processes that share the work", "400 where it is not shared.")
                   .gives(200, "The cluster.", "Cluster"));
  to.push_back(api_route{"PUT", "/api/v1/log-level", "setLogLevel", op::set_log_level, "", set_level, "operations"}
                   .says("Change how much this process logs", "Until it ends; `getStatus` tells the level.")
                   .takes_object("LogLevel", R"({"level": "debug"})")
                   .gives(204, "Changed."));
}

}  // namespace evermill::server::http::api
