// The API as a program sees it that has nothing but its protos.
#include <gmock/gmock.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "evermill/v1/operations.grpc.pb.h"
#include "evermill/v1/workers.grpc.pb.h"
#include "evermill/v1/workflows.grpc.pb.h"
#include "messages/rpc_status.pb.h"
#include "server/grpc/grpc_server.hpp"

namespace evermill::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr evermill::signal<int> add{.name = "add"};

/// Adds up what it is sent; a run ends after three.
task<int> sum(context ctx, int before) {
  int total = before;
  for (int i = 0; i < 3; ++i) {
    const int more = co_await ctx.wait(add);
    if (more == 0) co_return total;
    total += more;
  }
  co_await ctx.continue_as_new(total);
  co_return 0;
}

registry summing() {
  registry all;
  all.add("sum", sum);
  return all;
}

/// Refuses what is about this workflow id.
struct refusing_gate final : gate {
  struct ticket final : admitted_call {
    explicit ticket(refusing_gate& of) : gate(of) {}
    void finished(std::string_view outcome) override {
      const std::lock_guard lock(gate.mutex);
      gate.outcomes.emplace_back(outcome);
    }
    bool still_valid() override { return gate.valid; }
    refusing_gate& gate;
  };
  result<std::shared_ptr<admitted_call>, control_error> admit(const call_origin& from, const call_subject& what) override {
    seen.insert(std::string(to_string(what.what)));
    authorization = std::string(from.authorization);
    if (what.resource == "secret") return unexpected(control_error(control_errc::permission_denied, "no"));
    return std::make_shared<ticket>(*this);
  }
  std::atomic<bool> valid{true};
  std::size_t count() {
    const std::lock_guard lock(mutex);
    return outcomes.size();
  }
  std::mutex mutex;  // of the outcomes
  std::vector<std::string> outcomes;
  std::set<std::string> seen;
  std::string authorization;
};

struct Api : ::testing::Test {
  void serve(gate* admission = nullptr) {
    server.emplace(here, grpc_server_options{.address = "127.0.0.1:0", .admission = admission});
    const auto channel =
        grpc::CreateChannel("127.0.0.1:" + std::to_string(server->port()), grpc::InsecureChannelCredentials());
    workflows = v1::Workflows::NewStub(channel);
    operations = v1::Operations::NewStub(channel);
    workers = v1::Workers::NewStub(channel);
  }
  grpc::Status start(const std::string& id, const std::string& input) {
    v1::StartWorkflowRequest request;
    request.set_workflow_id(id);
    request.set_workflow_type("sum");
    request.mutable_input()->set_data(input);
    grpc::ClientContext context;
    v1::StartWorkflowResponse response;
    return workflows->StartWorkflow(&context, request, &response);
  }
  void send(const std::string& id, int what) { here.signal(id, "add", json_payload(std::to_string(what))); }

  engine here{summing()};
  std::optional<grpc_server> server;
  std::unique_ptr<v1::Workflows::Stub> workflows;
  std::unique_ptr<v1::Operations::Stub> operations;
  std::unique_ptr<v1::Workers::Stub> workers;
};

std::string reason_in(const grpc::Status& status) {
  rpc::Status details;
  rpc::ErrorInfo info;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), status.error_code());
  EXPECT_EQ(details.details(0).type_url(), "type.googleapis.com/google.rpc.ErrorInfo");
  EXPECT_TRUE(info.ParseFromString(details.details(0).value()));
  EXPECT_EQ(info.domain(), "evermill");
  return info.reason();
}

