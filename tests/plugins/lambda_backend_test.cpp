#include "plugins/task/lambda/lambda_backend.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "attempt_ends.hpp"
#include "evermill/lambda.hpp"
#include "http_rig.hpp"
#include "tests/support/manual_clock.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

struct LambdaBackend : testing::Test {
  LambdaBackend() {
    std::ofstream(secrets.path() / "aws") << R"({"id": "AKIDEXAMPLE", "key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"})";
    tasks::call_options options;
    options.time = &time;
    options.secrets = tasks::open_secrets(secrets.path().string());
    const auto variable = [this](const char* name) {
      const auto it = environment.find(name);
      return it == environment.end() ? std::string() : it->second;
    };
    backend = make_lambda_backend(std::move(options), ends.recorder(), variable);
  }
  static std::string server() {
    static python_server server(EVERMILL_TEST_SERVERS "/lambda_server.py");
    return server["http"];
  }
  static lambda_request to(const std::string& function) {
    lambda_request request;
    request.function = function;
    request.payload = {{"order", 7}};
    request.region = "eu-central-1";
    request.access_key_id = secret("aws.id");
    request.secret_access_key = secret("aws.key");
    request.endpoint = server();
    return request;
  }
  tasks::attempt_end end_of(const lambda_request& request) {
    backend->run({make_task("lambda", codec<lambda_request>::encode(request), ++last_seq)});
    return ends.of(last_seq);
  }
  lambda_result result(const lambda_request& request) {
    const auto end = end_of(request);
    if (const auto* const how = std::get_if<tasks::failed>(&end.how)) {
      ADD_FAILURE() << how->failure.type() << ": " << how->failure.message();
      return {};
    }
    return result_of<lambda_result>(end);
  }
  failure failed(const lambda_request& request) { return failure_of(end_of(request)); }

  manual_clock time;
  attempt_ends ends;
  temporary_directory secrets;
  std::map<std::string, std::string> environment;
  std::unique_ptr<tasks::task_backend> backend;
  std::uint64_t last_seq = 0;
};

TEST_F(LambdaBackend, InvokesAFunction) {
  const lambda_result made = result(to("orders"));
  EXPECT_EQ(made.status, 200);
  EXPECT_EQ(made.payload["function"], "orders");
  EXPECT_EQ(made.payload["given"], json({{"order", 7}}));
  EXPECT_EQ(made.executed_version, "7");
  EXPECT_EQ(made.request_id, "request-1");
  EXPECT_NE(made.log_tail.find("last words"), std::string::npos);
  lambda_request quiet = to("orders");
  quiet.log_tail = false;
  quiet.client_context = {{"custom", {{"a", "b"}}}};
  EXPECT_EQ(result(quiet).log_tail, "");
  EXPECT_EQ(result(quiet).payload["context"], R"({"custom":{"a":"b"}})");
  EXPECT_EQ(result(to("returns-text")).payload, "no json");
}

