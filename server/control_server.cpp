#include "server/control_server.hpp"

#include <fcntl.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/server_callback.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include "messages/control.grpc.pb.h"
#include "server/conversions.hpp"
#include "server/local_control.hpp"
#include "server/socket_path.hpp"
#include "workflow/conversions.hpp"

namespace evermill::server {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t max_events_waiting = 4096;  // of a slow follower
constexpr std::chrono::seconds answer_grace{5};   // for requests that wait for a commit when the server stops
constexpr std::size_t max_request_bytes = max_payload_bytes + (1u << 20);
constexpr const char* folder_name = "evermill.sock.new";  // where the socket is made, out of everybody's reach
constexpr const char* fresh_name = "evermill.sock.new/s";

/// The calls that end when the process stops and not before: they are told to.
class open_calls {
 public:
  using stop_function = std::function<void()>;

  /// `stop` is called once at most, on the thread that stops the server, and not after `left`.
  std::uint64_t entered(stop_function stop) {
    std::lock_guard lock(mutex_);
    calls_.emplace(++last_ticket_, std::move(stop));
    return last_ticket_;
  }
  void left(std::uint64_t ticket) {
    std::lock_guard lock(mutex_);
    calls_.erase(ticket);
  }
  std::size_t count() const {
    std::lock_guard lock(mutex_);
    return calls_.size();
  }
  void stop_all() {
    std::lock_guard lock(mutex_);
    for (const auto& [ticket, stop] : calls_) stop();
  }

 private:
  mutable std::mutex mutex_;
  std::uint64_t last_ticket_ = 0;
  std::map<std::uint64_t, stop_function> calls_;
};

grpc::Status stopping() { return {grpc::StatusCode::UNAVAILABLE, "the process is stopping"}; }

/// A call that waits for something to end, for its own cancellation and for the end of the process: the first answers.
template <class Reply>
class waiting_call final : public grpc::ServerUnaryReactor {
 public:
  /// `ask(answer)` asks for it; `answer(error, end)` is called once, on any thread.
  template <class Ask>
  static grpc::ServerUnaryReactor* begin(open_calls& open, Reply* reply, Ask&& ask) {
    auto* call = new waiting_call(open, reply);  // deletes itself in OnDone
    ask([state = call->state_](std::optional<control_error> error, const auto& end) {
      answer(*state, [&](Reply& to) {
        if (error) return to_status(*error);
        to_wire(end, to);
        return grpc::Status::OK;
      });
    });
    return call;
  }

  void OnCancel() override {
    const auto state = state_;
    answer(*state, [](Reply&) { return grpc::Status(grpc::StatusCode::CANCELLED, "nobody waits any more"); });
  }
  void OnDone() override {
    open_.left(ticket_);
    delete this;
  }

 private:
  struct shared {
    std::mutex mutex;
    waiting_call* call = nullptr;  // null: answered
    Reply* reply = nullptr;
  };

  waiting_call(open_calls& open, Reply* reply) : open_(open) {
    state_->call = this;
    state_->reply = reply;
    ticket_ = open_.entered([state = state_] { answer(*state, [](Reply&) { return stopping(); }); });
  }

  template <class Fill>
  static void answer(shared& state, Fill&& fill) {
    waiting_call* call = nullptr;
    {
      std::lock_guard lock(state.mutex);
      call = std::exchange(state.call, nullptr);
    }
    if (call != nullptr) call->Finish(fill(*state.reply));
  }

  open_calls& open_;
  std::uint64_t ticket_ = 0;
  const std::shared_ptr<shared> state_ = std::make_shared<shared>();
};

/// Streams events; holds a bounded number of them for a slow caller and drops the newest beyond that.
class following_call final : public grpc::ServerWriteReactor<wire::FollowReply> {
 public:
  following_call(control& control, const std::string& workflow_id, open_calls& open) : open_(open) {
    StartSendInitialMetadata();  // tells the caller that from now on nothing is missed
    follow_ = control.follow(workflow_id, [this](const execution_progress& progress) { push(progress); });
    ticket_ = open_.entered([this] { OnCancel(); });
  }

