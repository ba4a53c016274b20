#include "plugins/task/http/http_backend.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "attempt_ends.hpp"
#include "evermill/http.hpp"
#include "http_rig.hpp"
#include "base/encodings.hpp"
#include "tests/support/manual_clock.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using tasks::dispatch_id_of;

struct HttpBackend : testing::Test {
  std::unique_ptr<tasks::task_backend> make(unsigned max_calls = 100) {
    tasks::call_options options;
    options.max_calls = max_calls;
    options.time = &time;
    options.on_heartbeat = ends.heartbeat_recorder();
    if (std::filesystem::exists(secrets.path())) options.secrets = tasks::open_secrets(secrets.path().string());
    return make_http_backend(std::move(options), ends.recorder());
  }
  static http_request to(const std::string& path, std::string method = "GET") {
    http_request request;
    request.method = std::move(method);
    request.url = http_server()["http"] + path;
    return request;
  }
  static task_ptr task(const http_request& request, std::uint64_t seq = 1, std::int64_t timeout_us = 0) {
    return make_task("http", codec<http_request>::encode(request), seq, timeout_us);
  }
  tasks::attempt_end end_of(const http_request& request) {
    const auto backend = make();
    backend->run({task(request, ++last_seq)});
    return ends.of(last_seq);
  }
  json result(const http_request& request) {
    const auto end = end_of(request);
    if (const auto* const how = std::get_if<tasks::failed>(&end.how)) return json::object({{"failed", how->failure.message()}});
    return result_of<json>(end);
  }
  failure failed(const http_request& request) { return failure_of(end_of(request)); }
  void write_secret(const std::string& name, const std::string& value) const { std::ofstream(secrets.path() / name) << value; }

  manual_clock time;
  attempt_ends ends;
  temporary_directory secrets;
  std::uint64_t last_seq = 0;
};

TEST_F(HttpBackend, SendsWhatIsAsked) {
  http_request request = to("/echo?a=1#fragment", "PUT");
  request.query = {{"b", "x y&z"}, {"c", {1, true}}, {"d", nullptr}};
  request.headers = {{"X-One", "1"}};
  request.body = {{"n", 1}};
  const json echo = result(request);
  EXPECT_EQ(echo["method"], "PUT");
  EXPECT_EQ(echo["path"], "/echo?a=1&b=x%20y%26z&c=1&c=true");
  EXPECT_EQ(echo["headers"]["X-One"], "1");
  EXPECT_EQ(echo["headers"]["Content-Type"], "application/json");
  EXPECT_EQ(echo["body"], R"({"n":1})");
}

TEST_F(HttpBackend, SendsBodiesAsTheirTypeSays) {
  http_request request = to("/echo", "POST");
  const auto sent = [&](const std::string& type, const json& body) {
    request.headers = type.empty() ? std::map<std::string, std::string>() : std::map<std::string, std::string>{{"content-type", type}};
    request.body = body;
    return result(request)["body"];
  };
  EXPECT_EQ(sent("", "text"), "\"text\"");
  EXPECT_EQ(sent("text/plain; charset=utf-8", "text"), "text");
  EXPECT_EQ(sent("application/json", "text"), "\"text\"");
  EXPECT_EQ(sent("application/vnd.x+json", "text"), "\"text\"");
  EXPECT_EQ(sent("application/x-www-form-urlencoded", {{"a", "1 2"}, {"b", {3, 4}}}), "a=1%202&b=3&b=4");
  EXPECT_EQ(sent("application/x-www-form-urlencoded", "a=1"), "a=1");
  request = to("/echo", "POST");
  request.body_base64 = base64_encoded("raw");
  EXPECT_EQ(result(request)["body"], "raw");
  EXPECT_FALSE(result(request)["headers"].contains("Content-Type"));
  EXPECT_EQ(result(to("/echo", "DELETE"))["headers"].contains("Content-Type"), false);
}

TEST_F(HttpBackend, GivesTheContentAsItsTypeSays) {
  EXPECT_EQ(result(to("/text/hello")), "hello");
  EXPECT_EQ(result(to("/text/5?type=application/json")), 5);
  EXPECT_EQ(result(to("/text/5?type=application/problem%2Bjson")), 5);
  EXPECT_EQ(result(to("/text/5?type=text/plain&base64=/w==")), "/w==") << "what is no text comes in base64";
  EXPECT_EQ(result(to("/status/204")), json());
  http_request raw = to("/text/hello");
  raw.output = "raw";
  EXPECT_EQ(result(raw), base64_encoded("hello"));
  const failure why = failed(to("/text/%7Bno?type=application/json"));
  EXPECT_EQ(why.type, "HttpContent");
  EXPECT_TRUE(why.non_retryable) << "the server has acted: another attempt would make it act again";
}

