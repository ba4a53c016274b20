#include "server/control_client.hpp"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/client_callback.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "messages/control.grpc.pb.h"
#include "server/conversions.hpp"
#include "server/socket_path.hpp"
#include "workflow/conversions.hpp"

namespace evermill::server {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds answer_limit{60};  // of requests that wait for a commit at most
constexpr std::size_t max_reply_bytes = max_payload_bytes + (16u << 20);

struct open_call {
  virtual ~open_call() = default;
  grpc::ClientContext context;
  bool done = false;
};

template <class Request, class Reply>
struct call_of final : open_call {
  Request request;
  Reply reply;
};

/// The waits that are under way, so that they can be ended. A call's context holds the channel, whose end waits for gRPC's
/// callback threads: so calls are destroyed here, on the caller's threads, and never by their own callback.
class waiting_calls {
 public:
  template <class Call>
  Call& add() {
    auto made = std::make_unique<Call>();
    Call& call = *made;
    std::lock_guard lock(mutex_);
    std::erase_if(calls_, [](const auto& each) { return each->done; });
    calls_.push_back(std::move(made));
    return call;
  }
  void end(open_call& call) {
    std::lock_guard lock(mutex_);
    call.done = true;
    ended_.notify_all();  // under the lock: this object goes as soon as the last call has ended
  }
  void cancel_all() {
    std::unique_lock lock(mutex_);
    for (const auto& call : calls_) {
      if (!call->done) call->context.TryCancel();
    }
    ended_.wait(lock, [this] { return std::all_of(calls_.begin(), calls_.end(), [](const auto& c) { return c->done; }); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  std::vector<std::unique_ptr<open_call>> calls_;
};

class follower final : public grpc::ClientReadReactor<wire::FollowReply> {
 public:
  follower(wire::Control::Stub& stub, std::string_view workflow_id,
           std::function<void(const execution_progress&)> on_progress)
      : on_progress_(std::move(on_progress)) {
    request_.set_workflow_id(std::string(workflow_id));
    stub.async()->Follow(&context_, &request_, this);
    StartRead(&reply_);
    StartCall();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ready_ || done_; });
  }
  ~follower() override {
    context_.TryCancel();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
  }

  void OnReadInitialMetadataDone(bool) override { set(ready_); }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    on_progress_({reply_.workflow_id(), from_wire(reply_.event())});
    StartRead(&reply_);
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
  wire::FollowRequest request_;
  wire::FollowReply reply_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ready_ = false;
  bool done_ = false;
};

class remote_control final : public control {
 public:
  remote_control(const fs::path& data_directory, std::chrono::milliseconds limit)
      : who_("the process that has data directory \"" + data_directory.string() + "\" open") {
    const fs::path name = socket_file(data_directory).filename();
    const fs::path socket = short_directory(data_directory, name.native().size()) / name;
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(static_cast<int>(max_reply_bytes));
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a socket that was replaced is another process
    stub_ = wire::Control::NewStub(
        grpc::CreateCustomChannel(grpc_address(socket), grpc::InsecureChannelCredentials(), arguments));
    greet(limit);
  }
  ~remote_control() override { waits_.cancel_all(); }

