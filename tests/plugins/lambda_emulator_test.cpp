// The lambda backend against AWS's own emulator, which runs a real function in a real runtime. It checks no signatures, and tells only by
// the response's text that a function has thrown or timed out; lambda_backend_test.cpp has those.
#include <gtest/gtest.h>

#include <iostream>

#include "attempt_ends.hpp"
#include "evermill/lambda.hpp"
#include "http_rig.hpp"
#include "plugins/task/lambda/lambda_backend.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/python_server.hpp"

namespace evermill::tests {
namespace {

using nlohmann::json;

struct LambdaEmulator : testing::Test {
  void SetUp() override {
    if (!emulator().has("skip")) return;
    std::cerr << "SKIPPED: " << emulator()["skip"] << '\n';
    GTEST_SKIP() << emulator()["skip"];
  }
  static python_server& emulator() {
    static python_server made(EVERMILL_TEST_SERVERS "/lambda_emulator.py");
    return made;
  }
  tasks::attempt_end end_of(const json& payload) {
    tasks::call_options options;
    options.time = &time;
    const auto backend = make_lambda_backend(std::move(options), ends.recorder());
    lambda_request request;
    request.function = "function";
    request.payload = payload;
    request.region = "eu-central-1";
    request.access_key_id = "id";
    request.secret_access_key = "key";
    request.endpoint = emulator()["http"];
    backend->run({make_task("lambda", codec<lambda_request>::encode(request), ++last_seq)});
    return ends.of(last_seq);
  }
  manual_clock time;
  attempt_ends ends;
  std::uint64_t last_seq = 0;
};

TEST_F(LambdaEmulator, RunsARealFunction) {
  const auto made = result_of<lambda_result>(end_of({{"order", "grüße"}}));
  EXPECT_EQ(made.status, 200);
  EXPECT_EQ(made.payload["given"], json({{"order", "grüße"}}));
  EXPECT_FALSE(made.payload["request_id"].get<std::string>().empty());
}

TEST_F(LambdaEmulator, TellsHowItsProcessEnded) {
  EXPECT_EQ(failure_of(end_of({{"do", "exit"}})).type, "LambdaFunctionCrash");
  EXPECT_EQ(failure_of(end_of({{"do", "be killed"}})).type, "LambdaOutOfMemory");
  EXPECT_EQ(result_of<lambda_result>(end_of({{"a", 1}})).payload["given"]["a"], 1) << "it is there again";
  EXPECT_EQ(result_of<lambda_result>(end_of({{"do", "sleep"}})).payload, "Task timed out after 2.00 seconds");
}

}  // namespace
}  // namespace evermill::tests