TEST_F(HttpBackend, GivesTheWholeResponse) {
  http_request request = to("/echo");
  request.output = "response";
  request.headers = {{"X-One", "1"}};
  const json response = result(request);
  EXPECT_EQ(response["statusCode"], 200);
  EXPECT_EQ(response["request"], json({{"method", "GET"}, {"uri", request.url}, {"headers", {{"X-One", "1"}}}}));
  EXPECT_EQ(response["headers"]["content-type"], "application/json");
  EXPECT_EQ(response["headers"]["x-repeat"], "1, 2");
  EXPECT_EQ(response["content"]["method"], "GET");
}

TEST_F(HttpBackend, FailsOnOtherStatusesAndRetriesTheRightOnes) {
  for (const int status : {300, 400, 401, 403, 404, 409, 422, 408, 425, 429, 500, 502, 503, 504}) {
    const failure why = failed(to("/status/" + std::to_string(status) + "?body=because"));
    EXPECT_EQ(why.type, "HttpStatus");
    const bool passes = status == 408 || status == 425 || status == 429 || status >= 500;
    EXPECT_EQ(why.non_retryable, !passes) << status;
    const json details = json::parse(why.details.value().data);
    EXPECT_EQ(details["status"], status);
    EXPECT_EQ(details["body"], "because");
    EXPECT_FALSE(why.next_retry_delay) << status;
  }
}