  control_status status() override {
    const wire::StatusReply reply = ask(&wire::Control::Stub::Status, status_request());
    return {reply.version(), reply.process_id(), {reply.workflow_types().begin(), reply.workflow_types().end()},
            reply.durability(), reply.live_instances()};
  }
  started_execution start(std::string_view workflow_type, payload input, start_options options) override {
    wire::StartRequest request;
    to_wire(workflow_type, std::move(options), request);
    workflow::to_message(std::move(input), *request.mutable_input());
    const wire::StartReply reply = ask(&wire::Control::Stub::Start, request);
    return {reply.workflow_id(), reply.run_id(), reply.existed()};
  }
  void signal(std::string_view workflow_id, std::string_view signal_name, payload input,
              std::string_view request_id) override {
    wire::SignalRequest request;
    request.set_request_id(std::string(request_id));
    request.set_workflow_id(std::string(workflow_id));
    request.set_signal_name(std::string(signal_name));
    workflow::to_message(std::move(input), *request.mutable_input());
    ask(&wire::Control::Stub::Signal, request);
  }
  payload query(std::string_view workflow_id, std::string_view query_name, payload input) override {
    wire::QueryRequest request;
    request.set_workflow_id(std::string(workflow_id));
    request.set_query_name(std::string(query_name));
    workflow::to_message(std::move(input), *request.mutable_input());
    return workflow::from_message(ask(&wire::Control::Stub::Query, request).answer());
  }
  void update(std::string_view workflow_id, std::string_view update_name, payload input, std::string_view update_id,
              update_callback answer) override {
    auto& call = waits_.add<call_of<wire::UpdateRequest, wire::UpdateReply>>();
    call.request.set_workflow_id(std::string(workflow_id));
    call.request.set_update_name(std::string(update_name));
    call.request.set_update_id(std::string(update_id));
    workflow::to_message(std::move(input), *call.request.mutable_input());
    stub_->async()->Update(&call.context, &call.request, &call.reply,
                           [this, &call, answer = std::move(answer)](const grpc::Status& status) {
                             if (status.ok()) {
                               answer(std::nullopt, from_wire(call.reply));
                             } else {
                               answer(to_error(status, who_), {});
                             }
                             waits_.end(call);
                           });
  }
  void cancel(std::string_view workflow_id, std::string_view reason) override {
    wire::CancelRequest request;
    request.set_workflow_id(std::string(workflow_id));
    request.set_reason(std::string(reason));
    ask(&wire::Control::Stub::Cancel, request);
  }
  void terminate(std::string_view workflow_id, std::string_view reason) override {
    wire::TerminateRequest request;
    request.set_workflow_id(std::string(workflow_id));
    request.set_reason(std::string(reason));
    ask(&wire::Control::Stub::Terminate, request);
  }
  bool report_activity(std::string_view token, activity_report what) override {
    wire::ReportActivityRequest request;
    request.set_token(std::string(token));
    to_wire(std::move(what), request);
    return ask(&wire::Control::Stub::ReportActivity, request).cancel_requested();
  }
  void taint(std::string_view workflow_id) override {
    wire::TaintRequest request;
    request.set_workflow_id(std::string(workflow_id));
    ask(&wire::Control::Stub::Taint, request);
  }

  void wait(std::string_view workflow_id, end_callback answer) override {
    auto& call = waits_.add<call_of<wire::WaitRequest, wire::WaitReply>>();
    call.request.set_workflow_id(std::string(workflow_id));
    stub_->async()->Wait(&call.context, &call.request, &call.reply,
                         [this, &call, answer = std::move(answer)](const grpc::Status& status) {
                           if (status.ok()) {
                             answer(std::nullopt, from_wire(call.reply));
                           } else {
                             answer(to_error(status, who_), {});
                           }
                           waits_.end(call);
                         });
  }