TEST_F(Api, StartsManyEachForItself) {
  serve();
  v1::StartWorkflowsRequest request;
  for (const char* input : {"1", "\"x\"", "3"}) {
    v1::StartWorkflowRequest& start = *request.add_starts();
    start.set_workflow_type("sum");
    start.set_workflow_id(std::string("many-") + input[0]);
    start.mutable_input()->set_data(input);
  }
  request.add_starts()->set_workflow_type("unheard_of");
  request.add_starts()->set_reuse(static_cast<v1::WorkflowIdReuse>(77));
  grpc::ClientContext context;
  v1::StartWorkflowsResponse response;
  ASSERT_TRUE(workflows->StartWorkflows(&context, request, &response).ok());
  ASSERT_EQ(response.outcomes_size(), 5);
  EXPECT_EQ(response.outcomes(0).started().workflow_id(), "many-1");
  EXPECT_EQ(response.outcomes(2).started().workflow_id(), "many-3");
  EXPECT_EQ(response.outcomes(3).error().reason(), "UNKNOWN_WORKFLOW");
  EXPECT_EQ(response.outcomes(3).error().code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(response.outcomes(4).error().reason(), "INVALID_ARGUMENT");
  EXPECT_EQ(here.describe("many-3").status, execution_status::running);
}

TEST_F(Api, RefusesABatchThatIsTooLargeWhole) {
  serve();
  v1::StartWorkflowsRequest request;
  for (int i = 0; i <= 10'000; ++i) request.add_starts()->set_workflow_type("sum");
  grpc::ClientContext context;
  v1::StartWorkflowsResponse response;
  const grpc::Status status = workflows->StartWorkflows(&context, request, &response);
  EXPECT_EQ(reason_in(status), "INVALID_ARGUMENT");
  EXPECT_TRUE(here.list("", 1).empty());
}

TEST_F(Api, ErrorsHaveReasons) {
  serve();
  ASSERT_TRUE(start("w", "1").ok());
  const grpc::Status taken = start("w", "2");
  EXPECT_EQ(taken.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(reason_in(taken), "ALREADY_EXISTS");
  v1::DescribeWorkflowRequest request;
  request.set_namespace_("elsewhere");
  request.set_workflow_id("w");
  grpc::ClientContext context;
  v1::DescribeWorkflowResponse response;
  const grpc::Status unknown = workflows->DescribeWorkflow(&context, request, &response);
  EXPECT_EQ(reason_in(unknown), "NOT_FOUND");
  EXPECT_THAT(unknown.error_message(), HasSubstr("elsewhere"));
}

TEST_F(Api, HistoriesGoOnOverRuns) {
  serve();
  ASSERT_TRUE(start("w", "1").ok());
  for (int i = 1; i <= 4; ++i) send("w", i);
  send("w", 0);
  here.wait("w");
  v1::GetHistoryRequest request;
  request.set_workflow_id("w");
  grpc::ClientContext context;
  v1::GetHistoryResponse last;
  ASSERT_TRUE(workflows->GetHistory(&context, request, &last).ok());
  EXPECT_TRUE(last.ended());
  EXPECT_EQ(last.next_run_number(), 0u);
  EXPECT_EQ(last.events(last.events_size() - 1).type(), "WorkflowExecutionCompleted");

  v1::FollowHistoryRequest follow;
  follow.set_workflow_id("w");
  const auto types = [&](const v1::FollowHistoryRequest& what) {
    grpc::ClientContext reading;
    const auto stream = workflows->FollowHistory(&reading, what);
    std::vector<std::string> seen;
    for (v1::FollowHistoryResponse response; stream->Read(&response);) seen.push_back(response.event().type());
    EXPECT_TRUE(stream->Finish().ok());
    return seen;
  };
  EXPECT_EQ(types(follow).size(), static_cast<std::size_t>(last.events_size()));
  follow.set_from_seq(static_cast<std::uint64_t>(last.events_size()));
  EXPECT_THAT(types(follow), ElementsAre("WorkflowExecutionCompleted"));

  // The run before, from its number in the first event of this one.
  const std::string& first = last.events(0).json();
  const auto at = first.find("\"continued_from_run_number\":");
  ASSERT_NE(at, std::string::npos) << first;
  const std::uint64_t before = std::stoull(first.substr(first.find_first_of("0123456789", at)));
  follow.set_run_number(before);
  follow.set_from_seq(4);
  EXPECT_THAT(types(follow), ElementsAre("WorkflowExecutionSignaled", "WorkflowExecutionContinuedAsNew", "WorkflowExecutionStarted",
                                         "WorkflowExecutionSignaled", "WorkflowExecutionSignaled", "WorkflowExecutionCompleted"));
  follow.set_workflow_id("nobody");
  grpc::ClientContext reading;
  v1::FollowHistoryResponse none;
  const auto stream = workflows->FollowHistory(&reading, follow);
  EXPECT_FALSE(stream->Read(&none));
  EXPECT_EQ(reason_in(stream->Finish()), "NOT_FOUND");
}

TEST_F(Api, AFollowerThatReadsNothingMissesNothing) {
  serve();
  ASSERT_TRUE(start("w", "0").ok());
  v1::FollowHistoryRequest follow;
  follow.set_workflow_id("w");
  grpc::ClientContext reading;
  const auto stream = workflows->FollowHistory(&reading, follow);
  v1::FollowHistoryResponse response;
  bool more = stream->Read(&response);
  ASSERT_TRUE(more) << "it follows the first run";
  constexpr int signals = 900;  // 300 runs
  for (int i = 0; i < signals; ++i) send("w", 1);
  send("w", 0);
  here.wait("w");
  std::uint64_t run = 0;
  std::uint64_t seq = 0;
  int runs = 0;
  int seen = 0;
  for (; more; more = stream->Read(&response)) {
    if (response.run_number() != run) {
      ++runs;
      run = response.run_number();
      seq = 0;
    }
    EXPECT_EQ(response.event().seq(), ++seq);
    seen += response.event().type() == "WorkflowExecutionSignaled" ? 1 : 0;
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(runs, 301);
  EXPECT_EQ(seen, signals + 1);
}

TEST_F(Api, WhatWaitsEndsWithTheServer) {
  serve();
  ASSERT_TRUE(start("w", "0").ok());
  v1::FollowHistoryRequest follow;
  follow.set_workflow_id("w");
  grpc::ClientContext reading;
  const auto stream = workflows->FollowHistory(&reading, follow);
  v1::FollowHistoryResponse response;
  ASSERT_TRUE(stream->Read(&response));
  std::thread stopping([&] { server->stop(std::chrono::seconds(5)); });
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  stopping.join();
}

TEST_F(Api, EveryCallIsAdmittedFirst) {
  refusing_gate admission;
  serve(&admission);
  EXPECT_EQ(reason_in(start("secret", "1")), "PERMISSION_DENIED");
  EXPECT_TRUE(here.list("", 1).empty());
  v1::FollowHistoryRequest follow;
  follow.set_workflow_id("secret");
  grpc::ClientContext reading;
  reading.AddMetadata("authorization", "Bearer abc");
  v1::FollowHistoryResponse response;
  const auto stream = workflows->FollowHistory(&reading, follow);
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(reason_in(stream->Finish()), "PERMISSION_DENIED");
  EXPECT_EQ(admission.authorization, "Bearer abc");
  EXPECT_TRUE(start("w", "1").ok());
  EXPECT_EQ(reason_in(start("w", "2")), "ALREADY_EXISTS");
  EXPECT_THAT(admission.outcomes, ElementsAre("ok", "ALREADY_EXISTS"));
  EXPECT_THAT(admission.seen, ElementsAre("follow_history", "start_workflow"));
}

TEST_F(Api, WhatLastsEndsWhenItsCallerMayNotHaveItAnyMore) {
  refusing_gate admission;
  serve(&admission);
  ASSERT_TRUE(start("w", "0").ok());
  v1::FollowHistoryRequest follow;
  follow.set_workflow_id("w");
  grpc::ClientContext reading, watching, waiting;
  const auto history = workflows->FollowHistory(&reading, follow);
  v1::FollowHistoryResponse first;
  ASSERT_TRUE(history->Read(&first));
  const auto events = workflows->WatchEvents(&watching, v1::WatchEventsRequest());
  events->WaitForInitialMetadata();
  std::thread later([&] { admission.valid = false; });
  v1::GetResultRequest of;
  of.set_workflow_id("w");
  v1::GetResultResponse result;
  EXPECT_EQ(reason_in(workflows->GetResult(&waiting, of, &result)), "UNAUTHENTICATED");
  later.join();
  EXPECT_FALSE(history->Read(&first));
  EXPECT_EQ(reason_in(history->Finish()), "UNAUTHENTICATED");
  v1::WatchEventsResponse event;
  while (events->Read(&event)) {
  }
  EXPECT_EQ(reason_in(events->Finish()), "UNAUTHENTICATED");
  EXPECT_EQ(here.describe("w").status, execution_status::running);
}

TEST_F(Api, AWorkersStreamEndsWhenItMayNotHaveItsTaskQueuesAnyMore) {
  engine with_workers(summing(), {.accept_workers = true});
  refusing_gate admission;
  grpc_server serving(with_workers, {.address = "127.0.0.1:0", .admission = &admission});
  const auto stub = v1::Workers::NewStub(
      grpc::CreateChannel("127.0.0.1:" + std::to_string(serving.port()), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  const auto stream = stub->Work(&context);
  v1::WorkRequest hello;
  hello.mutable_hello()->set_worker_id("a worker");
  ASSERT_TRUE(stream->Write(hello));
  v1::WorkResponse answer;
  ASSERT_TRUE(stream->Read(&answer));
  EXPECT_TRUE(answer.has_welcome());
  admission.valid = false;
  EXPECT_FALSE(stream->Read(&answer));
  EXPECT_EQ(reason_in(stream->Finish()), "UNAUTHENTICATED");
}

TEST_F(Api, CallsAreCountedByMethodAndStatus) {
  serve();
  ASSERT_TRUE(start("w", "0").ok());
  ASSERT_FALSE(start("w", "1").ok());
  v1::FollowHistoryRequest follow;
  follow.set_workflow_id("w");
  {
    grpc::ClientContext reading;
    const auto stream = workflows->FollowHistory(&reading, follow);
    v1::FollowHistoryResponse first;
    ASSERT_TRUE(stream->Read(&first));
    EXPECT_THAT(here.metrics(), HasSubstr("evermill_requests_open{door=\"grpc\",method=\"Workflows/FollowHistory\"} 1\n"));
  }
  server->stop(std::chrono::seconds(5));
  const std::string shown = here.metrics();
  EXPECT_THAT(shown, HasSubstr("evermill_requests_total{door=\"grpc\",method=\"Workflows/StartWorkflow\",code=\"ok\"} 1\n"));
  EXPECT_THAT(shown, HasSubstr("evermill_requests_total{door=\"grpc\",method=\"Workflows/StartWorkflow\",code=\"already_exists\"} 1\n"));
  EXPECT_THAT(shown, HasSubstr("evermill_request_duration_seconds_count{door=\"grpc\",method=\"Workflows/StartWorkflow\"} 2\n"));
  EXPECT_THAT(shown, HasSubstr("evermill_request_duration_seconds_count{door=\"grpc\",method=\"Workflows/FollowHistory\"} 0\n"));
  EXPECT_THAT(shown, HasSubstr("evermill_requests_open{door=\"grpc\",method=\"Workflows/FollowHistory\"} 0\n"));
}

TEST_F(Api, TheLogLevelCanBeChanged) {
  serve();
  const auto set = [&](const std::string& level) {
    v1::SetLogLevelRequest request;
    request.set_level(level);
    grpc::ClientContext context;
    v1::SetLogLevelResponse response;
    return operations->SetLogLevel(&context, request, &response);
  };
  const auto level = [&] {
    grpc::ClientContext context;
    v1::GetStatusResponse response;
    EXPECT_TRUE(operations->GetStatus(&context, v1::GetStatusRequest(), &response).ok());
    return response.log_level();
  };
  EXPECT_EQ(level(), "warning");
  EXPECT_TRUE(set("off").ok());
  EXPECT_EQ(level(), "off");
  EXPECT_EQ(here.log_level(), "off");
  EXPECT_EQ(reason_in(set("loud")), "INVALID_ARGUMENT");
  EXPECT_EQ(level(), "off");
}

TEST_F(Api, AResultThatNobodyWaitsForLeavesNoWaiter) {
  refusing_gate admission;
  serve(&admission);
  ASSERT_TRUE(start("w", "0").ok());
  v1::GetResultRequest request;
  request.set_workflow_id("w");
  grpc::ClientContext waiting;
  waiting.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
  v1::GetResultResponse response;
  EXPECT_EQ(workflows->GetResult(&waiting, request, &response).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  // The ticket goes with the waiter; the execution has not ended. The server hears of the client's deadline in its own time.
  while (admission.count() < 2) std::this_thread::yield();
  EXPECT_THAT(admission.outcomes, ElementsAre("ok", "CANCELED"));
  EXPECT_EQ(here.describe("w").status, execution_status::running);
}

TEST_F(Api, TellsDefinitionsAndTaskQueues) {
  serve();
  grpc::ClientContext asking;
  v1::ListDefinitionsResponse definitions;
  ASSERT_TRUE(operations->ListDefinitions(&asking, v1::ListDefinitionsRequest(), &definitions).ok());
  ASSERT_EQ(definitions.workflows_size(), 1);
  EXPECT_EQ(definitions.workflows(0).name(), "sum");
  EXPECT_THAT(definitions.workflows(0).versions(), ElementsAre(""));
  EXPECT_EQ(definitions.activities_size(), 0);
  grpc::ClientContext looking;
  v1::ListTaskQueuesResponse queues;
  ASSERT_TRUE(operations->ListTaskQueues(&looking, v1::ListTaskQueuesRequest(), &queues).ok());
  ASSERT_EQ(queues.task_queues_size(), 1);
  EXPECT_EQ(queues.task_queues(0).name(), "default");
  v1::ListTaskQueuesRequest elsewhere;
  elsewhere.set_namespace_("elsewhere");
  grpc::ClientContext refused;
  EXPECT_EQ(reason_in(operations->ListTaskQueues(&refused, elsewhere, &queues)), "NOT_FOUND");
}

TEST_F(Api, WithoutWorkersThereIsNoSuchService) {
  serve();
  grpc::ClientContext context;
  const auto stream = workers->Work(&context);
  v1::WorkResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace evermill::server
