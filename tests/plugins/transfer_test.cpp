#include "plugins/task/transfer/transfer.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "http_rig.hpp"
#include "plugins/task/transfer/transfer_loop.hpp"

namespace evermill::tests {
namespace {

using tasks::find_header;
using tasks::transfer_error;
using tasks::transfer_request;
using tasks::transfer_result;

transfer_request to(const std::string& path, std::string method = "GET") {
  transfer_request request;
  request.method = std::move(method);
  request.url = http_server()["http"] + path;
  return request;
}

TEST(Transfer, SendsMethodHeadersAndBody) {
  for (const std::string method : {"POST", "PUT", "PATCH", "DELETE", "GET", "PROPFIND"}) {
    transfer_request request = to("/echo?a=1", method);
    request.headers = {{"X-One", "1"}, {"X-Empty", ""}, {"Content-Type", "text/plain"}};
    request.body = "body";
    const auto echo = json_of(perform(request));
    EXPECT_EQ(echo["method"], method);
    EXPECT_EQ(echo["body"], "body");
    EXPECT_EQ(echo["path"], "/echo?a=1");
    EXPECT_EQ(echo["headers"]["X-One"], "1");
    EXPECT_EQ(echo["headers"]["X-Empty"], "");
    EXPECT_EQ(echo["headers"]["Content-Type"], "text/plain");
    EXPECT_FALSE(echo["headers"].contains("Expect"));
  }
}

TEST(Transfer, AddsNothingThatWasNotAskedFor) {
  transfer_request request = to("/echo", "POST");
  request.body = "x";
  EXPECT_FALSE(json_of(perform(request))["headers"].contains("Content-Type"));
  EXPECT_EQ(json_of(perform(to("/echo", "POST")))["headers"]["Content-Length"], "0");
  EXPECT_EQ(perform(to("/echo", "HEAD")).status, 200);
  EXPECT_EQ(json_of(perform(to("/echo/../echo?x")))["path"], "/echo/../echo?x") << "the path goes as it is";
}

TEST(Transfer, GivesStatusAndAllHeaders) {
  const transfer_result result = perform(to("/status/418?body=teapot&X-A=b"));
  EXPECT_EQ(result.error, transfer_error::none);
  EXPECT_EQ(result.status, 418);
  EXPECT_EQ(result.body, "teapot");
  ASSERT_NE(find_header(result.headers, "x-a"), nullptr);
  EXPECT_EQ(*find_header(result.headers, "x-a"), "b");
  EXPECT_EQ(find_header(result.headers, "x-b"), nullptr);
}

TEST(Transfer, FollowsRedirectionsOnlyWhereAsked) {
  EXPECT_EQ(perform(to("/redirect/2")).status, 302);
  transfer_request request = to("/redirect/2");
  request.max_redirects = 2;
  const transfer_result result = perform(request);
  EXPECT_EQ(result.status, 200);
  EXPECT_TRUE(result.url.ends_with("/echo")) << result.url;
  EXPECT_EQ(find_header(result.headers, "location"), nullptr) << "of the response before";
  request.max_redirects = 1;
  EXPECT_EQ(perform(request).error, transfer_error::connection);
  request.max_redirects = 5;
  request.url = http_server()["http"] + "/redirect/1?to=file:///etc/hostname";
  EXPECT_EQ(perform(request).error, transfer_error::invalid);
}

TEST(Transfer, StreamsBothBodies) {
  transfer_request request = to("/echo", "PUT");
  int left = 3;
  request.read_body = [&](char* into, std::size_t) -> std::optional<std::size_t> {
    if (left-- == 0) return 0;
    *into = 'x';
    return 1;
  };
  EXPECT_EQ(json_of(perform(request))["body"], "xxx");
  request = to("/stream/3");
  std::string heard;
  int status = 0;
  request.on_headers = [&](int said, const tasks::transfer_headers& headers) {
    status = said;
    return find_header(headers, "transfer-encoding") != nullptr;
  };
  request.on_data = [&](std::string_view piece) {
    EXPECT_EQ(status, 200);
    heard += piece;
    return true;
  };
  EXPECT_EQ(perform(request).body, "");
  EXPECT_EQ(heard, "piece 0\npiece 1\npiece 2\n");
}

TEST(Transfer, EndsWhereItsCallerHasEnough) {
  transfer_request request = to("/large/100000000");
  request.on_data = [](std::string_view) { return false; };
  EXPECT_EQ(perform(request).error, transfer_error::aborted);
  request.on_data = [](std::string_view) -> bool { throw std::runtime_error("thrown"); };
  EXPECT_THROW(perform(request), std::runtime_error);
  request = to("/echo", "PUT");
  request.read_body = [](char*, std::size_t) { return std::optional<std::size_t>(); };
  EXPECT_EQ(perform(request).error, transfer_error::aborted);
}

TEST(Transfer, BoundsWhatItKeeps) {
  transfer_request request = to("/large/1000");
  request.max_body_bytes = 1000;
  EXPECT_EQ(perform(request).body.size(), 1000U);
  request.max_body_bytes = 999;
  const transfer_result result = perform(request);
  EXPECT_EQ(result.error, transfer_error::too_large);
  EXPECT_EQ(result.body, "");
  EXPECT_NE(result.message.find("999"), std::string::npos);
}

TEST(Transfer, BoundsHeaders) {
  EXPECT_EQ(perform(to("/headers/90")).status, 200);
  const transfer_result result = perform(to("/headers/1100"));
  EXPECT_EQ(result.error, transfer_error::too_large);
  EXPECT_NE(result.message.find("headers"), std::string::npos);
}

TEST(Transfer, ReachesAUnixSocket) {
  transfer_request request;
  request.url = "http://localhost/echo";
  request.unix_socket = http_server()["unix"];
  EXPECT_EQ(json_of(perform(request))["headers"]["Host"], "localhost");
}

TEST(Transfer, ChecksCertificates) {
  SKIP_WITHOUT_TLS();
  transfer_request request;
  request.url = http_server()["https"] + "/echo";
  EXPECT_EQ(perform(request).error, transfer_error::tls);
  request.verify_peer = false;
  EXPECT_EQ(perform(request).status, 200);
  request.verify_peer = true;
  request.ca_file = http_server()["ca"];
  EXPECT_EQ(perform(request).status, 200);
  request.ca_file = "/no/such/file";
  EXPECT_EQ(perform(request).error, transfer_error::invalid);
}

TEST(Transfer, ShowsItsOwnCertificate) {
  SKIP_WITHOUT_TLS();
  transfer_request request;
  request.url = http_server()["mutual"] + "/echo";
  request.ca_file = http_server()["ca"];
  EXPECT_NE(perform(request).error, transfer_error::none);
  request.certificate_file = http_server()["certificate"];
  request.key_file = http_server()["key"];
  EXPECT_EQ(perform(request).status, 200);
}

TEST(Transfer, LogsIn) {
  transfer_request request = to("/basic");
  EXPECT_EQ(perform(request).status, 401);
  request.login = {tasks::transfer_login::kind::basic, "user", "päss:word"};
  EXPECT_EQ(perform(request).status, 200);
  request = to("/digest", "POST");
  request.body = "x";
  request.login = {tasks::transfer_login::kind::digest, "user", "secret-word"};
  EXPECT_EQ(perform(request).status, 200);
  request.login.password = "wrong";
  EXPECT_EQ(perform(request).status, 401);
  request = to("/echo");
  request.login = {tasks::transfer_login::kind::bearer, "", "a-token"};
  EXPECT_EQ(json_of(perform(request))["headers"]["Authorization"], "Bearer a-token");
}

TEST(Transfer, TellsServersThatFail) {
  EXPECT_EQ(perform(to("/broken")).error, transfer_error::connection);
  EXPECT_EQ(perform(to("/garbage")).error, transfer_error::connection);
  EXPECT_EQ(perform(to("/nothing")).error, transfer_error::connection);
  EXPECT_TRUE(perform(to("/nothing")).connected);
  transfer_request request;
  request.url = "http://127.0.0.1:1/";
  EXPECT_EQ(perform(request).error, transfer_error::connection);
  EXPECT_FALSE(perform(request).connected);
  for (const std::string url : {"", "ftp://127.0.0.1/", "file:///etc/hostname", "http://", "no url"}) {
    request.url = url;
    EXPECT_NE(perform(request).error, transfer_error::none) << url;
  }
  request = to("/slow/timeout");
  request.timeout = std::chrono::milliseconds(20);
  EXPECT_EQ(perform(request).error, transfer_error::timeout);
}

TEST(Transfer, RefusesHeadersThatWouldAddOthers) {
  for (const auto& [name, value] : {std::pair("X", "a\r\nX-Other: b"), std::pair("X\n", "a"), std::pair("", "a"), std::pair("A:B", "c")}) {
    transfer_request request = to("/echo");
    request.headers = {{name, value}};
    EXPECT_EQ(perform(request).error, transfer_error::invalid);
  }
  EXPECT_EQ(perform(to("/echo", "GET /x HTTP/1.1\r\n")).error, transfer_error::invalid);
}

TEST(Transfer, IsStoppedFromAnotherThread) {
  const tasks::transfer_stop stop;
  transfer_result result;
  std::thread waits([&] { result = perform(to("/slow/stopped"), stop); });
  wait_for_requests("/slow/stopped");
  stop.stop();
  waits.join();
  EXPECT_EQ(result.error, transfer_error::canceled);
  wait_until_gone_from("/slow/stopped");
  EXPECT_EQ(perform(to("/echo"), stop).error, transfer_error::canceled) << "before it began";
}

struct TransferLoop : testing::Test {
  tasks::transfer_loop::on_done recorder() {
    return [this](transfer_result&& result) {
      const std::lock_guard lock(mutex);
      results.push_back(std::move(result));
      changed.notify_all();
    };
  }
  std::vector<transfer_result> wait_for(std::size_t count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return results.size() >= count; });
    return results;
  }
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<transfer_result> results;
};

