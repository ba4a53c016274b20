#include "evermill/client.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "client/api_connection.hpp"
#include "client/end_waits.hpp"
#include "client/history_stream.hpp"
#include "client/start_batches.hpp"
#include "server/grpc/conversions.hpp"

namespace evermill {

namespace wire = evermill::v1;
using api::api_connection;
using server::from_wire;
using server::to_wire;

class client::impl {
 public:
  explicit impl(server_address server) : over(std::move(server)), starts(over), waits(over) {}
  ~impl() {
    starts.close();
    waits.close();
    over.calls.cancel_all();
  }
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;

  api_connection over;
  api::start_batches starts;
  api::end_waits waits;
};

namespace {

/// What can't be said in the API's messages.
template <class F>
auto converted(F&& convert) {
  try {
    return convert();
  } catch (const server::control_error& error) {
    throw client_error(client_errc::invalid_argument, error.what());
  }
}

template <class Stub, class Request, class Response>
using method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

template <class Stub, class Request, class Response>
Response ask(const api_connection& over, Stub& stub, method<Stub, Request, Response> call, const Request& request,
             std::chrono::milliseconds limit, std::chrono::milliseconds longest_try = api_connection::no_limit) {
  Response response;
  over.ask(
      api_connection::until(limit),
      [&](grpc::ClientContext& context) {
        response.Clear();
        return (stub.*call)(&context, request, &response);
      },
      longest_try);
  return response;
}

template <class Request>
Request about(const api_connection& over, std::string_view workflow_id) {
  Request request;
  request.set_namespace_(over.name_space());
  request.set_workflow_id(std::string(workflow_id));
  return request;
}

template <class Request>
Request of_namespace(const api_connection& over) {
  Request request;
  request.set_namespace_(over.name_space());
  return request;
}

template <class Request>
Request about_task(const api_connection& over, std::string_view task_id) {
  Request request = of_namespace<Request>(over);
  request.set_task_id(std::string(task_id));
  return request;
}

template <class Request>
Request about_task(const api_connection& over, std::string_view task_id, std::string_view by, bool force) {
  Request request = about_task<Request>(over, task_id);
  request.set_by(std::string(by));
  request.set_force(force);
  return request;
}

template <class Request>
Request with_token(const api_connection& over, std::string_view token) {
  Request request = of_namespace<Request>(over);
  request.set_token(std::string(token));
  return request;
}

std::uint32_t page_size(std::size_t limit) { return static_cast<std::uint32_t>(std::min(limit, server::max_page_rows)); }

/// One that may be repeated. Where the id is chosen here nobody else has it, and use_existing finds what an earlier try started.
wire::StartWorkflowRequest start_message(const api_connection& over, std::string_view workflow_type, payload&& input, start_options&& options) {
  if (options.id.empty()) options.id = over.new_id();
  const bool repeatable = options.reuse == workflow_id_reuse::use_existing && !options.with_signal;
  if (options.request_id.empty() && !repeatable) options.request_id = over.new_id();
  wire::StartWorkflowRequest request;
  converted([&] { to_wire(workflow_type, std::move(input), std::move(options), request); });
  request.set_namespace_(over.name_space());
  return request;
}

/// What is wanted is so already, where an earlier try did it.
template <class F>
void unless_done_before(F&& request) {
  try {
    request();
  } catch (const client_error& error) {
    if (error.code() != client_errc::closed || !error.may_have_happened()) throw;
  }
}

}  // namespace

client::client(client_options options)
    : impl_(std::make_shared<impl>(std::move(options.server))), limits_(options.limits) {
  impl_->over.wait_until_connected(options.connect);
}
client::client(std::shared_ptr<impl> shared, client_limits limits) : impl_(std::move(shared)), limits_(limits) {}
client::~client() = default;
client::client(const client&) = default;
client& client::operator=(const client&) = default;
client::client(client&&) noexcept = default;
client& client::operator=(client&&) noexcept = default;

client client::with(client_limits limits) const { return {impl_, limits}; }

// --- executions

started_execution client::start(std::string_view workflow_type, payload input, start_options options) const {
  const auto request = start_message(impl_->over, workflow_type, std::move(input), std::move(options));
  return from_wire(ask(impl_->over, *impl_->over.workflows, &wire::Workflows::Stub::StartWorkflow, request, limits_.request));
}

void client::start(std::string_view workflow_type, payload input, start_options options,
                   std::function<void(std::optional<client_error>, started_execution)> answer) const {
  impl_->starts.add(start_message(impl_->over, workflow_type, std::move(input), std::move(options)),
                    api_connection::until(limits_.request), std::move(answer));
}

std::vector<start_outcome> client::start_all(std::vector<start_request> requests) const {
  struct progress {
    std::mutex mutex;
    std::condition_variable done;
    std::size_t left = 0;
    std::vector<start_outcome> outcomes;
  };
  const auto all = std::make_shared<progress>();
  all->left = requests.size();
  all->outcomes.resize(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const auto told = [all, i](std::optional<client_error> error, started_execution started) {
      const std::lock_guard lock(all->mutex);
      all->outcomes[i] = {std::move(started), std::move(error)};
      if (--all->left == 0) all->done.notify_all();
    };
    try {
      start(requests[i].workflow_type, std::move(requests[i].input), std::move(requests[i].options), told);
    } catch (const client_error& error) {
      told(error, {});
    }
  }
  std::unique_lock lock(all->mutex);
  all->done.wait(lock, [&] { return all->left == 0; });
  return std::move(all->outcomes);
}

void client::signal(std::string_view workflow_id, std::string_view signal_name, payload input, std::string_view request_id) const {
  auto request = about<wire::SignalWorkflowRequest>(impl_->over, workflow_id);
  request.set_signal_name(std::string(signal_name));
  request.set_request_id(request_id.empty() ? impl_->over.new_id() : std::string(request_id));
  converted([&] { to_wire(std::move(input), *request.mutable_input()); });
  ask(impl_->over, *impl_->over.workflows, &wire::Workflows::Stub::SignalWorkflow, request, limits_.request);
}

payload client::query(std::string_view workflow_id, std::string_view query_name, payload input) const {
  auto request = about<wire::QueryWorkflowRequest>(impl_->over, workflow_id);
  request.set_query_name(std::string(query_name));
  converted([&] { to_wire(std::move(input), *request.mutable_input()); });
  const auto response = ask(impl_->over, *impl_->over.workflows, &wire::Workflows::Stub::QueryWorkflow, request, limits_.request);
  return converted([&] { return from_wire(response.answer()); });
}

std::optional<payload> client::update(std::string_view workflow_id, std::string_view update_name, payload input,
                                      std::string_view update_id) const {
  auto request = about<wire::UpdateWorkflowRequest>(impl_->over, workflow_id);
  request.set_update_name(std::string(update_name));
  request.set_update_id(update_id.empty() ? impl_->over.new_id() : std::string(update_id));
  converted([&] { to_wire(std::move(input), *request.mutable_input()); });
  const auto response = ask(impl_->over, *impl_->over.workflows, &wire::Workflows::Stub::UpdateWorkflow, request, limits_.wait,
                            api_connection::longest_wait);
  server::update_end end = converted([&] { return from_wire(response); });
  if (end.why) throw update_failed(std::string(update_name), end.accepted, std::move(*end.why));
  return std::move(end.result);
}

void client::cancel(std::string_view workflow_id, std::string_view reason) const {
  auto request = about<wire::CancelWorkflowRequest>(impl_->over, workflow_id);
  request.set_reason(std::string(reason));
  unless_done_before(
      [&] { ask(impl_->over, *impl_->over.workflows, &wire::Workflows::Stub::CancelWorkflow, request, limits_.request); });
}

void client::terminate(std::string_view workflow_id, std::string_view reason) const {
  auto request = about<wire::TerminateWorkflowRequest>(impl_->over, workflow_id);
  request.set_reason(std::string(reason));
  unless_done_before(
      [&] { ask(impl_->over, *impl_->over.workflows, &wire::Workflows::Stub::TerminateWorkflow, request, limits_.request); });
}

void client::taint(std::string_view workflow_id) const {
  ask(impl_->over, *impl_->over.workflows, &wire::Workflows::Stub::TaintWorkflow,
      about<wire::TaintWorkflowRequest>(impl_->over, workflow_id), limits_.request);
}

// --- waiting and looking

execution_end client::wait(std::string_view workflow_id) const {
  const auto response = ask(impl_->over, *impl_->over.workflows, &wire::Workflows::Stub::GetResult,
                            about<wire::GetResultRequest>(impl_->over, workflow_id), limits_.wait, api_connection::longest_wait);
  return converted([&] { return from_wire(response); });
}

std::optional<execution_end> client::wait_for(std::string_view workflow_id, std::chrono::milliseconds limit) const {
  client_limits limits = limits_;
  limits.wait = std::max(limit, std::chrono::milliseconds(1));
  try {
    return with(limits).wait(workflow_id);
  } catch (const client_error& error) {
    if (error.code() == client_errc::deadline_exceeded) return std::nullopt;
    throw;
  }
}

std::shared_ptr<void> client::on_end(std::string_view workflow_id,
                                     std::function<void(std::optional<client_error>, execution_end)> answer) const {
  std::shared_ptr<void> waiting = impl_->waits.begin(std::string(workflow_id), std::move(answer));
  void* const place = waiting.get();
  return {place, [of = impl_, waiting = std::move(waiting)](void*) mutable { waiting.reset(); }};
}

execution_description client::describe(std::string_view workflow_id) const {
  const auto response = ask(impl_->over, *impl_->over.workflows, &wire::Workflows::Stub::DescribeWorkflow,
                            about<wire::DescribeWorkflowRequest>(impl_->over, workflow_id), limits_.request);
  return converted([&] { return from_wire(response); });
}

execution_page client::list(const execution_filter& filter, std::string_view page_token, std::size_t limit) const {
  auto request = of_namespace<wire::ListWorkflowsRequest>(impl_->over);
  to_wire(filter, *request.mutable_filter());
  request.set_page_token(std::string(page_token));
  request.set_page_size(page_size(limit));
  return from_wire(ask(impl_->over, *impl_->over.workflows, &wire::Workflows::Stub::ListWorkflows, request, limits_.request));
}

execution_counts client::counts(const execution_filter& filter) const {
  auto request = of_namespace<wire::CountWorkflowsRequest>(impl_->over);
  to_wire(filter, *request.mutable_filter());
  return from_wire(ask(impl_->over, *impl_->over.workflows, &wire::Workflows::Stub::CountWorkflows, request, limits_.request));
}

std::vector<history_event> client::history(std::string_view workflow_id, std::uint64_t from_seq, std::size_t limit) const {
  return limit == 0 ? std::vector<history_event>() : read_history(workflow_id, 0, from_seq, limit).events;
}

history_page client::read_history(std::string_view workflow_id, std::uint64_t run_number, std::uint64_t from_seq,
                                  std::size_t limit) const {
  auto request = about<wire::GetHistoryRequest>(impl_->over, workflow_id);
  request.set_run_number(run_number);
  request.set_from_seq(from_seq);
  request.set_page_size(page_size(limit));
  return from_wire(ask(impl_->over, *impl_->over.workflows, &wire::Workflows::Stub::GetHistory, request, limits_.request));
}

history_stream client::follow(std::string_view workflow_id, std::uint64_t from_seq, std::uint64_t run_number) const {
  return history_stream(std::make_unique<history_stream::impl>(impl_->over, std::string(workflow_id), from_seq, run_number));
}

// --- human tasks and locks

std::vector<human_task_summary> client::human_tasks(const human_task_filter& filter, std::string_view after,
                                                    std::size_t limit) const {
  std::vector<human_task_summary> found;
  if (limit == 0) return found;
  auto request = of_namespace<wire::ListHumanTasksRequest>(impl_->over);
  request.set_assignee(filter.assignee);
  request.set_group(filter.group);
  request.set_name(filter.name);
  request.set_unassigned(filter.unassigned);
  request.set_page_token(std::string(after));
  request.set_page_size(page_size(limit));
  const auto response = ask(impl_->over, *impl_->over.human_tasks, &wire::HumanTasks::Stub::ListHumanTasks, request, limits_.request);
  for (const auto& each : response.tasks()) found.push_back(from_wire(each));
  return found;
}

human_task_description client::describe_human_task(std::string_view task_id) const {
  const auto response = ask(impl_->over, *impl_->over.human_tasks, &wire::HumanTasks::Stub::DescribeHumanTask,
                            about_task<wire::DescribeHumanTaskRequest>(impl_->over, task_id), limits_.request);
  return converted([&] { return from_wire(response); });
}

void client::claim_human_task(std::string_view task_id, std::string_view by, bool force) const {
  ask(impl_->over, *impl_->over.human_tasks, &wire::HumanTasks::Stub::ClaimHumanTask,
      about_task<wire::ClaimHumanTaskRequest>(impl_->over, task_id, by, force), limits_.request);
}

void client::release_human_task(std::string_view task_id, std::string_view by, bool force) const {
  ask(impl_->over, *impl_->over.human_tasks, &wire::HumanTasks::Stub::ReleaseHumanTask,
      about_task<wire::ReleaseHumanTaskRequest>(impl_->over, task_id, by, force), limits_.request);
}

void client::delegate_human_task(std::string_view task_id, std::string_view by, std::string_view assignee, bool force) const {
  auto request = about_task<wire::DelegateHumanTaskRequest>(impl_->over, task_id, by, force);
  request.set_assignee(std::string(assignee));
  ask(impl_->over, *impl_->over.human_tasks, &wire::HumanTasks::Stub::DelegateHumanTask, request, limits_.request);
}

void client::complete_human_task(std::string_view task_id, std::string_view by, payload answer, bool force) const {
  auto request = about_task<wire::CompleteHumanTaskRequest>(impl_->over, task_id, by, force);
  converted([&] { to_wire(std::move(answer), *request.mutable_answer()); });
  ask(impl_->over, *impl_->over.human_tasks, &wire::HumanTasks::Stub::CompleteHumanTask, request, limits_.request);
}

std::vector<lock_description> client::locks(std::string_view after, std::size_t limit) const {
  std::vector<lock_description> found;
  if (limit == 0) return found;
  auto request = of_namespace<wire::ListLocksRequest>(impl_->over);
  request.set_page_token(std::string(after));
  request.set_page_size(page_size(limit));
  const auto response = ask(impl_->over, *impl_->over.operations, &wire::Operations::Stub::ListLocks, request, limits_.request);
  for (const auto& each : response.locks()) found.push_back(from_wire(each));
  return found;
}

// --- activities

void client::complete_activity(std::string_view token, payload result) const {
  auto request = with_token<wire::CompleteActivityRequest>(impl_->over, token);
  converted([&] { to_wire(std::move(result), *request.mutable_result()); });
  ask(impl_->over, *impl_->over.activities, &wire::Activities::Stub::CompleteActivity, request, limits_.request);
}

void client::fail_activity(std::string_view token, const failure& why) const {
  auto request = with_token<wire::FailActivityRequest>(impl_->over, token);
  converted([&] { to_wire(why, *request.mutable_failure()); });
  ask(impl_->over, *impl_->over.activities, &wire::Activities::Stub::FailActivity, request, limits_.request);
}

void client::cancel_activity(std::string_view token) const {
  ask(impl_->over, *impl_->over.activities, &wire::Activities::Stub::CancelActivity,
      with_token<wire::CancelActivityRequest>(impl_->over, token), limits_.request);
}

bool client::heartbeat_activity(std::string_view token, std::optional<payload> details) const {
  auto request = with_token<wire::HeartbeatActivityRequest>(impl_->over, token);
  if (details) converted([&] { to_wire(std::move(*details), *request.mutable_details()); });
  return ask(impl_->over, *impl_->over.activities, &wire::Activities::Stub::HeartbeatActivity, request, limits_.request)
      .cancel_requested();
}

// --- the server

server_status client::status() const {
  server::control_status told =
      from_wire(ask(impl_->over, *impl_->over.operations, &wire::Operations::Stub::GetStatus, wire::GetStatusRequest(), limits_.request));
  return {std::move(told.version), told.process_id, std::move(told.workflow_types), std::move(told.not_ready), std::move(told.counters)};
}

known_definitions client::definitions() const {
  return from_wire(ask(impl_->over, *impl_->over.operations, &wire::Operations::Stub::ListDefinitions,
                       of_namespace<wire::ListDefinitionsRequest>(impl_->over), limits_.request));
}

std::vector<task_queue_description> client::task_queues() const {
  std::vector<task_queue_description> found;
  const auto response = ask(impl_->over, *impl_->over.operations, &wire::Operations::Stub::ListTaskQueues,
                            of_namespace<wire::ListTaskQueuesRequest>(impl_->over), limits_.request);
  for (const auto& each : response.task_queues()) found.push_back(from_wire(each));
  return found;
}

cluster_description client::cluster() const {
  return from_wire(ask(impl_->over, *impl_->over.operations, &wire::Operations::Stub::GetCluster, wire::GetClusterRequest(), limits_.request));
}

}  // namespace evermill
