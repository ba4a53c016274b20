// Over gRPC, client and server on this machine: starts a second, how long one execution takes, and activities of a worker.
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/client_callback.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "bench/http_client.hpp"
#include "bench/load.hpp"
#include "bench/measurements.hpp"
#include "evermill/context.hpp"
#include "evermill/future.hpp"
#include "evermill/server_worker.hpp"
#include "evermill/v1/workflows.grpc.pb.h"
#include "server/grpc/grpc_server.hpp"

namespace evermill::bench {
namespace {

using steady = std::chrono::steady_clock;

constexpr std::uint64_t starts_per_request = 256;
constexpr int requests_in_flight = 8;
constexpr unsigned worker_concurrency = 256;
constexpr int steps_of_one = 10;

constexpr activity<int(int)> no_op{.name = "bench_no_op"};
constexpr activity<int(int)> elsewhere{.name = "bench_elsewhere"};

task<void> api_nothing(context) { co_return; }
task<int> bench_one(context ctx) { co_return co_await ctx.call(no_op, 1); }
task<int> bench_elsewhere_steps(context ctx) {
  int value = 0;
  for (int i = 0; i < steps_of_one; ++i) value = co_await ctx.call(elsewhere, value);
  co_return value;
}

std::unique_ptr<v1::Workflows::Stub> stub_at(std::uint16_t port) {
  return v1::Workflows::NewStub(
      grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
}

/// Requests with many starts each, a few at once, as a client library gathers them.
class batch_client {
 public:
  batch_client(std::uint16_t port, std::uint64_t count) : stub_(stub_at(port)), count_(count) {}

  http_figures run() {
    const auto begin = steady::now();
    std::unique_lock lock(mutex_);
    while (next_ < count_ || open_ > 0) {
      while (next_ < count_ && open_ < requests_in_flight) send();
      changed_.wait(lock, [this] { return open_ < requests_in_flight; });
      if (next_ >= count_) changed_.wait(lock, [this] { return open_ == 0; });
    }
    found_.seconds = std::chrono::duration<double>(steady::now() - begin).count();
    std::sort(took_ms_.begin(), took_ms_.end());
    found_.p50_ms = took_ms_[took_ms_.size() / 2];
    found_.p99_ms = took_ms_[took_ms_.size() * 99 / 100];
    return found_;
  }

 private:
  struct call {
    grpc::ClientContext context;
    v1::StartWorkflowsRequest request;
    v1::StartWorkflowsResponse response;
    steady::time_point begin = steady::now();
  };

  void send() {  // with the lock
    auto sent = std::make_shared<call>();
    for (std::uint64_t i = 0; i < starts_per_request && next_ < count_; ++i, ++next_) {
      v1::StartWorkflowRequest& start = *sent->request.add_starts();
      start.set_workflow_id("api-" + std::to_string(next_));
      start.set_workflow_type("bench_nothing");
    }
    ++open_;
    stub_->async()->StartWorkflows(&sent->context, &sent->request, &sent->response, [this, sent](const grpc::Status& status) {
      std::uint64_t good = 0;
      for (const auto& each : sent->response.outcomes()) good += each.has_started() ? 1 : 0;
      const std::lock_guard lock(mutex_);
      if (!status.ok()) good = 0;
      found_.answers += good;
      found_.failures += static_cast<std::uint64_t>(sent->request.starts_size()) - good;
      took_ms_.push_back(std::chrono::duration<double, std::milli>(steady::now() - sent->begin).count());
      --open_;
      changed_.notify_all();
    });
  }

  const std::unique_ptr<v1::Workflows::Stub> stub_;
  const std::uint64_t count_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t next_ = 0;
  int open_ = 0;
  http_figures found_;
  std::vector<double> took_ms_;
};

/// One after the other: started, and waited for.
http_figures run_one_by_one(std::uint16_t port, std::uint64_t count) {
  const auto stub = stub_at(port);
  http_figures found;
  std::vector<double> took_ms;
  const auto all = steady::now();
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto begin = steady::now();
    v1::StartWorkflowRequest start;
    start.set_workflow_id("one-" + std::to_string(i));
    start.set_workflow_type("bench_one");
    v1::StartWorkflowResponse started;
    grpc::ClientContext starting;
    v1::GetResultRequest wait;
    wait.set_workflow_id(start.workflow_id());
    v1::GetResultResponse result;
    grpc::ClientContext waiting;
    const bool good = stub->StartWorkflow(&starting, start, &started).ok() && stub->GetResult(&waiting, wait, &result).ok() &&
                      result.status() == v1::EXECUTION_STATUS_COMPLETED;
    ++(good ? found.answers : found.failures);
    took_ms.push_back(std::chrono::duration<double, std::milli>(steady::now() - begin).count());
  }
  found.seconds = std::chrono::duration<double>(steady::now() - all).count();
  std::sort(took_ms.begin(), took_ms.end());
  found.p50_ms = took_ms[took_ms.size() / 2];
  found.p99_ms = took_ms[took_ms.size() * 99 / 100];
  return found;
}

void check_calls(const http_figures& found, std::uint64_t wanted) {
  if (found.answers == wanted && found.failures == 0) return;
  throw engine_error(engine_errc::unavailable,
                     std::to_string(found.failures) + " of " + std::to_string(wanted) + " requests over gRPC have failed");
}

std::uint16_t port_of(const server::grpc_server& server) { return static_cast<std::uint16_t>(server.port()); }

server::grpc_server_options on_loopback() {
  server::grpc_server_options options;
  options.address = "127.0.0.1:0";
  return options;
}

}  // namespace

figures measure_api_starts(const bench_options& options, const std::filesystem::path& directory) {
  http_client_process client([&](std::uint16_t port) { return batch_client(port, options.instances).run(); });
  registry definitions;
  definitions.add("bench_nothing", api_nothing);
  engine e(definitions, engine_options_of(options, directory));
  server::grpc_server server(e, on_loopback());
  const http_figures found = client.go(port_of(server));
  check_calls(found, options.instances);
  return {{"workload", "api-start"},
          {"instances", options.instances},
          {"starts_per_request", starts_per_request},
          {"requests_in_flight", requests_in_flight},
          {"seconds", found.seconds},
          {"starts_per_second", static_cast<double>(options.instances) / found.seconds},
          {"request_p50_ms", found.p50_ms},
          {"request_p99_ms", found.p99_ms},
          {"durability", e.statistics().durability}};
}

figures measure_api_one(const bench_options& options, const std::filesystem::path& directory) {
  http_client_process client([&](std::uint16_t port) { return run_one_by_one(port, options.instances); });
  registry definitions;
  definitions.add("bench_one", bench_one);
  definitions.add(no_op, [](int value) { return value; });
  engine e(definitions, engine_options_of(options, directory));
  server::grpc_server server(e, on_loopback());
  const http_figures found = client.go(port_of(server));
  check_calls(found, options.instances);
  return {{"workload", "api-one"},
          {"instances", options.instances},
          {"seconds", found.seconds},
          {"p50_ms", found.p50_ms},
          {"p99_ms", found.p99_ms},
          {"durability", e.statistics().durability}};
}

figures measure_server_worker(const bench_options& options, const std::filesystem::path& directory) {
  http_client_process client([](std::uint16_t port) {
    registry activities;
    activities.add(elsewhere, [](int value) { return value; });
    server_worker_options how;
    how.server.address = "127.0.0.1:" + std::to_string(port);
    how.backends = {"native"};
    how.concurrency = worker_concurrency;
    new server_worker(activities, how);  // works until the process is ended
    return http_figures{};
  });
  registry definitions;
  definitions.add("bench_elsewhere_steps", bench_elsewhere_steps);
  engine_options how = engine_options_of(options, directory);
  how.accept_workers = true;
  engine e(definitions, how);
  server::grpc_server server(e, on_loopback());
  client.go(port_of(server));
  const auto begin = steady::now();
  load(options.instances, options.in_flight).run([&](std::uint64_t i, load::done done) {
    e.execute("bench_elsewhere_steps", {}, {.id = "worker-" + std::to_string(i)},
              [done](std::optional<engine_error> error, const execution_end&) { done(std::move(error)); });
  });
  const double seconds = std::chrono::duration<double>(steady::now() - begin).count();
  const double activities = static_cast<double>(options.instances) * steps_of_one;
  return {{"workload", "server-worker"},
          {"instances", options.instances},
          {"worker_concurrency", worker_concurrency},
          {"seconds", seconds},
          {"activities_per_second", activities / seconds},
          {"durability", e.statistics().durability}};
}

}  // namespace evermill::bench