  execution_description describe(std::string_view workflow_id) override {
    wire::DescribeRequest request;
    request.set_workflow_id(std::string(workflow_id));
    return from_wire(ask(&wire::Control::Stub::Describe, request));
  }
  std::vector<listed_execution> list(std::string_view after, std::size_t limit) override {
    wire::ListRequest request;
    request.set_after(std::string(after));
    return page(&wire::Control::Stub::List, std::move(request), limit, &wire::ListReply::executions);
  }
  std::vector<history_event> history(std::string_view workflow_id, std::uint64_t from_seq, std::size_t limit) override {
    wire::HistoryRequest request;
    request.set_workflow_id(std::string(workflow_id));
    request.set_from_seq(from_seq);
    return page(&wire::Control::Stub::History, std::move(request), limit, &wire::HistoryReply::events);
  }
  std::vector<human_task_summary> human_tasks(const human_task_filter& filter, std::string_view after,
                                              std::size_t limit) override {
    wire::ListHumanTasksRequest request;
    request.set_after(std::string(after));
    request.set_assignee(filter.assignee);
    request.set_group(filter.group);
    request.set_name(filter.name);
    request.set_unassigned(filter.unassigned);
    return page(&wire::Control::Stub::ListHumanTasks, std::move(request), limit, &wire::ListHumanTasksReply::tasks);
  }
  human_task_description describe_human_task(std::string_view task_id) override {
    wire::DescribeHumanTaskRequest request;
    request.set_task_id(std::string(task_id));
    return from_wire(ask(&wire::Control::Stub::DescribeHumanTask, request));
  }
  void claim_human_task(std::string_view task_id, std::string_view by, bool force) override {
    assign(wire::AssignHumanTaskRequest::CLAIM, task_id, by, {}, force);
  }
  void release_human_task(std::string_view task_id, std::string_view by, bool force) override {
    assign(wire::AssignHumanTaskRequest::RELEASE, task_id, by, {}, force);
  }
  void delegate_human_task(std::string_view task_id, std::string_view by, std::string_view assignee, bool force) override {
    assign(wire::AssignHumanTaskRequest::DELEGATE, task_id, by, assignee, force);
  }
  void complete_human_task(std::string_view task_id, std::string_view by, payload answer, bool force) override {
    wire::CompleteHumanTaskRequest request;
    request.set_task_id(std::string(task_id));
    request.set_by(std::string(by));
    request.set_force(force);
    workflow::to_message(std::move(answer), *request.mutable_answer());
    ask(&wire::Control::Stub::CompleteHumanTask, request);
  }
  std::vector<lock_description> locks(std::string_view after, std::size_t limit) override {
    wire::ListLocksRequest request;
    request.set_after(std::string(after));
    return page(&wire::Control::Stub::ListLocks, std::move(request), limit, &wire::ListLocksReply::locks);
  }
  std::shared_ptr<void> follow(std::string_view workflow_id,
                               std::function<void(const execution_progress&)> on_progress) override {
    return std::make_shared<follower>(*stub_, workflow_id, std::move(on_progress));
  }

 private:
  template <class Request, class Reply>
  using method = grpc::Status (wire::Control::Stub::*)(grpc::ClientContext*, const Request&, Reply*);

  template <class Request, class Reply>
  Reply ask(method<Request, Reply> call, const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + answer_limit);
    Reply reply;
    const grpc::Status status = ((*stub_).*call)(&context, request, &reply);
    if (!status.ok()) throw to_error(status, who_);
    return reply;
  }

  template <class Row>
  using rows_from = std::vector<decltype(from_wire(std::declval<const Row&>()))>;

  /// One page of rows, which `rows` names in the reply.
  template <class Request, class Reply, class Row>
  rows_from<Row> page(method<Request, Reply> call, Request request, std::size_t limit,
                      const google::protobuf::RepeatedPtrField<Row>& (Reply::*rows)() const) {
    rows_from<Row> found;
    if (limit == 0) return found;
    request.set_limit(static_cast<std::uint32_t>(std::min(limit, max_page_rows)));
    const Reply reply = ask(call, request);
    for (const Row& row : (reply.*rows)()) found.push_back(from_wire(row));
    return found;
  }

  void assign(wire::AssignHumanTaskRequest::Kind kind, std::string_view task_id, std::string_view by,
              std::string_view assignee, bool force) {
    wire::AssignHumanTaskRequest request;
    request.set_kind(kind);
    request.set_task_id(std::string(task_id));
    request.set_by(std::string(by));
    request.set_assignee(std::string(assignee));
    request.set_force(force);
    ask(&wire::Control::Stub::AssignHumanTask, request);
  }

  static wire::StatusRequest status_request() {
    wire::StatusRequest request;
    request.set_protocol(protocol_version);
    return request;
  }

  void greet(std::chrono::milliseconds limit) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + limit);
    wire::StatusReply reply;
    const grpc::Status status = stub_->Status(&context, status_request(), &reply);
    if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED ||
        (status.ok() && reply.protocol() != protocol_version)) {
      throw control_error(control_errc::incompatible,
                          who_ + " speaks another protocol (" + std::to_string(reply.protocol()) + ", here " +
                              std::to_string(protocol_version) + "); use the same version of evermill for both");
    }
    if (!status.ok()) throw control_error(control_errc::unreachable, who_ + " does not answer on its socket");
  }

  const std::string who_;
  std::unique_ptr<wire::Control::Stub> stub_;
  waiting_calls waits_;
};

}  // namespace

std::unique_ptr<control> connect(const fs::path& data_directory, std::chrono::milliseconds limit) {
  return std::make_unique<remote_control>(data_directory, limit);
}

}  // namespace evermill::server