TEST_F(HttpBackend, WaitsAsLongAsTheServerAsks) {
  EXPECT_EQ(failed(to("/status/503?Retry-After=7")).next_retry_delay, 7s);
  EXPECT_EQ(failed(to("/status/429?Retry-After=999999999")).next_retry_delay, 24h) << "at most";
  EXPECT_FALSE(failed(to("/status/429?Retry-After=soon")).next_retry_delay);
  EXPECT_FALSE(failed(to("/status/404?Retry-After=7")).next_retry_delay);
  time.advance(from_micros(1'700'000'000'000'000) - time.now());
  EXPECT_EQ(failed(to("/status/503?Retry-After=Tue,%2014%20Nov%202023%2022:14:00%20GMT")).next_retry_delay, 40s);
  EXPECT_EQ(failed(to("/status/503?Retry-After=Tue,%2014%20Nov%202022%2022:14:00%20GMT")).next_retry_delay, 0s);
}

TEST_F(HttpBackend, TakesRedirectionsAsItIsTold) {
  http_request request = to("/redirect/1");
  EXPECT_EQ(failed(request).type, "HttpStatus");
  request.redirect = true;
  request.output = "response";
  EXPECT_EQ(result(request)["statusCode"], 302);
  EXPECT_EQ(result(request)["headers"]["location"], "/echo");
  request.redirect = false;
  request.max_redirects = 3;
  EXPECT_EQ(result(request)["content"]["path"], "/echo");
  EXPECT_EQ(result(request)["request"]["uri"], http_server()["http"] + "/echo");
}

TEST_F(HttpBackend, RefusesRequestsThatCannotBeMade) {
  std::vector<json> inputs{{{"url", ""}},          {{"url", 1}},
                           {{"url", "ftp://x/"}},  {{"url", "http://x/"}, {"output", "all"}},
                           {{"url", "http://x/"}, {"body", 1}, {"body_base64", "eA=="}},
                           {{"url", "http://x/"}, {"body_base64", "!"}},
                           {{"url", "http://x/"}, {"body_file", "/no/such/file"}},
                           {{"url", "http://x/"}, {"max_response_bytes", -1}},
                           {{"url", "http://x/"}, {"connect_timeout_ms", 0}},
                           {{"url", "http://x/"}, {"query", {{"a", json::object()}}}},
                           {{"url", "http://x/"}, {"headers", {{"a", "b\r\nc: d"}}}},
                           {{"url", "http://x/"}, {"authentication", {{"kind", "magic"}}}},
                           {{"url", "http://x/"}, {"authentication", {{"kind", "bearer"}}}},
                           {{"url", "http://x/"}, {"authentication", {{"kind", "oauth2"}, {"authority", "x"}}}},
                           {{"url", "http://x/"}, {"authentication", {{"kind", "oidc"}, {"authority", "http://x"}, {"grant", "x"}}}},
                           {{"url", "http://x/"}, {"authentication", 1}}};
  const auto backend = make();
  for (const json& input : inputs) {
    backend->run({make_task("http", json_payload(input.dump()), ++last_seq)});
    const failure why = failure_of(ends.of(last_seq));
    EXPECT_EQ(why.type, "InvalidPayload") << input << why.message;
    EXPECT_EQ(why.kind, failure_kind::invalid_payload) << input;
    EXPECT_TRUE(why.non_retryable) << input;
  }
}

TEST_F(HttpBackend, TellsServersThatFail) {
  for (const std::string path : {"/broken", "/garbage", "/nothing"}) {
    EXPECT_EQ(failed(to(path)).type, "HttpConnection") << path;
    EXPECT_FALSE(failed(to(path)).non_retryable) << path;
  }
  http_request request;
  request.url = "http://127.0.0.1:1/";
  EXPECT_EQ(failed(request).type, "HttpConnection");
  request = to("/slow/timeout-of-its-own");
  request.timeout_ms = 20;
  EXPECT_EQ(failed(request).type, "HttpTimeout");
  EXPECT_FALSE(failed(request).non_retryable);
}

TEST_F(HttpBackend, ChecksCertificates) {
  SKIP_WITHOUT_TLS();
  http_request request;
  request.url = http_server()["https"] + "/echo";
  EXPECT_EQ(failed(request).type, "HttpTls");
  EXPECT_TRUE(failed(request).non_retryable);
  request.ca_file = http_server()["ca"];
  EXPECT_EQ(result(request)["method"], "GET");
  request.url = http_server()["mutual"] + "/echo";
  request.certificate_file = http_server()["certificate"];
  request.key_file = http_server()["key"];
  EXPECT_EQ(result(request)["method"], "GET");
}

TEST_F(HttpBackend, BoundsResponsesInMemory) {
  http_request request = to("/large/1000");
  request.max_response_bytes = 999;
  const failure why = failed(request);
  EXPECT_EQ(why.type, "HttpResponseTooLarge");
  EXPECT_NE(why.message.find("response_file"), std::string::npos) << "what to do about it";
  EXPECT_TRUE(why.non_retryable);
}

TEST_F(HttpBackend, WritesLargeResponsesToAFile) {
  http_request request = to("/large/20000000");
  const std::filesystem::path file = secrets.path() / "large";
  request.response_file = file.string();
  EXPECT_EQ(result(request), json({{"file", file.string()}, {"bytes", 20'000'000}}));
  EXPECT_EQ(std::filesystem::file_size(file), 20'000'000U);
  request.url = http_server()["http"] + "/status/404?body=gone";
  EXPECT_EQ(json::parse(failed(request).details.value().data)["body"], "gone") << "not into the file";
  request.url = http_server()["http"] + "/broken";
  request.response_file = (secrets.path() / "broken").string();
  EXPECT_EQ(failed(request).type, "HttpConnection");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(secrets.path()), {}), 1) << "nothing is left of what broke off";
  request.response_file = "/no/such/place/x";
  EXPECT_EQ(failed(request).type, "HttpFile");
}

TEST_F(HttpBackend, SendsAFile) {
  write_secret("body", std::string(3'000'000, 'x') + "end");
  http_request request = to("/echo", "POST");
  request.body_file = (secrets.path() / "body").string();
  EXPECT_EQ(result(request)["headers"]["Content-Length"], "3000003");
  request.url = http_server()["http"] + "/digest";
  request.authentication = basic_authentication("user", "secret-word");
  request.authentication["kind"] = "digest";
  EXPECT_EQ(result(request)["user"], "user") << "sent again for the login";
}

TEST_F(HttpBackend, TellsTheServerWhichAttemptsAreRepeats) {
  http_request request = to("/echo", "POST");
  request.idempotency_header = "Idempotency-Key";
  EXPECT_EQ(result(request)["headers"]["Idempotency-Key"], "1.2.1");
}

TEST_F(HttpBackend, BreaksOffWhatIsCanceled) {
  const auto backend = make();
  for (const auto& [path, seq] : {std::pair("/slow/cancel", 1U), std::pair("/slow/stop", 2U), std::pair("/slow/limit", 3U)}) {
    backend->run({task(to(path), seq, seq == 3 ? 5'000'000 : 0)});
    wait_for_requests(path);
  }
  backend->cancel(dispatch_id_of(*task(to(""), 1)));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(1).how));
  wait_until_gone_from("/slow/cancel");
  backend->request_stop(dispatch_id_of(*task(to(""), 2)));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(2).how));
  wait_until_gone_from("/slow/stop");
  time.advance(5s);
  const auto end = ends.of(3);
  const auto* const how = std::get_if<tasks::timed_out>(&end.how);
  ASSERT_NE(how, nullptr);
  EXPECT_EQ(how->which, tasks::timed_out::limit::start_to_close);
  wait_until_gone_from("/slow/limit");
  EXPECT_EQ(ends.reports(), (std::map<std::uint64_t, int>{{1, 1}, {2, 1}, {3, 1}}));
}

