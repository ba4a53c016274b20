// Lists and counts of executions.
#include <array>
#include <utility>

#include "base/spelling.hpp"
#include "server/http/api/call.hpp"
#include "server/http/api/executions_json.hpp"

namespace evermill::server::http::api {
namespace {

constexpr std::size_t default_page = 100;
constexpr std::size_t max_page = 1000;

/// What the query asks for.
struct list_query : execution_filter {
  std::string page_token;
  std::size_t page_size = default_page;
};

constexpr std::array wanted_statuses{execution_status::running,    execution_status::completed,
                                     execution_status::failed,     execution_status::canceled,
                                     execution_status::terminated, execution_status::timed_out};

execution_status status_named(const std::string& name) {
  std::vector<std::string> names;
  for (const execution_status each : wanted_statuses) {
    names.push_back(name_of(each));
    if (names.back() == name) return each;
  }
  const std::string near = nearest(name, names);
  std::string known;
  for (const std::string& each : names) known += (known.empty() ? "" : ", ") + each;
  throw problem(problem_kind::malformed_request, "the query's parameter \"status\" is none of " + known +
                                                     (near.empty() ? "" : "; did you mean \"" + near + "\"?"));
}

timestamp time_of(const call& on, std::string_view name) {
  const std::string text = on.query(name);
  if (text.empty()) return {};
  const auto time = parse_time(text);
  if (!time) {
    throw problem(problem_kind::malformed_request, "the query's parameter \"" + std::string(name) +
                                                       "\" is no time; write for example 2026-05-01T12:00:00Z");
  }
  return *time;
}

list_query query_of(const call& on) {
  list_query wanted;
  for (const std::string& each : on.queries("status")) wanted.statuses.push_back(status_named(each));
  wanted.workflow_type = on.query("type");
  wanted.started_from = time_of(on, "started_from");
  wanted.started_before = time_of(on, "started_before");
  wanted.workflow_id_prefix = on.query("prefix");
  if (!on.query("blocked").empty()) wanted.blocked = on.query_flag("blocked");
  wanted.page_token = on.query("page_token");
  const std::uint64_t size = on.query_number("page_size", max_page, default_page);
  wanted.page_size = size == 0 ? default_page : size;
  return wanted;
}

void list(const call_ptr& call) {
  list_query wanted = query_of(*call);
  call->on_thread([wanted = std::move(wanted)](const api::call& on) {
    const execution_page page = on.control().list(wanted, wanted.page_token, wanted.page_size);
    json_writer to;
    to.begin_object().begin_array("workflows");
    for (const listed_execution& each : page.executions) write(to, {}, each);
    to.end_array();
    if (!page.next_page_token.empty()) to.text("next_page_token", page.next_page_token);
    on.answer(200, to.end_object().take());
  });
}

void count(const call_ptr& call) {
  list_query wanted = query_of(*call);
  call->on_thread([wanted = std::move(wanted)](const api::call& on) {
    const execution_counts found = on.control().counts(wanted);
    json_writer to;
    to.begin_object().number("count", found.total).number("blocked", found.blocked).begin_object("by_status");
    for (const auto& [status, number] : found.by_status) to.number(name_of(status), number);
    on.answer(200, to.end_object().end_object().take());
  });
}

api_route filtered(api_route route) {
  return std::move(route)
      .asks(
          {"status",
           "One of these; may stand several times.",
           R"({"type": "array", "items": {"type": "string", "enum": ["running", "completed", "failed", "canceled", "terminated", "timed_out"]}})",
           {},
           true})
      .asks({"type", "The workflow type."})
      .asks({"started_from", "Started then or later.", R"({"type": "string", "format": "date-time"})"})
      .asks({"started_before", "Started before.", R"({"type": "string", "format": "date-time"})"})
      .asks({"prefix", "How the workflow id begins."})
      .asks({"blocked", "Whether it runs, but takes no turns.", R"({"type": "boolean"})"});
}

}  // namespace

void add_list_routes(route_table& to) {
  using op = operation;
  to.push_back(
      filtered(
          api_route{"GET", in_namespace("/workflows"), "listWorkflows", op::list_workflows, "", list, "workflows"}.says(
              "List executions", "Those for which all holds that is asked for. Go on with `next_page_token`."))
          .asks({"page_token", "`next_page_token` of the page before."})
          .asks({"page_size", "How many at most.",
                 R"({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})", "10"})
          .gives(200, "A page. Without `next_page_token` it is the last one.", "WorkflowList"));
  to.push_back(filtered(api_route{"GET", in_namespace("/workflows:count"), "countWorkflows", op::count_workflows, "",
                                  count, "workflows"}
                            .says("Count executions", "Those for which all holds that is asked for."))
                   .gives(200, "How many there are.", "WorkflowCount"));
}

}  // namespace evermill::server::http::api
