// More is asked for than can be written: what is refused says when to come again, and what was accepted goes on.
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "evermill/v1/workflows.grpc.pb.h"
#include "messages/rpc_status.pb.h"
#include "server/grpc/grpc_server.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::server {
namespace {

task<std::size_t> measure(context, std::string text) { co_return text.size(); }

struct Overload : ::testing::Test {
  void serve(engine_options options) {
    options.data_directory = directory.path();
    options.partitions = 1;
    registry all;
    all.add("measure", measure);
    here = std::make_unique<engine>(std::move(all), std::move(options));
    server = std::make_unique<grpc_server>(*here, grpc_server_options{.address = "127.0.0.1:0"});
    workflows = v1::Workflows::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(server->port()), grpc::InsecureChannelCredentials()));
  }
  static v1::StartWorkflowRequest start(int number, std::size_t size) {
    v1::StartWorkflowRequest request;
    request.set_workflow_id("w-" + std::to_string(number));
    request.set_workflow_type("measure");
    request.mutable_input()->set_data('"' + std::string(size, 'x') + '"');
    return request;
  }
  /// Asks again for those that were refused, until none is. Returns how often one was.
  std::size_t start_all(int count, std::size_t size) {
    std::vector<int> missing;
    for (int i = 0; i < count; ++i) missing.push_back(i);
    std::size_t refused = 0;
    while (!missing.empty()) {
      v1::StartWorkflowsRequest request;
      for (const int each : missing) *request.add_starts() = start(each, size);
      grpc::ClientContext context;
      v1::StartWorkflowsResponse response;
      EXPECT_TRUE(workflows->StartWorkflows(&context, request, &response).ok());
      std::vector<int> again;
      for (std::size_t i = 0; i < missing.size(); ++i) {
        const auto& outcome = response.outcomes(static_cast<int>(i));
        if (!outcome.has_error()) continue;
        EXPECT_EQ(outcome.error().code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
        EXPECT_EQ(outcome.error().reason(), "OVERLOADED");
        again.push_back(missing[i]);
      }
      refused += again.size();
      missing = std::move(again);
    }
    return refused;
  }
  void expect_all_ended(int count) {
    for (int i = 0; i < count; ++i) EXPECT_EQ(here->wait("w-" + std::to_string(i)).status, execution_status::completed);
    EXPECT_EQ(here->counts({}).total, static_cast<std::uint64_t>(count));
  }

  tests::temporary_directory directory;
  std::unique_ptr<engine> here;
  std::unique_ptr<grpc_server> server;
  std::unique_ptr<v1::Workflows::Stub> workflows;
};

TEST_F(Overload, OfManyRequestsRefusesSomeAndLosesNone) {
  engine_options options;
  options.max_waiting_requests = 10;
  serve(options);
  EXPECT_GT(start_all(2'000, 1), 0u);
  expect_all_ended(2'000);
}

TEST_F(Overload, OfLargeRequestsKeepsFewInMemory) {
  engine_options options;
  options.max_waiting_bytes = 10'000;
  serve(options);
  EXPECT_GT(start_all(200, 5'000), 0u);
  expect_all_ended(200);
}

TEST_F(Overload, SaysWhenToComeAgain) {
  engine_options options;
  options.max_waiting_requests = 0;
  serve(options);
  constexpr int count = 300;
  struct call {
    grpc::ClientContext context;
    v1::StartWorkflowRequest request;
    v1::StartWorkflowResponse response;
    grpc::Status status;
  };
  std::vector<std::unique_ptr<call>> calls;
  std::mutex mutex;
  std::condition_variable changed;
  int answered = 0;
  for (int i = 0; i < count; ++i) {
    call& each = *calls.emplace_back(std::make_unique<call>());
    each.request = start(i, 1);
    workflows->async()->StartWorkflow(&each.context, &each.request, &each.response, [&](grpc::Status status) {
      each.status = std::move(status);
      const std::lock_guard lock(mutex);
      ++answered;
      changed.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return answered == count; });
  std::size_t refused = 0;
  for (const auto& each : calls) {
    if (each->status.ok()) continue;
    ++refused;
    ASSERT_EQ(each->status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    rpc::Status details;
    ASSERT_TRUE(details.ParseFromString(each->status.error_details()));
    rpc::RetryInfo retry;
    ASSERT_EQ(details.details(1).type_url(), "type.googleapis.com/google.rpc.RetryInfo");
    ASSERT_TRUE(retry.ParseFromString(details.details(1).value()));
    EXPECT_EQ(retry.retry_delay().seconds(), 1);
  }
  EXPECT_GT(refused, 0u);
  EXPECT_LT(refused, static_cast<std::size_t>(count));
}

}  // namespace
}  // namespace evermill::server
