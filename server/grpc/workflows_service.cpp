#include <utility>
#include <vector>

#include "evermill/v1/workflows.grpc.pb.h"
#include "server/grpc/service_base.hpp"
#include "server/grpc/streams.hpp"

namespace evermill::server {
namespace {

constexpr std::size_t max_starts = 10'000;  // of one batch
constexpr std::size_t default_list_rows = 100;

using context = grpc::CallbackServerContext;
using unary = grpc::ServerUnaryReactor;

/// What waits for a commit or longer is answered by callbacks; what only reads runs on gRPC's pool of threads.
using base = wire::Workflows::WithCallbackMethod_StartWorkflow<wire::Workflows::WithCallbackMethod_StartWorkflows<
    wire::Workflows::WithCallbackMethod_SignalWorkflow<wire::Workflows::WithCallbackMethod_UpdateWorkflow<
        wire::Workflows::WithCallbackMethod_CancelWorkflow<wire::Workflows::WithCallbackMethod_TerminateWorkflow<
            wire::Workflows::WithCallbackMethod_GetResult<wire::Workflows::WithCallbackMethod_FollowHistory<
                wire::Workflows::WithCallbackMethod_WatchEvents<wire::Workflows::Service>>>>>>>>>;

/// The outcomes of a batch, which come in any order; the last one answers.
class batch : public std::enable_shared_from_this<batch> {
 public:
  batch(std::size_t count, wire::StartWorkflowsResponse& response, unary& call) : left_(count), response_(response), call_(call) {
    response.mutable_outcomes()->Reserve(static_cast<int>(count));
    for (std::size_t i = 0; i < count; ++i) response.add_outcomes();
  }

  void start(control& control, const grpc::ServerContextBase& context, const wire::StartWorkflowRequest& request, int index) {
    const auto told = [self = shared_from_this(), index](std::optional<control_error> error, started_execution started) {
      self->end(index, error, started);
    };
    try {
      start_options options = from_wire(request);
      take_trace(context, options);
      control.start(request.workflow_type(), from_wire(request.input()), std::move(options), told);
    } catch (const control_error& error) {
      told(error, {});
    }
  }

 private:
  /// Each outcome is of its own memory: they are filled at once on several threads.
  void end(int index, const std::optional<control_error>& error, const started_execution& started) {
    wire::StartWorkflowsResponse::Outcome& outcome = *response_.mutable_outcomes(index);
    if (error) {
      outcome.mutable_error()->set_code(code_of(error->code()));
      outcome.mutable_error()->set_reason(std::string(reason_of(error->code())));
      outcome.mutable_error()->set_message(error->what());
    } else {
      to_wire(started, *outcome.mutable_started());
    }
    if (left_.fetch_sub(1) == 1) call_.Finish(grpc::Status::OK);
  }

  std::atomic<std::size_t> left_;
  wire::StartWorkflowsResponse& response_;
  unary& call_;
};

class workflows_service final : public base {
 public:
  explicit workflows_service(service_parts& parts) : parts_(parts) {}

  unary* StartWorkflow(context* context, const wire::StartWorkflowRequest* request,
                       wire::StartWorkflowResponse* response) override {
    return soon(*context, operation::start_workflow, *request, [&](local_control& control, unary* call, const call_ticket& ticket) {
      start_options options = from_wire(*request);
      take_trace(*context, options);
      control.start(request->workflow_type(), from_wire(request->input()), std::move(options),
                    [call, response, ticket](std::optional<control_error> error, const started_execution& started) {
                      finish(ticket, error);
                      if (error) return call->Finish(to_status(*error));
                      to_wire(started, *response);
                      call->Finish(grpc::Status::OK);
                    });
    });
  }

  unary* StartWorkflows(context* context, const wire::StartWorkflowsRequest* request,
                        wire::StartWorkflowsResponse* response) override {
    auto* call = new soon_call;
    std::vector<call_ticket> tickets;
    const grpc::Status refused = answered([&] { tickets = check(*context, *request); });
    for (const call_ticket& each : tickets) finish(each, refused);  // as a whole: each start has an outcome of its own
    if (!refused.ok() || request->starts().empty()) {
      call->Finish(refused);
      return call;
    }
    const auto all = std::make_shared<batch>(static_cast<std::size_t>(request->starts_size()), *response, *call);
    for (int i = 0; i < request->starts_size(); ++i) {
      local_control control = control_of(parts_, request->starts(i).namespace_());
      all->start(control, *context, request->starts(i), i);
    }
    return call;
  }

