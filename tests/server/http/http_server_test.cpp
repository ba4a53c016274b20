#include "server/http/http_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/http/raw_client.hpp"

namespace evermill::server::http {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::vector<route> routes() {
  return {{"GET", "/hello",
           [](const request& what) {
             return response{200, "text/x-test", "hello " + what.query};
           }},
          {"POST", "/echo",
           [](const request& what) {
             return response{201, "text/plain", what.method + ": " + what.body};
           }},
          {"GET", "/echo",
           [](const request&) {
             return response{200, "text/plain", "echo"};
           }},
          {"GET", "/large",
           [](const request&) {
             return response{200, "text/plain", std::string(8'000'000, 'x')};
           }},
          {"GET", "/throws", [](const request&) -> response { throw std::runtime_error("broken"); }},
          {"POST", "/only-post", [](const request&) { return response{}; }}};
}

server_options on_loopback() {
  server_options options;
  options.listen = {"127.0.0.1", 0};
  return options;
}

class HttpServer : public testing::Test {
 protected:
  void restart(const server_options& options) { server_ = std::make_unique<http_server>(options, routes(), log()); }
  http_server& server() { return *server_; }
  std::string get(const std::string& path) { return client(server()).get(path); }
  std::string say(std::string_view text) {
    client one(server());
    one.send(text);
    return one.read_all();
  }

