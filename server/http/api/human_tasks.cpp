// Questions of workflows to people.
#include <utility>

#include "server/http/api/call.hpp"
#include "server/http/api/executions_json.hpp"

namespace evermill::server::http::api {
namespace {

constexpr std::size_t default_tasks = 100;
constexpr std::size_t max_tasks = 1000;

void list_tasks(const call_ptr& call) {
  const std::uint64_t size = call->query_number("page_size", max_tasks, default_tasks);
  call->on_thread([size](const api::call& on) {
    const human_task_filter wanted{on.query("assignee"), on.query("group"), on.query("name"),
                                   on.query_flag("unassigned")};
    const auto tasks = on.control().human_tasks(wanted, on.query("page_token"), size == 0 ? default_tasks : size);
    json_writer to;
    to.begin_object().begin_array("human_tasks");
    for (const human_task_summary& each : tasks) {
      to.begin_object();
      write_members(to, each);
      to.end_object();
    }
    to.end_array();
    if (!tasks.empty()) to.text("next_page_token", tasks.back().task_id);
    on.answer(200, to.end_object().take());
  });
}

void describe_task(const call_ptr& call) {
  call->on_thread(
      [](const api::call& on) { on.answer(200, to_json(on.control().describe_human_task(on.path("task_id")))); });
}

struct who {
  std::string by;
  bool force = false;
};
who who_of(object_reader& body) { return {body.text("by"), body.boolean("force")}; }

/// `carry_out(control, task id, who)` on a thread, as it waits until that is durable.
template <class F>
void with_who(const call_ptr& call, object_reader& body, who by, F carry_out) {
  body.finish();
  call->on_thread([by = std::move(by), carry_out = std::move(carry_out)](const api::call& on) {
    local_control control = on.control();
    carry_out(control, on.path("task_id"), by);
    on.answer_nothing();
  });
}

void claim_task(const call_ptr& call) {
  object_reader body = call->body_object();
  who by = who_of(body);
  with_who(call, body, std::move(by),
           [](control& in, const std::string& task, const who& who) { in.claim_human_task(task, who.by, who.force); });
}

void release_task(const call_ptr& call) {
  object_reader body = call->body_object();
  who by = who_of(body);
  with_who(call, body, std::move(by), [](control& in, const std::string& task, const who& who) {
    in.release_human_task(task, who.by, who.force);
  });
}

void delegate_task(const call_ptr& call) {
  object_reader body = call->body_object();
  who by = who_of(body);
  std::string assignee = body.need_text("assignee");
  with_who(call, body, std::move(by),
           [assignee = std::move(assignee)](control& in, const std::string& task, const who& who) {
             in.delegate_human_task(task, who.by, assignee, who.force);
           });
}

void complete_task(const call_ptr& call) {
  object_reader body = call->body_object();
  who by = who_of(body);
  payload answer = body.value("answer").value_or(payload{});
  with_who(call, body, std::move(by),
           [answer = std::move(answer)](control& in, const std::string& task, const who& who) {
             in.complete_human_task(task, who.by, answer, who.force);
           });
}

}  // namespace

void add_human_task_routes(route_table& to) {
  using op = operation;
  const std::string one = in_namespace("/human-tasks/{task_id}");
  to.push_back(api_route{"GET", in_namespace("/human-tasks"), "listHumanTasks", op::list_human_tasks, "", list_tasks,
                         "human tasks"}
                   .says("List open human tasks", "A page may be shorter than asked for; an empty one is the end.")
                   .asks({"assignee", "Who has it."})
                   .asks({"group", "One of the candidate groups."})
                   .asks({"name", "As the workflow's code names this kind of task."})
                   .asks({"unassigned", "Only those that nobody has.", R"({"type": "boolean"})"})
                   .asks({"page_token", "`next_page_token` of the page before."})
                   .asks({"page_size", "How many at most.",
                          R"({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})"})
                   .gives(200, "A page.", "HumanTaskList"));
  to.push_back(
      api_route{"GET", one, "describeHumanTask", op::describe_human_task, "task_id", describe_task, "human tasks"}
          .says("Describe a human task", "With its question and the form of its answer.")
          .gives(200, "The task.", "HumanTask"));
  to.push_back(
      api_route{"POST", one + ":claim", "claimHumanTask", op::assign_human_task, "task_id", claim_task, "human tasks"}
          .says("Make it somebody's", "409 (conflict) where it is somebody else's, unless `force`.")
          .takes_object("Claim", R"({"by": "alice"})")
          .gives(204, "Done."));
  to.push_back(api_route{"POST", one + ":release", "releaseHumanTask", op::assign_human_task, "task_id", release_task,
                         "human tasks"}
                   .says("Make it nobody's", "409 (conflict) where it is not `by`'s, unless `force`.")
                   .takes_object("Claim", R"({"by": "alice"})")
                   .gives(204, "Done."));
  to.push_back(api_route{"POST", one + ":delegate", "delegateHumanTask", op::assign_human_task, "task_id",
                         delegate_task, "human tasks"}
                   .says("Give it to another one")
                   .takes_object("Delegation", R"({"by": "alice", "assignee": "bob"})")
                   .gives(204, "Done."));
  to.push_back(
      api_route{"POST", one + ":complete", "completeHumanTask", op::complete_human_task, "task_id", complete_task,
                "human tasks"}
          .says("Answer it", "The answer is checked against the task's form first; 400 says what is wrong with it.")
          .takes_object("Completion", R"({"by": "alice", "answer": true})", true, 0)
          .gives(204, "Answered."));
}

}  // namespace evermill::server::http::api
