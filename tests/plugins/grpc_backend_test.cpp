#include "plugins/task/grpc/grpc_backend.hpp"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <fstream>

#include "attempt_ends.hpp"
#include "evermill/grpc.hpp"
#include "evermill/http.hpp"
#include "greeter.grpc.pb.h"
#include "http_rig.hpp"
#include "tests/support/manual_clock.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

/// Answers by generated code, which knows nothing of the backend's dynamic messages.
class greeter final : public Greeter::Service {
 public:
  ::grpc::Status Greet(::grpc::ServerContext* context, const Greeting* request, Answer* answer) override {
    if (request->name().starts_with("status ")) {
      return {static_cast<::grpc::StatusCode>(std::stoi(request->name().substr(7))), "because of " + request->data()};
    }
    answer->set_text("hello " + request->name());
    *answer->mutable_given() = *request;
    for (const auto& [name, value] : context->client_metadata()) {
      (*answer->mutable_metadata())[std::string(name.data(), name.size())] = std::string(value.data(), value.size());
    }
    if (context->deadline() < std::chrono::system_clock::now() + 1h) (*answer->mutable_metadata())["deadline"] = "yes";
    return ::grpc::Status::OK;
  }
  ::grpc::Status GreetAll(::grpc::ServerContext*, ::grpc::ServerReader<Greeting>* from, Answer* answer) override {
    for (Greeting each; from->Read(&each);) answer->set_text(answer->text() + each.name() + ";");
    return ::grpc::Status::OK;
  }
  ::grpc::Status GreetOften(::grpc::ServerContext*, const Greeting* request, ::grpc::ServerWriter<Answer>* to) override {
    for (int i = 0; i < request->count(); ++i) {
      Answer answer;
      answer.set_length(i);
      answer.set_text(request->name());
      to->Write(answer);
    }
    return ::grpc::Status::OK;
  }
  ::grpc::Status Converse(::grpc::ServerContext*, ::grpc::ServerReaderWriter<Answer, Greeting>* with) override {
    for (Greeting each; with->Read(&each);) {
      Answer answer;
      answer.set_text("and " + each.name());
      with->Write(answer);
    }
    return ::grpc::Status::OK;
  }
  ::grpc::Status Wait(::grpc::ServerContext* context, const Greeting*, Answer*) override {
    {
      const std::lock_guard lock(mutex);
      ++waiting;
      changed.notify_all();
    }
    while (!context->IsCancelled()) std::this_thread::yield();
    const std::lock_guard lock(mutex);
    --waiting;
    changed.notify_all();
    return ::grpc::Status::CANCELLED;
  }
  void wait_until_waiting(int count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return waiting == count; });
  }
  std::mutex mutex;
  std::condition_variable changed;
  int waiting = 0;
};

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct GrpcBackend : testing::Test {
  GrpcBackend() {
    ::grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", ::grpc::InsecureServerCredentials(), &port);
    builder.SetMaxReceiveMessageSize(-1);
    builder.RegisterService(&service);
    server = builder.BuildAndStart();
    std::ofstream(secrets.path() / "word") << "a needle+1";
    tasks::call_options options;
    options.time = &time;
    options.secrets = tasks::open_secrets(secrets.path().string());
    options.on_heartbeat = ends.heartbeat_recorder();
    backend = make_grpc_backend(std::move(options), ends.recorder());
  }
  ~GrpcBackend() override {
    backend.reset();
    server->Shutdown(std::chrono::system_clock::now());
  }
  grpc_request to(const std::string& method, json arguments = nullptr) const {
    grpc_request request;
    request.proto = text_of(EVERMILL_TEST_SERVERS "/greeter.proto");
    request.service = "Greeter";
    request.method = method;
    request.host = "127.0.0.1";
    request.port = port;
    request.arguments = std::move(arguments);
    return request;
  }
  tasks::attempt_end end_of(const grpc_request& request, std::int64_t timeout_us = 0) {
    backend->run({make_task("grpc", codec<grpc_request>::encode(request), ++last_seq, timeout_us)});
    return ends.of(last_seq);
  }
  json result(const grpc_request& request, std::int64_t timeout_us = 0) {
    const auto end = end_of(request, timeout_us);
    if (const auto* const how = std::get_if<tasks::failed>(&end.how)) return how->failure.type() + ": " + how->failure.message();
    return result_of<json>(end);
  }
  failure failed(const grpc_request& request) { return failure_of(end_of(request)); }

  manual_clock time;
  attempt_ends ends;
  temporary_directory secrets;
  greeter service;
  int port = 0;
  std::unique_ptr<::grpc::Server> server;
  std::unique_ptr<tasks::task_backend> backend;
  std::uint64_t last_seq = 0;
};