  std::unique_ptr<http_server> server_ = std::make_unique<http_server>(on_loopback(), routes(), log());
};

TEST_F(HttpServer, AnswersARoute) {
  const std::string answer = get("/hello?a=b&c");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/x-test\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nhello a=b&c"));
}

TEST_F(HttpServer, ListensWhereItSays) {
  EXPECT_EQ(server().listening().host, "127.0.0.1");
  EXPECT_NE(server().listening().port, 0);
}

TEST_F(HttpServer, AConnectionMayAskAgainAndAhead) {
  client one(server());
  EXPECT_THAT(one.get("/hello?1"), EndsWith("hello 1"));
  one.send("GET /hello?2 HTTP/1.1\r\nHost: x\r\n\r\nGET /hello?3 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(one.read_answer(), EndsWith("hello 2"));
  EXPECT_THAT(one.read_answer(), EndsWith("hello 3"));
  one.send("GET /hello?4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(one.read_all(), EndsWith("hello 4"));
}

TEST_F(HttpServer, ABodyIsRead) {
  const std::string answer =
      say("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 201 Created"));
  EXPECT_THAT(answer, EndsWith("POST: body"));
  const std::string chunked =
      "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_THAT(say(chunked + "3\r\nabc\r\n0\r\n\r\n"), EndsWith("POST: abc"));
}

TEST_F(HttpServer, HeadHasNoBody) {
  client one(server());
  one.send("HEAD /hello?x HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string answer = one.read_answer(false);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 7\r\n"));
  EXPECT_THAT(one.get("/hello?y"), StartsWith("HTTP/1.1 200")) << "what follows is the next answer, not a body";
}

TEST_F(HttpServer, UnknownPathsAreNotFound) {
  EXPECT_THAT(get("/"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(get("/hello/"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(get("/HELLO"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(HttpServer, OtherMethodsAreNotAllowed) {
  const std::string answer = say("DELETE /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(answer, HasSubstr("Allow: POST, GET, HEAD\r\n"));
  EXPECT_THAT(get("/only-post"), HasSubstr("Allow: POST\r\n"));
  EXPECT_THAT(say("BREW /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), StartsWith("HTTP/1.1 405 "));
}

TEST_F(HttpServer, WhatARouteThrowsIsAnError) {
  const std::string answer = get("/throws");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(answer, Not(HasSubstr("broken"))) << "that is for the log";
  EXPECT_THAT(get("/hello"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServer, WhatIsNoHttpIsRefused) {
  for (const char* text : {"\r\n \r\n\r\n", "GET\r\n\r\n", "GET /hello\r\n\r\n", "\x16\x03\x01\x02\x01\r\n\r\n",
                           "GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
                           "GET /hello HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n", "GET /hello HTTP/1.1\r\n\r\n"}) {
    EXPECT_THAT(say(text), StartsWith("HTTP/1.1 400 ")) << text;
  }
  EXPECT_THAT(say("GET /hello FTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 505 "));
  EXPECT_THAT(get("/hello"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServer, ARequestThatEndsHalfwayIsDropped) {
  client one(server());
  one.send("GET /hello HT");
  one.finish_sending();
  EXPECT_EQ(one.read_all(), "");
  client body(server());
  body.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
  body.finish_sending();
  EXPECT_EQ(body.read_all(), "");
}

TEST_F(HttpServer, OversizedRequestsAreRefused) {
  const std::string many(100'000, 'a');
  EXPECT_THAT(say("GET /hello HTTP/1.1\r\nHost: x\r\nMuch: " + many + "\r\n\r\n"), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(say("GET /" + many + " HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(say("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + many),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(say("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n" + many),
              StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpServer, ManyIdleConnectionsMakeWay) {
  std::vector<std::unique_ptr<client>> idle;
  for (std::size_t n = 0; n < 3 * on_loopback().max_connections; ++n)
    idle.push_back(std::make_unique<client>(server()));
  EXPECT_THAT(get("/hello"), StartsWith("HTTP/1.1 200 "));
  EXPECT_LE(server().connections(), on_loopback().max_connections);
  EXPECT_EQ(idle.front()->read_all(), "") << "the one that was idle for longest is closed";
  EXPECT_THAT(idle.back()->get("/hello"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServer, WhereAllAreBusyTheNewcomerIsTurnedAway) {
  server_options options = on_loopback();
  options.max_connections = 2;
  restart(options);
  client first(server()), second(server());
  EXPECT_THAT(first.get("/hello"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(second.get("/hello"), StartsWith("HTTP/1.1 200 "));
  // An answer that nobody takes: it fits into no socket's buffers.
  first.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\nx");
  second.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\nx");
  EXPECT_THAT(first.read_answer(false), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(second.read_answer(false), StartsWith("HTTP/1.1 200 "));
  client third(server());
  third.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(third.read_all(), "");
}

TEST_F(HttpServer, SlowClientsAreClosed) {
  server_options options = on_loopback();
  options.idle_limit = 20ms;
  restart(options);
  EXPECT_EQ(client(server()).read_all(), "") << "says nothing";
  options = on_loopback();
  options.request_limit = 20ms;
  restart(options);
  client trickles(server());
  trickles.send("GET /hello HT");
  EXPECT_EQ(trickles.read_all(), "") << "does not come to an end";
  options = on_loopback();
  options.response_limit = 20ms;
  restart(options);
  client deaf(server());
  deaf.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  for (const auto end = std::chrono::steady_clock::now() + hangs_after; server().connections() > 0;) {
    ASSERT_LT(std::chrono::steady_clock::now(), end) << "takes no answer";
    std::this_thread::yield();
  }
}

TEST_F(HttpServer, ATimeLimitIsForTheWholeRequest) {
  server_options options = on_loopback();
  options.request_limit = 200ms;
  restart(options);
  client trickles(server());
  ASSERT_TRUE(trickles.send("GET /hello HTTP/1.1\r\nX: "));
  std::atomic<bool> closed{false};
  std::thread sender([&] {
    while (!closed && trickles.send("x")) std::this_thread::sleep_for(10ms);
  });
  EXPECT_THAT(trickles.read_all(), Not("HANGS"));
  closed = true;
  sender.join();
}

TEST_F(HttpServer, StopsWhileConnectionsAreOpen) {
  client idle(server()), halfway(server()), deaf(server());
  EXPECT_THAT(idle.get("/hello"), StartsWith("HTTP/1.1 200 "));
  halfway.send("GET /hello HT");
  deaf.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(deaf.read_answer(false), StartsWith("HTTP/1.1 200 "));
  const endpoint was = server().listening();
  server_.reset();
  EXPECT_THAT(idle.read_all(), Not("HANGS"));
  EXPECT_THAT(halfway.read_all(), Not("HANGS"));
  server_options again = on_loopback();
  again.listen = was;
  restart(again);
  EXPECT_THAT(get("/hello"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServer, APortThatIsTakenIsAnError) {
  server_options taken = on_loopback();
  taken.listen.port = server().listening().port;
  try {
    http_server another(taken, routes(), log());
    FAIL();
  } catch (const http_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("can't listen at " + to_string(taken.listen)));
  }
  taken.listen.host = "no such host";
  EXPECT_THROW(http_server(taken, routes(), log()), http_error);
}

TEST_F(HttpServer, ListensOnAllInterfaces) {
  server_options options;
  options.listen = parse_endpoint(":0");
  restart(options);
  EXPECT_THAT(get("/hello"), StartsWith("HTTP/1.1 200 "));
}

TEST(Endpoint, IsHostAndPort) {
  const auto parsed = [](std::string_view text) {
    const endpoint where = parse_endpoint(text);
    return where.host + " " + std::to_string(where.port);
  };
  EXPECT_EQ(parsed("127.0.0.1:9464"), "127.0.0.1 9464");
  EXPECT_EQ(parsed("localhost:0"), "localhost 0");
  EXPECT_EQ(parsed("[::1]:65535"), "::1 65535");
  EXPECT_EQ(parsed(":80"), " 80");
  EXPECT_EQ(to_string(endpoint{"::1", 1}), "[::1]:1");
  for (const char* text :
       {"", "host", "host:", "host:-1", "host:65536", "host:99999999999", "host:1x", "::1:80", "host: 1"}) {
    EXPECT_THROW(parse_endpoint(text), http_error) << text;
  }
}

}  // namespace
}  // namespace evermill::server::http