  unary* SignalWorkflow(context* context, const wire::SignalWorkflowRequest* request, wire::SignalWorkflowResponse*) override {
    return soon(*context, operation::signal_workflow, *request, [&](local_control& control, unary* call, const call_ticket& ticket) {
      control.signal(request->workflow_id(), request->signal_name(), from_wire(request->input()), request->request_id(),
                     finishing(call, ticket));
    });
  }
  unary* CancelWorkflow(context* context, const wire::CancelWorkflowRequest* request, wire::CancelWorkflowResponse*) override {
    return soon(*context, operation::cancel_workflow, *request, [&](local_control& control, unary* call, const call_ticket& ticket) {
      control.cancel(request->workflow_id(), request->reason(), finishing(call, ticket));
    });
  }
  unary* TerminateWorkflow(context* context, const wire::TerminateWorkflowRequest* request,
                           wire::TerminateWorkflowResponse*) override {
    return soon(*context, operation::terminate_workflow, *request, [&](local_control& control, unary* call, const call_ticket& ticket) {
      control.terminate(request->workflow_id(), request->reason(), finishing(call, ticket));
    });
  }

  unary* UpdateWorkflow(context* context, const wire::UpdateWorkflowRequest* request,
                        wire::UpdateWorkflowResponse* response) override {
    return waiting(*context, operation::update_workflow, *request, response, [&](local_control& control, auto answer) {
      control.update(request->workflow_id(), request->update_name(), from_wire(request->input()), request->update_id(),
                     std::move(answer));
    });
  }
  unary* GetResult(context* context, const wire::GetResultRequest* request, wire::GetResultResponse* response) override {
    return waiting(*context, operation::get_result, *request, response, [&](local_control& control, auto answer) {
      return control.on_end(request->workflow_id(), std::move(answer));
    });
  }

  grpc::ServerWriteReactor<wire::FollowHistoryResponse>* FollowHistory(context* context,
                                                                       const wire::FollowHistoryRequest* request) override {
    call_ticket ticket;
    std::string id;
    const grpc::Status refused = answered([&] {
      ticket = admit(parts_, *context, {operation::follow_history, request->namespace_(), request->workflow_id()});
      id = control_of(parts_, request->namespace_()).in_engine(request->workflow_id());
    });
    if (!refused.ok()) return refused_stream<wire::FollowHistoryResponse>(refused);
    return follow_history(parts_.source, parts_.threads, parts_.streams, std::move(id),
                          {request->run_number(), std::max<std::uint64_t>(request->from_seq(), 1)}, std::move(ticket));
  }
  grpc::ServerWriteReactor<wire::WatchEventsResponse>* WatchEvents(context* context,
                                                                   const wire::WatchEventsRequest* request) override {
    call_ticket ticket;
    const grpc::Status refused = answered([&] {
      ticket = admit(parts_, *context, {operation::watch_events, request->namespace_(), request->workflow_id()});
      static_cast<void>(control_of(parts_, request->namespace_()).in_engine(request->workflow_id()));
    });
    if (!refused.ok()) return refused_stream<wire::WatchEventsResponse>(refused);
    return watch_events(control_of(parts_, request->namespace_()), parts_.streams, request->workflow_id(), std::move(ticket));
  }

  grpc::Status QueryWorkflow(grpc::ServerContext* context, const wire::QueryWorkflowRequest* request,
                             wire::QueryWorkflowResponse* response) override {
    return read(*context, operation::query_workflow, *request, [&](local_control& control) {
      to_wire(control.query(request->workflow_id(), request->query_name(), from_wire(request->input())),
              *response->mutable_answer());
    });
  }
  grpc::Status TaintWorkflow(grpc::ServerContext* context, const wire::TaintWorkflowRequest* request,
                             wire::TaintWorkflowResponse*) override {
    return read(*context, operation::taint_workflow, *request,
                [&](local_control& control) { control.taint(request->workflow_id()); });
  }
  grpc::Status DescribeWorkflow(grpc::ServerContext* context, const wire::DescribeWorkflowRequest* request,
                                wire::DescribeWorkflowResponse* response) override {
    return read(*context, operation::describe_workflow, *request,
                [&](local_control& control) { to_wire(control.describe(request->workflow_id()), *response); });
  }
  grpc::Status GetHistory(grpc::ServerContext* context, const wire::GetHistoryRequest* request,
                          wire::GetHistoryResponse* response) override {
    return read(*context, operation::get_history, *request, [&](local_control& control) {
      to_wire(control.read_history(request->workflow_id(), request->run_number(), request->from_seq(),
                                   page_rows(request->page_size(), max_page_rows)),
              *response);
    });
  }
  grpc::Status ListWorkflows(grpc::ServerContext* context, const wire::ListWorkflowsRequest* request,
                             wire::ListWorkflowsResponse* response) override {
    return look(*context, {operation::list_workflows, request->namespace_(), {}}, [&](local_control& control) {
      to_wire(control.list(from_wire(request->filter()), request->page_token(), page_rows(request->page_size(), default_list_rows)),
              *response);
    });
  }
  grpc::Status CountWorkflows(grpc::ServerContext* context, const wire::CountWorkflowsRequest* request,
                              wire::CountWorkflowsResponse* response) override {
    return look(*context, {operation::count_workflows, request->namespace_(), {}},
                [&](local_control& control) { to_wire(control.counts(from_wire(request->filter())), *response); });
  }

