#include "server/grpc/control_client.hpp"

#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/client_callback.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "evermill/v1/activities.grpc.pb.h"
#include "evermill/v1/human_tasks.grpc.pb.h"
#include "evermill/v1/operations.grpc.pb.h"
#include "evermill/v1/workflows.grpc.pb.h"
#include "server/grpc/channel.hpp"
#include "server/grpc/client_calls.hpp"
#include "base/trace_context.hpp"
#include "server/grpc/conversions.hpp"
#include "server/grpc/status.hpp"
#include "server/socket_path.hpp"

namespace evermill::server {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds answer_limit{60};  // of requests that wait for a commit at most
constexpr std::size_t max_reply_bytes = max_payload_bytes + (16u << 20);

class watcher final : public grpc::ClientReadReactor<wire::WatchEventsResponse> {
 public:
  watcher(wire::Workflows::Stub& stub, const server_address& server, wire::WatchEventsRequest&& request,
          std::function<void(const execution_progress&)> on_progress)
      : on_progress_(std::move(on_progress)), request_(std::move(request)) {
    show_token(server, context_);
    stub.async()->WatchEvents(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ready_ || done_; });
  }
  ~watcher() override {
    context_.TryCancel();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
  }

  void OnReadInitialMetadataDone(bool) override { set(ready_); }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    on_progress_({response_.workflow_id(), from_wire(response_.event())});
    StartRead(&response_);
  }
  void OnDone(const grpc::Status&) override { set(done_); }

 private:
  void set(bool& flag) {
    std::lock_guard lock(mutex_);
    flag = true;
    changed_.notify_all();
  }

  std::function<void(const execution_progress&)> on_progress_;
  grpc::ClientContext context_;
  wire::WatchEventsRequest request_;
  wire::WatchEventsResponse response_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ready_ = false;
  bool done_ = false;
};

class remote_control final : public control {
 public:
  /// `server` has what it is shown; the channel leads there.
  remote_control(const std::shared_ptr<grpc::Channel>& channel, std::string who, server_address server)
      : who_(std::move(who)),
        server_(std::move(server)),
        namespace_(server_.name_space),
        workflows_(wire::Workflows::NewStub(channel)),
        human_tasks_(wire::HumanTasks::NewStub(channel)),
        activities_(wire::Activities::NewStub(channel)),
        operations_(wire::Operations::NewStub(channel)) {}
  ~remote_control() override { calls_.cancel_all(); }