TEST_F(GrpcBackend, CallsAMethodByTheTextOfItsFile) {
  const json given{{"name", "Ada"}, {"tone", "WARM"}, {"count", "9007199254740993"}, {"others", {"Bob"}}, {"ages", {{"Bob", 7}}},
                   {"lasts", "1.500s"}, {"extra", {{"any", json::array({1, nullptr})}}}, {"data", "AAE="}};
  const json answer = result(to("Greet", given));
  EXPECT_EQ(answer["text"], "hello Ada");
  EXPECT_EQ(answer["given"], given);
  EXPECT_EQ(answer["length"], 0) << "a default is there, too";
  EXPECT_EQ(result(to("Greet"))["text"], "hello ");
  grpc_request full = to("Greet", {{"name", "Ada"}});
  full.service = "evermill.tests.Greeter";
  EXPECT_EQ(result(full)["text"], "hello Ada");
}

TEST_F(GrpcBackend, StreamsAreLists) {
  EXPECT_EQ(result(to("GreetAll", {{{"name", "a"}}, {{"name", "b"}}}))["text"], "a;b;");
  EXPECT_EQ(result(to("GreetAll", json::array()))["text"], "");
  const json often = result(to("GreetOften", {{"name", "x"}, {"count", 3}}));
  ASSERT_EQ(often.size(), 3U) << often;
  EXPECT_EQ(often[2]["length"], 2);
  EXPECT_EQ(result(to("GreetOften")), json::array());
  EXPECT_EQ(result(to("Converse", {{{"name", "a"}}, {{"name", "b"}}}))[1]["text"], "and b");
}

TEST_F(GrpcBackend, UsesFilesThatAreImported) {
  grpc_request request = to("Greet", {{"name", "Ada"}});
  std::string& text = request.proto;
  const std::size_t service_at = text.find("service Greeter");
  request.imports["messages/greeting.proto"] = text.substr(0, service_at);
  text = "syntax = \"proto3\"; package evermill.tests; import \"messages/greeting.proto\";\n" + text.substr(service_at);
  EXPECT_EQ(result(request)["text"], "hello Ada");
  request.imports.clear();
  EXPECT_EQ(failed(request).type, "InvalidPayload");
  EXPECT_NE(failed(request).message.find("imports"), std::string::npos) << failed(request).message;
}

TEST_F(GrpcBackend, TellsStatusesApartAndRetriesTheRightOnes) {
  const std::map<int, std::pair<std::string, bool>> types{
      {1, {"GrpcCancelled", true}},         {2, {"GrpcUnknown", true}},           {3, {"GrpcInvalidArgument", false}},
      {4, {"GrpcDeadlineExceeded", true}},  {5, {"GrpcNotFound", false}},         {6, {"GrpcAlreadyExists", false}},
      {7, {"GrpcPermissionDenied", false}}, {8, {"GrpcResourceExhausted", true}}, {9, {"GrpcFailedPrecondition", false}},
      {10, {"GrpcAborted", true}},          {11, {"GrpcOutOfRange", false}},      {12, {"GrpcUnimplemented", false}},
      {13, {"GrpcInternal", true}},         {14, {"GrpcUnavailable", true}},      {15, {"GrpcDataLoss", false}},
      {16, {"GrpcUnauthenticated", false}}};
  for (const auto& [code, expected] : types) {
    const failure why = failed(to("Greet", {{"name", "status " + std::to_string(code)}, {"data", "cmFpbg=="}}));
    EXPECT_EQ(why.type, expected.first);
    EXPECT_EQ(why.non_retryable, !expected.second) << why.type;
    EXPECT_NE(why.message.find("because of rain"), std::string::npos) << why.message;
    EXPECT_EQ(json::parse(why.details.value().data)["code"], code);
  }
  server->Shutdown(std::chrono::system_clock::now());
  EXPECT_EQ(failed(to("Greet")).type, "GrpcUnavailable");
}