  void OnWriteDone(bool ok) override {
    std::unique_lock lock(mutex_);
    writing_ = false;
    if (!ok) ended_ = true;
    go_on(lock);
  }
  void OnCancel() override {
    std::unique_lock lock(mutex_);
    ended_ = true;
    go_on(lock);
  }
  void OnDone() override {
    open_.left(ticket_);
    delete this;
  }

 private:
  void push(const execution_progress& progress) {
    std::unique_lock lock(mutex_);
    if (ended_ || waiting_.size() >= max_events_waiting) return;
    wire::FollowReply& reply = waiting_.emplace_back();
    reply.set_workflow_id(progress.workflow_id);
    to_wire(progress.event, *reply.mutable_event());
    if (!writing_) write();
  }

  void write() {
    writing_ = true;
    current_ = std::move(waiting_.front());
    waiting_.pop_front();
    StartWrite(&current_);
  }

  /// Never called from push(): leaving the engine's followers inside their own call would wait for itself.
  void go_on(std::unique_lock<std::mutex>& lock) {
    if (writing_ || finished_) return;
    if (!ended_) {
      if (!waiting_.empty()) write();
      return;
    }
    finished_ = true;
    lock.unlock();
    follow_.reset();
    Finish(stopping());
  }

  open_calls& open_;
  std::uint64_t ticket_ = 0;
  std::mutex mutex_;
  std::deque<wire::FollowReply> waiting_;
  wire::FollowReply current_;
  bool writing_ = false;
  bool ended_ = false;
  bool finished_ = false;
  std::shared_ptr<void> follow_;
};

/// Calls that answer soon run on gRPC's pool of threads; those that wait use callbacks and hold none.
class service final
    : public wire::Control::WithCallbackMethod_Update<
          wire::Control::WithCallbackMethod_Wait<wire::Control::WithCallbackMethod_Follow<wire::Control::Service>>> {
 public:
  explicit service(engine& engine) : control_(engine) {}

  grpc::Status Status(grpc::ServerContext*, const wire::StatusRequest*, wire::StatusReply* reply) override {
    return answered([&] {
      const control_status now = control_.status();
      reply->set_protocol(protocol_version);
      reply->set_version(now.version);
      reply->set_process_id(now.process_id);
      for (const std::string& type : now.workflow_types) reply->add_workflow_types(type);
      reply->set_durability(now.durability);
      reply->set_live_instances(now.live_instances);
    });
  }
  grpc::Status Start(grpc::ServerContext*, const wire::StartRequest* request, wire::StartReply* reply) override {
    return answered([&] {
      started_execution started =
          control_.start(request->workflow_type(), workflow::from_message(request->input()), from_wire(*request));
      reply->set_workflow_id(std::move(started.workflow_id));
      reply->set_run_id(std::move(started.run_id));
      reply->set_existed(started.existed);
    });
  }
  grpc::Status Signal(grpc::ServerContext*, const wire::SignalRequest* request, wire::SignalReply*) override {
    return answered([&] {
      control_.signal(request->workflow_id(), request->signal_name(), workflow::from_message(request->input()),
                      request->request_id());
    });
  }
  grpc::Status Query(grpc::ServerContext*, const wire::QueryRequest* request, wire::QueryReply* reply) override {
    return answered([&] {
      workflow::to_message(
          control_.query(request->workflow_id(), request->query_name(), workflow::from_message(request->input())),
          *reply->mutable_answer());
    });
  }
  grpc::ServerUnaryReactor* Update(grpc::CallbackServerContext*, const wire::UpdateRequest* request,
                                   wire::UpdateReply* reply) override {
    return waiting_call<wire::UpdateReply>::begin(waits_, reply, [&](auto answer) {
      control_.update(request->workflow_id(), request->update_name(), workflow::from_message(request->input()),
                      request->update_id(), std::move(answer));
    });
  }
  grpc::Status Cancel(grpc::ServerContext*, const wire::CancelRequest* request, wire::CancelReply*) override {
    return answered([&] { control_.cancel(request->workflow_id(), request->reason()); });
  }
  grpc::Status Terminate(grpc::ServerContext*, const wire::TerminateRequest* request, wire::TerminateReply*) override {
    return answered([&] { control_.terminate(request->workflow_id(), request->reason()); });
  }
  grpc::Status Taint(grpc::ServerContext*, const wire::TaintRequest* request, wire::TaintReply*) override {
    return answered([&] { control_.taint(request->workflow_id()); });
  }
  grpc::Status ReportActivity(grpc::ServerContext*, const wire::ReportActivityRequest* request,
                              wire::ReportActivityReply* reply) override {
    return answered(
        [&] { reply->set_cancel_requested(control_.report_activity(request->token(), from_wire(*request))); });
  }
  grpc::Status Describe(grpc::ServerContext*, const wire::DescribeRequest* request,
                        wire::DescribeReply* reply) override {
    return answered([&] { to_wire(control_.describe(request->workflow_id()), *reply); });
  }
  grpc::Status List(grpc::ServerContext*, const wire::ListRequest* request, wire::ListReply* reply) override {
    return answered([&] {
      std::size_t bytes = 0;
      for (const listed_execution& row : control_.list(request->after(), page(request->limit()))) {
        wire::ListedExecution& to = *reply->add_executions();
        to_wire(row, to);
        if ((bytes += to.ByteSizeLong()) > max_page_bytes) break;
      }
    });
  }
  grpc::Status History(grpc::ServerContext*, const wire::HistoryRequest* request, wire::HistoryReply* reply) override {
    return answered([&] {
      std::size_t bytes = 0;
      const std::uint64_t from = std::max<std::uint64_t>(request->from_seq(), 1);
      for (const history_event& event : control_.history(request->workflow_id(), from, page(request->limit()))) {
        wire::HistoryEvent& to = *reply->add_events();
        to_wire(event, to);
        if ((bytes += to.ByteSizeLong()) > max_page_bytes) break;
      }
    });
  }
  grpc::Status ListHumanTasks(grpc::ServerContext*, const wire::ListHumanTasksRequest* request,
                              wire::ListHumanTasksReply* reply) override {
    return answered([&] {
      const human_task_filter wanted{request->assignee(), request->group(), request->name(), request->unassigned()};
      std::size_t bytes = 0;
      for (const auto& task : control_.human_tasks(wanted, request->after(), page(request->limit()))) {
        wire::HumanTask& to = *reply->add_tasks();
        to_wire(task, to);
        if ((bytes += to.ByteSizeLong()) > max_page_bytes) break;
      }
    });
  }
  grpc::Status DescribeHumanTask(grpc::ServerContext*, const wire::DescribeHumanTaskRequest* request,
                                 wire::DescribeHumanTaskReply* reply) override {
    return answered([&] { to_wire(control_.describe_human_task(request->task_id()), *reply); });
  }
  grpc::Status AssignHumanTask(grpc::ServerContext*, const wire::AssignHumanTaskRequest* request,
                               wire::AssignHumanTaskReply*) override {
    return answered([&] {
      switch (request->kind()) {
        case wire::AssignHumanTaskRequest::CLAIM:
          return control_.claim_human_task(request->task_id(), request->by(), request->force());
        case wire::AssignHumanTaskRequest::RELEASE:
          return control_.release_human_task(request->task_id(), request->by(), request->force());
        case wire::AssignHumanTaskRequest::DELEGATE:
          return control_.delegate_human_task(request->task_id(), request->by(), request->assignee(), request->force());
        default: throw control_error(control_errc::invalid_argument, "the request does not say what to do with the task");
      }
    });
  }
  grpc::Status CompleteHumanTask(grpc::ServerContext*, const wire::CompleteHumanTaskRequest* request,
                                 wire::CompleteHumanTaskReply*) override {
    return answered([&] {
      control_.complete_human_task(request->task_id(), request->by(), workflow::from_message(request->answer()),
                                   request->force());
    });
  }
  grpc::Status ListLocks(grpc::ServerContext*, const wire::ListLocksRequest* request,
                         wire::ListLocksReply* reply) override {
    return answered([&] {
      std::size_t bytes = 0;
      for (const auto& lock : control_.locks(request->after(), page(request->limit()))) {
        wire::Lock& to = *reply->add_locks();
        to_wire(lock, to);
        if ((bytes += to.ByteSizeLong()) > max_page_bytes) break;
      }
    });
  }
  grpc::ServerUnaryReactor* Wait(grpc::CallbackServerContext*, const wire::WaitRequest* request,
                                 wire::WaitReply* reply) override {
    return waiting_call<wire::WaitReply>::begin(
        waits_, reply, [&](auto answer) { control_.wait(request->workflow_id(), std::move(answer)); });
  }
  grpc::ServerWriteReactor<wire::FollowReply>* Follow(grpc::CallbackServerContext*,
                                                      const wire::FollowRequest* request) override {
    return new following_call(control_, request->workflow_id(), follows_);
  }

  std::size_t waiting_calls() const { return waits_.count(); }
  void end_open_calls() {
    waits_.stop_all();
    follows_.stop_all();
  }

 private:
  template <class F>
  static grpc::Status answered(F&& call) {
    try {
      call();
      return grpc::Status::OK;
    } catch (const control_error& error) {
      return to_status(error);
    } catch (const std::exception& error) {
      return to_status({control_errc::internal, error.what()});
    }
  }
  static std::size_t page(std::uint32_t wanted) {
    return wanted == 0 ? max_page_rows : std::min<std::size_t>(wanted, max_page_rows);
  }

  local_control control_;
  open_calls waits_;
  open_calls follows_;
};

[[noreturn]] void fail(const fs::path& path, const std::string& why) {
  throw control_error(control_errc::unreachable, "control socket \"" + path.string() + "\" can't be made: " + why);
}

/// The socket comes into being in a folder that only this user can enter, so that there is no moment in which others
/// could connect. A folder left by a killed process is used again.
fs::path private_folder(const fs::path& data_directory) {
  const fs::path folder = data_directory / folder_name;
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) fail(folder, std::strerror(errno));
  struct stat about {};
  if (::lstat(folder.c_str(), &about) != 0 || !S_ISDIR(about.st_mode) || ::chmod(folder.c_str(), 0700) != 0) {
    fail(folder, "it is not a directory of yours");
  }
  return folder;
}

