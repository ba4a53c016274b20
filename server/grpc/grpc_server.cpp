#include "server/grpc/grpc_server.hpp"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "engine/engine_access.hpp"
#include "server/grpc/call_counter.hpp"
#include "server/grpc/services.hpp"
#include "server/validity_watch.hpp"

namespace evermill::server {
namespace {

constexpr std::chrono::seconds answer_grace{5};  // for requests that wait for a commit when the server stops
constexpr int max_threads = 64;                  // for calls that read; further ones are refused
constexpr int keepalive_ms = 10'000;
constexpr const char* quota_name = "evermill";

/// For the process, once, before its first server.
void prepare_grpc() {
  static std::once_flag prepared;
  std::call_once(prepared, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

}  // namespace

class grpc_server::impl {
 public:
  impl(engine& engine, grpc_server_options&& options) : parts_(engine, options.admission) {
    prepare_grpc();
    services_.push_back(make_workflows_service(parts_));
    services_.push_back(make_human_tasks_service(parts_));
    services_.push_back(make_activities_service(parts_));
    services_.push_back(make_operations_service(parts_));
    if (auto workers = make_workers_service(parts_)) services_.push_back(std::move(workers));
    services_.push_back(make_deciders_service(parts_));
    grpc::ServerBuilder builder;
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> counters;
    counters.push_back(make_call_counter(engine_access::requests(engine)));
    builder.experimental().SetInterceptorCreators(std::move(counters));
    builder.AddListeningPort(options.address,
                             options.credentials ? options.credentials : grpc::InsecureServerCredentials(), &port_);
    for (const auto& service : services_) builder.RegisterService(service.get());
    builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_request_bytes));
    builder.SetMaxSendMessageSize(-1);
    grpc::ResourceQuota quota(quota_name);
    quota.SetMaxThreads(max_threads);
    builder.SetResourceQuota(quota);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, keepalive_ms);  // who is gone without a word is noticed
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keepalive_ms);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, keepalive_ms / 2);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // two processes on one port would answer by turns
    server_ = builder.BuildAndStart();
    if (!server_) {
      throw control_error(control_errc::unreachable,
                          "gRPC can't listen at \"" + options.address + "\"; is another process there, or does the address not exist?");
    }
    if (options.admission != nullptr) {
      validity_.emplace([this] {
        parts_.streams.stop_invalid();
        parts_.waits.stop_invalid();
      });
    }
  }
  ~impl() { stop(answer_grace); }

  void stop(std::chrono::milliseconds grace) {
    const std::lock_guard lock(stopping_);
    if (!server_) return;
    validity_.reset();
    parts_.stop();
    server_->Shutdown(std::chrono::system_clock::now() + grace);
    server_->Wait();
    server_.reset();
  }

  int port() const noexcept { return port_; }
  std::size_t waiting_calls() const { return parts_.waits.count(); }

 private:
  service_parts parts_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  int port_ = 0;
  std::mutex stopping_;
  std::unique_ptr<grpc::Server> server_;
  std::optional<validity_watch> validity_;  ///< nothing: nobody is asked who they are
};

grpc_server::grpc_server(engine& engine, grpc_server_options options)
    : impl_(std::make_unique<impl>(engine, std::move(options))) {}
grpc_server::~grpc_server() = default;
void grpc_server::stop(std::chrono::milliseconds grace) { impl_->stop(grace); }
int grpc_server::port() const noexcept { return impl_->port(); }
std::size_t grpc_server::waiting_calls() const { return impl_->waiting_calls(); }

}  // namespace evermill::server