 private:
  std::vector<call_ticket> check(const grpc::ServerContextBase& context, const wire::StartWorkflowsRequest& request) {
    if (static_cast<std::size_t>(request.starts_size()) > max_starts) {
      throw control_error(control_errc::invalid_argument,
                          std::to_string(request.starts_size()) + " starts are too many for one request; at most 10,000");
    }
    std::vector<call_ticket> tickets;
    std::string_view seen;
    for (int i = 0; i < request.starts_size(); ++i) {
      const wire::StartWorkflowRequest& start = request.starts(i);
      if (i > 0 && start.namespace_() == seen) continue;
      seen = start.namespace_();
      tickets.push_back(admit(parts_, context, {operation::start_workflow, seen, start.workflow_id(), request.ByteSizeLong()}));
      static_cast<void>(control_of(parts_, seen));
    }
    return tickets;
  }

  static control::done_callback finishing(unary* call, const call_ticket& ticket) {
    return [call, ticket](std::optional<control_error> error) {
      finish(ticket, error);
      call->Finish(error ? to_status(*error) : grpc::Status::OK);
    };
  }

  /// `ask(control, call, ticket)` finishes call and ticket, unless it throws.
  template <class Request, class Ask>
  unary* soon(const grpc::ServerContextBase& context, operation what, const Request& request, Ask&& ask) {
    auto* call = new soon_call;
    call_ticket ticket;
    const grpc::Status refused = answered([&] {
      ticket = admit(parts_, context, {what, request.namespace_(), request.workflow_id(), request.ByteSizeLong()});
      local_control control = control_of(parts_, request.namespace_());
      ask(control, call, ticket);
    });
    if (refused.ok()) return call;
    finish(ticket, refused);
    call->Finish(refused);
    return call;
  }

  /// `ask(control, answer)` has `answer` called once.
  template <class Request, class Response, class Ask>
  unary* waiting(const grpc::ServerContextBase& context, operation what, const Request& request, Response* response, Ask&& ask) {
    call_ticket ticket;
    const grpc::Status refused = answered([&] {
      ticket = admit(parts_, context, {what, request.namespace_(), request.workflow_id(), request.ByteSizeLong()});
      static_cast<void>(control_of(parts_, request.namespace_()));
    });
    if (!refused.ok()) {
      auto* call = new soon_call;
      finish(ticket, refused);
      call->Finish(refused);
      return call;
    }
    local_control control = control_of(parts_, request.namespace_());
    return waiting_call<Response>::begin(parts_.waits, response, ticket, [&](auto answer) {
      const auto shown = std::make_shared<waiting_ticket>(ticket);
      return ask(control, [answer = std::move(answer), shown](std::optional<control_error> error, const auto& end) {
        shown->ended(error);
        answer(std::move(error), end);
      });
    });
  }

  template <class Request, class F>
  grpc::Status read(const grpc::ServerContextBase& context, operation what, const Request& request, F&& call) {
    return look(context, {what, request.namespace_(), request.workflow_id(), request.ByteSizeLong()}, std::forward<F>(call));
  }
  template <class F>
  grpc::Status look(const grpc::ServerContextBase& context, const call_subject& about, F&& call) {
    return carried_out(parts_, context, about, std::forward<F>(call));
  }

  service_parts& parts_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_workflows_service(service_parts& parts) { return std::make_unique<workflows_service>(parts); }

}  // namespace evermill::server