TEST_F(TransferLoop, RunsManyAtOnce) {
  tasks::transfer_loop loop;
  constexpr int many = 200;
  for (int i = 0; i < many; ++i) loop.start(to("/slow/many"), recorder());
  wait_for_requests("/slow/many", many);  // all are there before the first is answered
  http_get("/release/many", "POST");
  for (const transfer_result& each : wait_for(many)) EXPECT_EQ(each.status, 200) << each.message;
}

TEST_F(TransferLoop, CancelsOneOfThem) {
  tasks::transfer_loop loop;
  const auto id = loop.start(to("/slow/canceled"), recorder());
  wait_for_requests("/slow/canceled");
  loop.cancel(id);
  EXPECT_EQ(wait_for(1).front().error, transfer_error::canceled);
  wait_until_gone_from("/slow/canceled");
  loop.cancel(id);
  loop.start(to("/echo"), recorder());
  EXPECT_EQ(wait_for(2).back().status, 200);
}

TEST_F(TransferLoop, TellsTheEndOfAllWhenItEnds) {
  {
    tasks::transfer_loop loop;
    loop.start(to("/slow/ended"), recorder());
    wait_for_requests("/slow/ended");
    loop.start(to("/slow/ended"), recorder());
  }
  ASSERT_EQ(results.size(), 2U);
  for (const transfer_result& each : results) EXPECT_EQ(each.error, transfer_error::canceled);
}

TEST_F(TransferLoop, WhatIsThrownEndsOneTransfer) {
  tasks::transfer_loop loop;
  transfer_request request = to("/stream/3");
  request.on_data = [](std::string_view) -> bool { throw std::runtime_error("no room"); };
  loop.start(request, recorder());
  EXPECT_EQ(wait_for(1).front().error, transfer_error::aborted);
  EXPECT_EQ(results.front().message, "no room");
  request.url = "nothing";
  loop.start(request, recorder());
  EXPECT_NE(wait_for(2).back().error, transfer_error::none);
}

}  // namespace
}  // namespace evermill::tests