TEST_F(HttpBackend, SilenceIsTooLongWithoutBytes) {
  auto silent = std::make_shared<messages::ActivityTask>(*task(to("/slow/silent")));
  silent->mutable_options()->set_heartbeat_us(10'000'000);
  const auto backend = make();
  backend->run({silent});
  wait_for_requests("/slow/silent");
  time.advance(10s);
  const auto end = ends.of(1);
  ASSERT_TRUE(std::holds_alternative<tasks::timed_out>(end.how));
  EXPECT_EQ(std::get<tasks::timed_out>(end.how).which, tasks::timed_out::limit::heartbeat);
}

TEST_F(HttpBackend, HeartbeatsArePassedOnOnlyWhereTheyAreWaitedFor) {
  auto watched = std::make_shared<messages::ActivityTask>(*task(to("/stream/3"), 1));
  watched->mutable_options()->set_heartbeat_us(10'000'000);
  const auto backend = make();
  backend->run({watched, task(to("/stream/3"), 2, 5'000'000)});
  ends.wait_for(2);
  EXPECT_EQ(ends.heartbeats(1, 1).size(), 1U) << "the others wait for their turn";
  EXPECT_TRUE(ends.heartbeats(2, 0).empty());
}

TEST_F(HttpBackend, RunsAsManyAsItMay) {
  const auto backend = make(2);
  for (std::uint64_t seq = 1; seq <= 4; ++seq) backend->run({task(to("/slow/bounded"), seq)});
  wait_for_requests("/slow/bounded", 2);
  backend->expire(dispatch_id_of(*task(to(""), 1)));
  backend->expire(dispatch_id_of(*task(to(""), 3)));
  EXPECT_EQ(std::get<tasks::timed_out>(ends.of(3).how).which, tasks::timed_out::limit::schedule_to_start);
  EXPECT_EQ(ends.of(3).started_us, 0);
  backend->cancel(dispatch_id_of(*task(to(""), 4)));
  EXPECT_EQ(ends.of(4).started_us, 0);
  backend->run({task(to("/echo"), 5)});
  EXPECT_EQ(ends.reports().size(), 2U);
  http_get("/release/bounded", "POST");
  EXPECT_EQ(result_of<json>(ends.of(5))["method"], "GET");
  EXPECT_EQ(result_of<json>(ends.of(1))["slow"], true) << "one that has started goes on";
}

TEST_F(HttpBackend, HundredsWaitOnOneThread) {
  const auto threads = [] { return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}); };
  const auto backend = make(500);
  const auto before = threads();
  constexpr std::uint64_t many = 300;
  for (std::uint64_t seq = 1; seq <= many; ++seq) backend->run({task(to("/slow/hundreds"), seq)});
  wait_for_requests("/slow/hundreds", many);
  EXPECT_LE(threads(), before + 3);
  http_get("/release/hundreds", "POST");
  ends.wait_for(many);
  EXPECT_EQ(result_of<json>(ends.of(many))["slow"], true);
}

TEST_F(HttpBackend, WhatRunsWhenItStopsMayEndWithinTheGrace) {
  const auto backend = make(1);
  backend->run({task(to("/slow/grace"), 1), task(to("/echo"), 2)});
  wait_for_requests("/slow/grace");
  std::thread stops([&] { backend->stop(1h); });
  EXPECT_EQ(ends.of(2).started_us, 0) << "it had no room, and is given back";
  http_get("/release/grace", "POST");
  EXPECT_EQ(result_of<json>(ends.of(1))["slow"], true);
  stops.join();
  backend->run({task(to("/echo"), 3)});
  EXPECT_EQ(ends.reports().size(), 2U) << "nothing is told after a stop";
}

TEST_F(HttpBackend, AbandonsWhatTheGraceIsTooShortFor) {
  const auto backend = make();
  backend->run({task(to("/slow/abandoned"), 1)});
  wait_for_requests("/slow/abandoned");
  backend->stop(0ms);
  wait_until_gone_from("/slow/abandoned");
  EXPECT_TRUE(ends.reports().empty()) << "whether it had effects is unknown";
}

}  // namespace
}  // namespace evermill::tests