  /// Who answers? Throws control_error: unreachable, incompatible.
  void greet(std::chrono::milliseconds limit) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + limit);
    wire::GetStatusResponse response;
    const grpc::Status status = operations_->GetStatus(&context, wire::GetStatusRequest(), &response);
    if (status.ok()) return;
    const grpc::StatusCode code = status.error_code();
    if (code == grpc::StatusCode::UNIMPLEMENTED) {
      throw control_error(control_errc::incompatible, who_ + " speaks another protocol; use the same version of evermill for both");
    }
    if (code == grpc::StatusCode::UNAVAILABLE || code == grpc::StatusCode::DEADLINE_EXCEEDED) {
      throw control_error(control_errc::unreachable, who_ + " does not answer");
    }
    throw to_error(status, who_);
  }

  control_status status() override { return from_wire(ask(*operations_, &wire::Operations::Stub::GetStatus, wire::GetStatusRequest())); }

  void set_log_level(std::string_view level) override {
    wire::SetLogLevelRequest request;
    request.set_level(std::string(level));
    ask(*operations_, &wire::Operations::Stub::SetLogLevel, request);
  }

  void start(std::string_view workflow_type, payload input, start_options options, start_callback answer) override {
    auto& call = begin<wire::StartWorkflowRequest, wire::StartWorkflowResponse>();
    if (tracing::parse_traceparent(options.traceparent)) {
      call.context.AddMetadata("traceparent", options.traceparent);
      const bool has_state = !options.tracestate.empty() && tracing::is_tracestate(options.tracestate);
      if (has_state) call.context.AddMetadata("tracestate", options.tracestate);
    }
    to_wire(workflow_type, std::move(input), std::move(options), call.request);
    limit(call);
    workflows_->async()->StartWorkflow(&call.context, &call.request, &call.response, answering(call, std::move(answer)));
  }
  void signal(std::string_view workflow_id, std::string_view signal_name, payload input, std::string_view request_id,
              done_callback done) override {
    auto& call = begin<wire::SignalWorkflowRequest, wire::SignalWorkflowResponse>(workflow_id);
    call.request.set_signal_name(std::string(signal_name));
    call.request.set_request_id(std::string(request_id));
    to_wire(std::move(input), *call.request.mutable_input());
    limit(call);
    workflows_->async()->SignalWorkflow(&call.context, &call.request, &call.response, telling(call, std::move(done)));
  }
  payload query(std::string_view workflow_id, std::string_view query_name, payload input) override {
    auto request = about<wire::QueryWorkflowRequest>(workflow_id);
    request.set_query_name(std::string(query_name));
    to_wire(std::move(input), *request.mutable_input());
    return from_wire(ask(*workflows_, &wire::Workflows::Stub::QueryWorkflow, request).answer());
  }
  void update(std::string_view workflow_id, std::string_view update_name, payload input, std::string_view update_id,
              update_callback answer) override {
    auto& call = begin<wire::UpdateWorkflowRequest, wire::UpdateWorkflowResponse>(workflow_id);
    call.request.set_update_name(std::string(update_name));
    call.request.set_update_id(std::string(update_id));
    to_wire(std::move(input), *call.request.mutable_input());
    workflows_->async()->UpdateWorkflow(&call.context, &call.request, &call.response, answering(call, std::move(answer)));
  }
  void cancel(std::string_view workflow_id, std::string_view reason, done_callback done) override {
    auto& call = begin<wire::CancelWorkflowRequest, wire::CancelWorkflowResponse>(workflow_id);
    call.request.set_reason(std::string(reason));
    limit(call);
    workflows_->async()->CancelWorkflow(&call.context, &call.request, &call.response, telling(call, std::move(done)));
  }
  void terminate(std::string_view workflow_id, std::string_view reason, done_callback done) override {
    auto& call = begin<wire::TerminateWorkflowRequest, wire::TerminateWorkflowResponse>(workflow_id);
    call.request.set_reason(std::string(reason));
    limit(call);
    workflows_->async()->TerminateWorkflow(&call.context, &call.request, &call.response, telling(call, std::move(done)));
  }
  void taint(std::string_view workflow_id) override {
    ask(*workflows_, &wire::Workflows::Stub::TaintWorkflow, about<wire::TaintWorkflowRequest>(workflow_id));
  }
  void wait(std::string_view workflow_id, end_callback answer) override {
    auto& call = begin<wire::GetResultRequest, wire::GetResultResponse>(workflow_id);
    workflows_->async()->GetResult(&call.context, &call.request, &call.response, answering(call, std::move(answer)));
  }
  bool report_activity(std::string_view token, activity_report what) override {
    return std::visit([&](auto& each) { return report(token, each); }, what);
  }

  execution_description describe(std::string_view workflow_id) override {
    return from_wire(
        ask(*workflows_, &wire::Workflows::Stub::DescribeWorkflow, about<wire::DescribeWorkflowRequest>(workflow_id)));
  }
  execution_page list(const execution_filter& filter, std::string_view page_token, std::size_t limit) override {
    wire::ListWorkflowsRequest request;
    request.set_namespace_(namespace_);
    to_wire(filter, *request.mutable_filter());
    request.set_page_token(std::string(page_token));
    request.set_page_size(page_size(limit));
    return from_wire(ask(*workflows_, &wire::Workflows::Stub::ListWorkflows, request));
  }
  execution_counts counts(const execution_filter& filter) override {
    wire::CountWorkflowsRequest request;
    request.set_namespace_(namespace_);
    to_wire(filter, *request.mutable_filter());
    return from_wire(ask(*workflows_, &wire::Workflows::Stub::CountWorkflows, request));
  }
  std::vector<history_event> history(std::string_view workflow_id, std::uint64_t from_seq, std::size_t limit) override {
    return limit == 0 ? std::vector<history_event>() : read_history(workflow_id, 0, from_seq, limit).events;
  }
  history_page read_history(std::string_view workflow_id, std::uint64_t run_number, std::uint64_t from_seq,
                            std::size_t limit) override {
    auto request = about<wire::GetHistoryRequest>(workflow_id);
    request.set_run_number(run_number);
    request.set_from_seq(from_seq);
    request.set_page_size(page_size(limit));
    return from_wire(ask(*workflows_, &wire::Workflows::Stub::GetHistory, request));
  }
  std::vector<human_task_summary> human_tasks(const human_task_filter& filter, std::string_view after,
                                              std::size_t limit) override {
    const auto fill = [&](wire::ListHumanTasksRequest& request) {
      request.set_assignee(filter.assignee);
      request.set_group(filter.group);
      request.set_name(filter.name);
      request.set_unassigned(filter.unassigned);
    };
    return page<wire::ListHumanTasksRequest>(*human_tasks_, &wire::HumanTasks::Stub::ListHumanTasks, after, limit,
                                             &wire::ListHumanTasksResponse::tasks, fill);
  }
  human_task_description describe_human_task(std::string_view task_id) override {
    return from_wire(
        ask(*human_tasks_, &wire::HumanTasks::Stub::DescribeHumanTask, about_task<wire::DescribeHumanTaskRequest>(task_id)));
  }
  void claim_human_task(std::string_view task_id, std::string_view by, bool force) override {
    ask(*human_tasks_, &wire::HumanTasks::Stub::ClaimHumanTask, about_task<wire::ClaimHumanTaskRequest>(task_id, by, force));
  }
  void release_human_task(std::string_view task_id, std::string_view by, bool force) override {
    ask(*human_tasks_, &wire::HumanTasks::Stub::ReleaseHumanTask,
        about_task<wire::ReleaseHumanTaskRequest>(task_id, by, force));
  }
  void delegate_human_task(std::string_view task_id, std::string_view by, std::string_view assignee, bool force) override {
    auto request = about_task<wire::DelegateHumanTaskRequest>(task_id, by, force);
    request.set_assignee(std::string(assignee));
    ask(*human_tasks_, &wire::HumanTasks::Stub::DelegateHumanTask, request);
  }
  void complete_human_task(std::string_view task_id, std::string_view by, payload answer, bool force) override {
    auto request = about_task<wire::CompleteHumanTaskRequest>(task_id, by, force);
    to_wire(std::move(answer), *request.mutable_answer());
    ask(*human_tasks_, &wire::HumanTasks::Stub::CompleteHumanTask, request);
  }
  std::vector<lock_description> locks(std::string_view after, std::size_t limit) override {
    return page<wire::ListLocksRequest>(*operations_, &wire::Operations::Stub::ListLocks, after, limit,
                                        &wire::ListLocksResponse::locks);
  }
  known_definitions definitions() override {
    wire::ListDefinitionsRequest request;
    request.set_namespace_(namespace_);
    return from_wire(ask(*operations_, &wire::Operations::Stub::ListDefinitions, request));
  }
  std::vector<task_queue_description> task_queues() override {
    wire::ListTaskQueuesRequest request;
    request.set_namespace_(namespace_);
    std::vector<task_queue_description> found;
    const auto response = ask(*operations_, &wire::Operations::Stub::ListTaskQueues, request);
    for (const auto& each : response.task_queues()) found.push_back(from_wire(each));
    return found;
  }
  std::shared_ptr<void> follow(std::string_view workflow_id,
                               std::function<void(const execution_progress&)> on_progress) override {
    return std::make_shared<watcher>(*workflows_, server_, about<wire::WatchEventsRequest>(workflow_id), std::move(on_progress));
  }

 private:
  template <class Stub, class Request, class Response>
  using method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

  template <class Stub, class Request, class Response>
  Response ask(Stub& stub, method<Stub, Request, Response> call, const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + answer_limit);
    show_token(server_, context);
    Response response;
    const grpc::Status status = (stub.*call)(&context, request, &response);
    if (!status.ok()) throw to_error(status, who_);
    return response;
  }

  template <class Request>
  Request about(std::string_view workflow_id) const {
    Request request;
    request.set_namespace_(namespace_);
    request.set_workflow_id(std::string(workflow_id));
    return request;
  }
  template <class Request>
  Request about_task(std::string_view task_id) const {
    Request request;
    request.set_namespace_(namespace_);
    request.set_task_id(std::string(task_id));
    return request;
  }
  template <class Request>
  Request about_task(std::string_view task_id, std::string_view by, bool force) const {
    Request request = about_task<Request>(task_id);
    request.set_by(std::string(by));
    request.set_force(force);
    return request;
  }
  template <class Request>
  Request with_token(std::string_view token) const {
    Request request;
    request.set_namespace_(namespace_);
    request.set_token(std::string(token));
    return request;
  }

  bool report(std::string_view token, activity_completed& what) {
    auto request = with_token<wire::CompleteActivityRequest>(token);
    to_wire(std::move(what.result), *request.mutable_result());
    ask(*activities_, &wire::Activities::Stub::CompleteActivity, request);
    return false;
  }
  bool report(std::string_view token, failure& why) {
    auto request = with_token<wire::FailActivityRequest>(token);
    to_wire(why, *request.mutable_failure());
    ask(*activities_, &wire::Activities::Stub::FailActivity, request);
    return false;
  }
  bool report(std::string_view token, activity_heartbeat& what) {
    auto request = with_token<wire::HeartbeatActivityRequest>(token);
    if (what.details) to_wire(std::move(*what.details), *request.mutable_details());
    return ask(*activities_, &wire::Activities::Stub::HeartbeatActivity, request).cancel_requested();
  }
  bool report(std::string_view token, activity_canceled&) {
    ask(*activities_, &wire::Activities::Stub::CancelActivity, with_token<wire::CancelActivityRequest>(token));
    return false;
  }

  template <class Request, class Response>
  call_of<Request, Response>& begin() {
    auto& call = calls_.add<call_of<Request, Response>>();
    show_token(server_, call.context);
    call.request.set_namespace_(namespace_);
    return call;
  }
  template <class Request, class Response>
  call_of<Request, Response>& begin(std::string_view workflow_id) {
    auto& call = begin<Request, Response>();
    call.request.set_workflow_id(std::string(workflow_id));
    return call;
  }
  static void limit(open_call& call) { call.context.set_deadline(std::chrono::system_clock::now() + answer_limit); }

  /// For a call whose response is the answer.
  template <class Call, class Answer>
  std::function<void(grpc::Status)> answering(Call& call, Answer answer) {
    return [this, &call, answer = std::move(answer)](const grpc::Status& status) {
      if (status.ok()) {
        answer(std::nullopt, from_wire(call.response));
      } else {
        answer(to_error(status, who_), {});
      }
      calls_.end(call);
    };
  }
  template <class Call>
  std::function<void(grpc::Status)> telling(Call& call, done_callback done) {
    return [this, &call, done = std::move(done)](const grpc::Status& status) {
      done(status.ok() ? std::nullopt : std::optional(to_error(status, who_)));
      calls_.end(call);
    };
  }

  static std::uint32_t page_size(std::size_t limit) { return static_cast<std::uint32_t>(std::min(limit, max_page_rows)); }

  template <class Row>
  using rows_from = std::vector<decltype(from_wire(std::declval<const Row&>()))>;

  /// One page of rows, which `rows` names in the response. `after` is the last row of the page before, and its token.
  template <class Request, class Stub, class Response, class Row, class Fill = void (*)(Request&)>
  rows_from<Row> page(Stub& stub, method<Stub, Request, Response> call, std::string_view after, std::size_t limit,
                      const google::protobuf::RepeatedPtrField<Row>& (Response::*rows)() const,
                      Fill fill = [](Request&) {}) {
    rows_from<Row> found;
    if (limit == 0) return found;
    Request request;
    request.set_namespace_(namespace_);
    request.set_page_token(std::string(after));
    request.set_page_size(page_size(limit));
    fill(request);
    const Response response = ask(stub, call, request);
    for (const Row& row : (response.*rows)()) found.push_back(from_wire(row));
    return found;
  }

  const std::string who_;
  const server_address server_;
  const std::string namespace_;
  const std::unique_ptr<wire::Workflows::Stub> workflows_;
  const std::unique_ptr<wire::HumanTasks::Stub> human_tasks_;
  const std::unique_ptr<wire::Activities::Stub> activities_;
  const std::unique_ptr<wire::Operations::Stub> operations_;
  client_calls calls_;
};