/// Only a socket is ever replaced: what else has its name is somebody's.
void check_replaceable(const fs::path& socket) {
  struct stat about {};
  if (::lstat(socket.c_str(), &about) == 0 && !S_ISSOCK(about.st_mode)) {
    fail(socket, "something that is no socket has that name; move it away");
  }
}

}  // namespace

class control_server::impl {
 public:
  impl(engine& engine, const fs::path& data_directory) : socket_(socket_file(data_directory)), service_(engine) {
    check_replaceable(socket_);
    const fs::path folder = private_folder(data_directory);
    const fs::path fresh = short_directory(data_directory, std::strlen(fresh_name)) / fresh_name;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(grpc_address(fresh), grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    builder.SetMaxReceiveMessageSize(static_cast<int>(max_request_bytes));
    server_ = builder.BuildAndStart();
    if (!server_) fail(fresh, "gRPC can't listen there");
    publish(fresh);
    std::error_code ignored;
    fs::remove(folder, ignored);
  }

  ~impl() {
    std::error_code ignored;
    fs::remove(socket_, ignored);
    service_.end_open_calls();
    server_->Shutdown(std::chrono::system_clock::now() + answer_grace);
    server_->Wait();
  }

  std::size_t waiting_calls() const { return service_.waiting_calls(); }

 private:
  void publish(const fs::path& fresh) {
    std::error_code error;
    if (::chmod(fresh.c_str(), 0600) != 0) error.assign(errno, std::generic_category());
    if (!error) fs::rename(fresh, socket_, error);
    if (!error) return;
    server_->Shutdown(std::chrono::system_clock::now());
    fail(socket_, error.message());
  }

  const fs::path socket_;
  service service_;
  std::unique_ptr<grpc::Server> server_;
};

control_server::control_server(engine& engine, const fs::path& data_directory)
    : impl_(std::make_unique<impl>(engine, data_directory)) {}
control_server::~control_server() = default;

std::size_t control_server::waiting_calls() const { return impl_->waiting_calls(); }

}  // namespace evermill::server
