// A client whose answers get lost, and whose server has too much to do.
#include <gmock/gmock.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "evermill/client.hpp"
#include "evermill/v1/workflows.grpc.pb.h"
#include "server/grpc/status.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

/// Does nothing, and answers as it is told to.
struct scripted_server final : v1::Workflows::Service {
  grpc::Status next() {
    const std::lock_guard lock(mutex);
    if (answers.empty()) return grpc::Status::OK;
    const grpc::Status first = answers.front();
    answers.erase(answers.begin());
    return first;
  }
  void seen(const std::string& what) {
    const std::lock_guard lock(mutex);
    requests.push_back(what);
  }
  grpc::Status StartWorkflow(grpc::ServerContext*, const v1::StartWorkflowRequest* request, v1::StartWorkflowResponse* response) override {
    seen(request->workflow_id() + "/" + request->request_id());
    response->set_workflow_id(request->workflow_id());
    return next();
  }
  grpc::Status StartWorkflows(grpc::ServerContext*, const v1::StartWorkflowsRequest* request,
                              v1::StartWorkflowsResponse* response) override {
    for (const auto& each : request->starts()) {
      seen(each.workflow_id());
      auto& outcome = *response->add_outcomes();
      const grpc::Status status = next();
      if (status.ok()) {
        outcome.mutable_started()->set_workflow_id(each.workflow_id());
      } else {
        outcome.mutable_error()->set_code(status.error_code());
        outcome.mutable_error()->set_reason(server::reason_in(status));
      }
    }
    return grpc::Status::OK;
  }
  grpc::Status SignalWorkflow(grpc::ServerContext*, const v1::SignalWorkflowRequest* request, v1::SignalWorkflowResponse*) override {
    seen(request->request_id());
    return next();
  }
  grpc::Status UpdateWorkflow(grpc::ServerContext*, const v1::UpdateWorkflowRequest* request, v1::UpdateWorkflowResponse* response) override {
    seen(request->update_id());
    response->set_accepted(true);
    return next();
  }
  grpc::Status TerminateWorkflow(grpc::ServerContext*, const v1::TerminateWorkflowRequest*, v1::TerminateWorkflowResponse*) override {
    return next();
  }

  std::mutex mutex;
  std::vector<grpc::Status> answers;
  std::vector<std::string> requests;
};

struct LostAnswers : ::testing::Test {
  LostAnswers() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&script);
    running = builder.BuildAndStart();
    shop = std::make_unique<client>(client_options{.server = {.address = "127.0.0.1:" + std::to_string(port)}});
  }
  /// What was sent twice, or nothing where the two differ.
  std::string sent_twice() {
    EXPECT_EQ(script.requests.size(), 2u);
    return script.requests.front() == script.requests.back() ? script.requests.front() : "";
  }

  const grpc::Status lost{grpc::StatusCode::UNAVAILABLE, "Socket closed"};
  const grpc::Status closed = server::to_status({server::control_errc::closed, "it has ended"});
  const grpc::Status busy = server::to_status({server::control_errc::overloaded, "too much", 1ms});
  scripted_server script;
  std::unique_ptr<grpc::Server> running;
  std::unique_ptr<client> shop;
};

TEST_F(LostAnswers, EachTryHasTheSameIds) {
  script.answers = {lost};
  shop->signal("w", "s", {});
  EXPECT_EQ(sent_twice().size(), 36u);
  script.requests.clear();
  script.answers = {lost};
  shop->update("w", "u");
  EXPECT_EQ(sent_twice().size(), 36u);
  script.requests.clear();
  script.answers = {lost};
  const std::string id = shop->start("t", {}).workflow_id;
  EXPECT_EQ(id.size(), 36u);
  EXPECT_EQ(sent_twice(), id + "/") << "an id that nobody else has is enough";
}

TEST_F(LostAnswers, AStartThatMayNotBeRepeatedHasARequestId) {
  script.answers = {lost};
  shop->start("t", {}, {.id = "w", .reuse = workflow_id_reuse::reject_duplicate});
  EXPECT_EQ(sent_twice().size(), std::string("w/").size() + 36);
}

TEST_F(LostAnswers, OneThatIsBusyIsAskedAgain) {
  script.answers = {busy, busy};
  shop->signal("w", "s", {}, "mine");
  EXPECT_THAT(script.requests, ElementsAre("mine", "mine", "mine"));
  script.answers = {busy, busy, busy, busy, busy, busy, busy, busy};
  try {
    shop->with({.request = 3ms}).signal("w", "s", {});
  } catch (const client_error& error) {
    EXPECT_TRUE(error.code() == client_errc::overloaded || error.code() == client_errc::deadline_exceeded);
  }
}

TEST_F(LostAnswers, StartsThatAreSentTogetherAreRepeatedAlone) {
  script.answers = {grpc::Status::OK, busy, grpc::Status::OK, closed};
  std::vector<start_request> requests;
  for (const char* id : {"a", "b", "c", "d"}) requests.push_back({"t", {}, {.id = id}});
  const auto outcomes = shop->start_all(std::move(requests));
  std::size_t refused = 0;
  for (const auto& each : outcomes) refused += each.error ? 1 : 0;
  EXPECT_EQ(refused, 1u);
  EXPECT_EQ(script.requests.size(), 5u);
}

TEST_F(LostAnswers, WhatWasWantedIsSo) {
  script.answers = {lost, closed};
  EXPECT_NO_THROW(shop->terminate("w"));
  script.answers = {closed};
  EXPECT_THROW(shop->terminate("w"), client_error);
}

TEST_F(LostAnswers, AnErrorSaysWhetherItMayHaveHappened) {
  const auto may_have_happened = [&] {
    try {
      shop->signal("w", "s", {});
    } catch (const client_error& error) {
      EXPECT_EQ(error.code(), client_errc::closed);
      return error.may_have_happened();
    }
    ADD_FAILURE();
    return false;
  };
  script.answers = {closed};
  EXPECT_FALSE(may_have_happened());
  script.answers = {lost, closed};
  EXPECT_TRUE(may_have_happened());
}

}  // namespace
}  // namespace evermill