grpc::ChannelArguments channel_arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(max_reply_bytes));
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a socket that was replaced is another process
  return arguments;
}

}  // namespace

std::unique_ptr<control> connect(const fs::path& data_directory, std::chrono::milliseconds limit, const std::string& name_space) {
  server_address server;
  server.name_space = name_space;
  const fs::path name = socket_file(data_directory).filename();
  const fs::path socket = short_directory(data_directory, name.native().size()) / name;
  auto made = std::make_unique<remote_control>(
      grpc::CreateCustomChannel(grpc_address(socket), grpc::InsecureChannelCredentials(), channel_arguments()),
      "the process that has data directory \"" + data_directory.string() + "\" open", server);
  made->greet(limit);
  return made;
}

/// No call is made: who may do little need not be allowed to ask how the server is.
std::unique_ptr<control> connect(const server_address& server, std::chrono::milliseconds limit) {
  const std::shared_ptr<grpc::Channel> channel = open_channel(server, channel_arguments());
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + limit)) {
    throw control_error(control_errc::unreachable,
                        "nothing answers at " + server.address + (server.tls ? ", or its certificate does not fit" : "") +
                            "; is a server there that was started with --listen" + (server.tls ? " and TLS?" : ", without TLS?"));
  }
  return std::make_unique<remote_control>(channel, "the server at " + server.address, server);
}

}  // namespace evermill::server