TEST_F(GrpcBackend, RefusesCallsThatCannotBeMade) {
  std::vector<grpc_request> wrong(10, to("Greet"));
  wrong[0].proto = "syntax = \"proto3\"; service Greeter { rpc Greet(Missing) returns (Missing); }";
  wrong[1].proto = "this is no proto";
  wrong[2].service = "Other";
  wrong[3].method = "Other";
  wrong[4].arguments = {{"unknown", 1}};
  wrong[5].arguments = {{"count", "many"}};
  wrong[6] = to("GreetAll", {{"name", "a"}});
  wrong[7].port = 0;
  wrong[8].metadata = {{"Upper", "x"}};
  wrong[9].authentication = bearer_authentication("line\nbreak");
  for (const grpc_request& each : wrong) {
    const failure why = failed(each);
    EXPECT_EQ(why.type, "InvalidPayload") << why.message;
    EXPECT_TRUE(why.non_retryable);
  }
  EXPECT_NE(failed(wrong[0]).message.find("service.proto:1:"), std::string::npos) << failed(wrong[0]).message;
}

TEST_F(GrpcBackend, ShowsWhoCallsAndHidesSecrets) {
  grpc_request request = to("Greet", {{"name", secret("word")}});
  request.metadata = {{"x-word", secret("word")}};
  request.authentication = basic_authentication("user", secret("word"));
  const json answer = result(request);
  EXPECT_EQ(answer["text"], "hello ***");
  EXPECT_EQ(answer["metadata"]["x-word"], "***");
  EXPECT_EQ(answer["metadata"]["authorization"], "Basic ***");
  request.authentication = bearer_authentication("t0ken");
  EXPECT_EQ(result(request)["metadata"]["authorization"], "Bearer t0ken");
  http_authentication shown;
  shown.kind = "oauth2";
  shown.authority = http_server()["http"];
  shown.client = {"client", "client secret+1", "", ""};
  request.authentication = shown;
  EXPECT_EQ(result(request)["metadata"]["authorization"], "Bearer ***") << result(request);
  shown.kind = "digest";
  request.authentication = shown;
  EXPECT_EQ(failed(request).type, "InvalidPayload");
}

TEST_F(GrpcBackend, TellsTheServerTheDeadline) {
  EXPECT_EQ(result(to("Greet"), 60'000'000)["metadata"]["deadline"], "yes");
  EXPECT_FALSE(result(to("Greet"))["metadata"].contains("deadline"));
}

TEST_F(GrpcBackend, BoundsWhatItKeeps) {
  grpc_request request = to("GreetOften", {{"name", std::string(1000, 'x')}, {"count", 100}});
  EXPECT_EQ(result(request).size(), 100U);
  request.max_response_bytes = 50'000;
  EXPECT_EQ(failed(request).type, "GrpcResponseTooLarge");
  request = to("GreetOften", {{"name", std::string(5'000'000, 'x')}, {"count", 1}});
  EXPECT_EQ(result(request).size(), 1U) << "larger than gRPC's own bound";
}

TEST_F(GrpcBackend, CancelsWhatIsCanceled) {
  const auto task = make_task("grpc", codec<grpc_request>::encode(to("Wait")), 1);
  backend->run({task, make_task("grpc", codec<grpc_request>::encode(to("Wait")), 2, 5'000'000)});
  service.wait_until_waiting(2);
  backend->cancel(tasks::dispatch_id_of(*task));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(1).how));
  service.wait_until_waiting(1);
  time.advance(5s);
  EXPECT_TRUE(std::holds_alternative<tasks::timed_out>(ends.of(2).how));
  service.wait_until_waiting(0);
  backend->run({make_task("grpc", codec<grpc_request>::encode(to("Wait")), 3)});
  service.wait_until_waiting(1);
  backend.reset();
  service.wait_until_waiting(0);
  EXPECT_EQ(ends.reports().size(), 2U) << "what was abandoned has no end";
}

TEST_F(GrpcBackend, ChecksCertificates) {
  SKIP_WITHOUT_TLS();
  ::grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({text_of(http_server()["server-key"]), text_of(http_server()["ca"])});
  int tls_port = 0;
  ::grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", ::grpc::SslServerCredentials(options), &tls_port);
  builder.RegisterService(&service);
  const auto tls_server = builder.BuildAndStart();
  grpc_request request = to("Greet", {{"name", "Ada"}});
  request.port = tls_port;
  request.host = "localhost";
  request.tls = true;
  EXPECT_EQ(failed(request).type, "GrpcUnavailable");
  request.ca_file = http_server()["ca"];
  EXPECT_EQ(result(request)["text"], "hello Ada") << result(request);
  request.ca_file = "/no/such/file";
  EXPECT_EQ(failed(request).type, "InvalidPayload");
}

}  // namespace
}  // namespace evermill::tests