TEST_F(LambdaBackend, TellsWhereInATraceItIs) {
  const auto headers_with = [&](const std::string& traceparent) {
    auto task = std::make_shared<messages::ActivityTask>(*make_task("lambda", codec<lambda_request>::encode(to("orders")), ++last_seq));
    task->set_traceparent(traceparent);
    backend->run({task});
    return result_of<lambda_result>(ends.of(last_seq)).payload["headers"];
  };
  const json traced = headers_with("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  EXPECT_EQ(traced["X-Amzn-Trace-Id"], "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1");
  EXPECT_EQ(traced["Authorization"].get<std::string>().find("trace-id"), std::string::npos) << "those on the way may change it";
  EXPECT_EQ(headers_with("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")["X-Amzn-Trace-Id"],
            "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=0");
  EXPECT_FALSE(headers_with("").contains("X-Amzn-Trace-Id"));
}

TEST_F(LambdaBackend, SignsWhateverNameAndQualifier) {
  for (const std::string function : {"orders", "123456789012:function:orders", "arn:aws:lambda:us-west-2:123456789012:function:orders"}) {
    for (const std::string qualifier : {"", "$LATEST", "7", "prod-blue_1"}) {
      lambda_request request = to(function);
      request.qualifier = qualifier;
      const json payload = result(request).payload;
      EXPECT_EQ(payload["function"], function) << qualifier;
      EXPECT_EQ(payload["query"] == "", qualifier.empty()) << payload["query"];
    }
  }
  lambda_request request = to("orders");
  request.payload = {{"text", "grüße, 世界"}};
  EXPECT_EQ(result(request).payload["given"]["text"], "grüße, 世界");
  request.endpoint += "/";
  EXPECT_EQ(result(request).status, 200);
}

TEST_F(LambdaBackend, TakesTheRegionOfAnArn) {
  lambda_request request = to("arn:aws:lambda:us-west-2:123456789012:function:orders");
  request.region = "";
  EXPECT_NE(result(request).payload["headers"]["Authorization"].get<std::string>().find("/us-west-2/lambda/"), std::string::npos);
  request.function = "orders";
  EXPECT_EQ(failed(request).type, "InvalidPayload");
  environment["AWS_DEFAULT_REGION"] = "ap-south-1";
  EXPECT_NE(result(request).payload["headers"]["Authorization"].get<std::string>().find("/ap-south-1/lambda/"), std::string::npos);
}

TEST_F(LambdaBackend, SignsWithTheEnvironmentsCredentials) {
  lambda_request request = to("orders");
  request.access_key_id = request.secret_access_key = "";
  EXPECT_EQ(failed(request).type, "LambdaCredentials");
  environment = {{"AWS_ACCESS_KEY_ID", "ASIAEXAMPLE"}, {"AWS_SECRET_ACCESS_KEY", "temporary/key"}, {"AWS_SESSION_TOKEN", "session==token"}};
  EXPECT_EQ(result(request).payload["headers"]["X-Amz-Security-Token"], "***");
  environment["AWS_SESSION_TOKEN"] = "another";
  EXPECT_EQ(failed(request).type, "LambdaRefused");
}

TEST_F(LambdaBackend, ReachesLambdaItselfWhereNoEndpointIsGiven) {
  const auto url_in = [&](const std::string& region) {
    lambda_request request = to("orders");
    request.endpoint = "";
    request.region = region;
    return tasks::transfer_of(request, [](const char*) { return std::string("x"); }, "").url;
  };
  EXPECT_EQ(url_in("eu-central-1"), "https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions/orders/invocations");
  EXPECT_EQ(url_in("cn-north-1"), "https://lambda.cn-north-1.amazonaws.com.cn/2015-03-31/functions/orders/invocations");
  EXPECT_THROW(url_in("evil.example.com/"), payload_error);
}

TEST_F(LambdaBackend, InvokesWithoutWaiting) {
  lambda_request request = to("throws");
  request.invocation = "Event";
  EXPECT_EQ(result(request).status, 202);
  EXPECT_EQ(result(request).payload, json());
  request.invocation = "DryRun";
  EXPECT_EQ(result(request).status, 204);
}

TEST_F(LambdaBackend, TellsApartHowAFunctionFails) {
  for (const auto& [function, type] :
       {std::pair("throws", "LambdaFunctionError"), std::pair("times-out", "LambdaFunctionTimeout"), std::pair("times-out-by-type", "LambdaFunctionTimeout"),
        std::pair("is-killed", "LambdaOutOfMemory"), std::pair("exits", "LambdaFunctionCrash")}) {
    const failure why = failed(to(function));
    EXPECT_EQ(why.type, type);
    EXPECT_FALSE(why.non_retryable);
    const json details = json::parse(why.details.value().data);
    EXPECT_NE(details["log_tail"].get<std::string>().find("last words"), std::string::npos);
    EXPECT_EQ(details["request_id"], "request-1");
    EXPECT_EQ(details["stackTrace"], json::array({"line 1"}));
    EXPECT_NE(why.message.find(details["errorMessage"].get<std::string>()), std::string::npos);
  }
}

TEST_F(LambdaBackend, TellsTheServiceFromTheFunction) {
  const failure throttled = failed(to("throttled"));
  EXPECT_EQ(throttled.type, "LambdaThrottled");
  EXPECT_FALSE(throttled.non_retryable);
  EXPECT_EQ(throttled.next_retry_delay, 3s);
  for (const std::string function : {"broken", "bad-gateway", "changing"}) {
    EXPECT_EQ(failed(to(function)).type, "LambdaService") << function;
    EXPECT_FALSE(failed(to(function)).non_retryable) << function;
  }
  const failure missing = failed(to("missing"));
  EXPECT_EQ(missing.type, "LambdaRefused");
  EXPECT_TRUE(missing.non_retryable);
  EXPECT_EQ(json::parse(missing.details.value().data),
            json({{"status", 404}, {"errorType", "ResourceNotFoundException"}, {"message", "Function not found: missing"}, {"request_id", "request-1"}}));
  lambda_request request = to("orders");
  request.secret_access_key = "wrong";
  EXPECT_EQ(failed(request).type, "LambdaRefused");
  EXPECT_NE(failed(request).message.find("InvalidSignatureException"), std::string::npos);
  request.endpoint = "http://127.0.0.1:1";
  EXPECT_EQ(failed(request).type, "HttpConnection");
}

TEST_F(LambdaBackend, RefusesInvocationsThatCannotBeMade) {
  for (const json& input : {json{{"function", ""}}, json{{"function", "x"}, {"invocation", "Now"}}, json{{"function", std::string(171, 'x')}},
                            json{{"function", "x"}, {"client_context", 1}, {"region", "x"}}, json::array()}) {
    backend->run({make_task("lambda", json_payload(input.dump()), ++last_seq)});
    EXPECT_EQ(failure_of(ends.of(last_seq)).type, "InvalidPayload") << input;
  }
}

TEST_F(LambdaBackend, IsNotWaitedForWhenCanceled) {
  lambda_request request = to("orders");
  request.endpoint = http_server()["http"] + "/slow/lambda";
  const auto task = make_task("lambda", codec<lambda_request>::encode(request), 1);
  backend->run({task});
  const std::string path = "/slow/lambda/2015-03-31/functions/orders/invocations";
  wait_for_requests(path);
  backend->cancel(tasks::dispatch_id_of(*task));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(1).how));
  wait_until_gone_from(path);
}

}  // namespace
}  // namespace evermill::tests
