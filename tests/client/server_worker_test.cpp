// Workers and a server in one process, over real connections.
#include "evermill/server_worker.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "server/grpc/grpc_server.hpp"
#include "tests/support/permits.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;
using tests::permits;

constexpr activity<int(int)> twice{.name = "twice"};
constexpr activity<int(int)> hold{.name = "hold", .options = {.heartbeat = 60s}};
constexpr activity<int(int)> twice_on_gpu{.name = "twice", .options = {.task_queue = "gpu"}};
constexpr activity<int(int)> stubborn{
    .name = "stubborn", .options = {.start_to_close = 100ms, .retry = {.max_attempts = 2, .initial_interval = 1ms}}};

task<int> doubles(context ctx, int n) { co_return co_await ctx.call(twice, n); }
task<int> doubles_on_gpu(context ctx, int n) { co_return co_await ctx.call(twice_on_gpu, n); }
task<int> holds(context ctx, int n) { co_return co_await ctx.call(hold, n); }
task<int> is_stubborn(context ctx, int n) { co_return co_await ctx.call(stubborn, n); }
task<int> doubles_many(context ctx, int n) {
  std::vector<future<int>> all_of_them;
  for (int i = 0; i < n; ++i) all_of_them.push_back(ctx.call(twice, i));
  const std::vector<int> doubled = co_await all(std::move(all_of_them));
  int total = 0;
  for (const int each : doubled) total += each;
  co_return total;
}

struct ServerWorker : ::testing::Test {
  ServerWorker() {
    workflows.add("doubles", doubles);
    workflows.add("doubles_on_gpu", doubles_on_gpu);
    workflows.add("doubles_many", doubles_many);
    workflows.add("holds", holds);
    workflows.add("is_stubborn", is_stubborn);
    activities.add(twice, [this](int n) {
      ++calls;
      return 2 * n;
    });
    activities.add(hold, [this](activity_context& about, int n) {
      {
        const std::lock_guard lock(mutex);
        attempts.push_back(about.info().attempt);
      }
      about.heartbeat(n);
      const std::stop_callback told(about.stop_token(), [this] { release.release(); });
      holding.release();
      release.acquire();
      if (about.stop_token().stop_requested()) throw canceled_error();
      return n + 1;
    });
    activities.add(stubborn, [this](activity_context& about, int n) {
      if (about.info().attempt == 2) return n;
      release.acquire();
      return 0;
    });
    open();
    listen("127.0.0.1:0");
  }
  ~ServerWorker() override {
    release.release(100);
    workers.clear();
    server.reset();
    here.reset();
  }

  void open() {
    engine_options options;
    options.data_directory = directory.path();
    options.accept_workers = true;
    here = std::make_unique<engine>(workflows, options);
  }
  void listen(const std::string& address) {
    server = std::make_unique<server::grpc_server>(*here, server::grpc_server_options{.address = address});
    port = server->port();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port); }
  server_worker& work(server_worker_options options = {}) {
    options.server.address = address();
    if (options.backends.empty()) options.backends = {"native"};
    workers.push_back(std::make_unique<server_worker>(activities, options));
    return *workers.back();
  }
  template <class R>
  R result(const std::string& id) {
    return here->find<R>(id).result();
  }

  tests::temporary_directory directory;
  registry workflows;
  registry activities;
  std::atomic<int> calls{0};
  permits holding;
  permits release;
  std::mutex mutex;
  std::vector<unsigned> attempts;
  std::unique_ptr<engine> here;
  std::unique_ptr<server::grpc_server> server;
  int port = 0;
  std::vector<std::unique_ptr<server_worker>> workers;
};

TEST_F(ServerWorker, RunsWhatTheServerHasNoCodeFor) {
  here->start("doubles", json_payload("21"), {.id = "w"});  // waits for a worker
  work();
  EXPECT_EQ(result<int>("w"), 42);
  here->start("doubles", json_payload("4"), {.id = "v"});
  EXPECT_EQ(result<int>("v"), 8);
}

TEST_F(ServerWorker, RunsTheQueuesThatItServes) {
  work();
  here->start("doubles_on_gpu", json_payload("1"), {.id = "w"});
  here->start("doubles", json_payload("2"), {.id = "v"});
  EXPECT_EQ(result<int>("v"), 4);
  EXPECT_EQ(here->describe("w").activities.size(), 1u);
  work({.task_queues = {"gpu"}});
  EXPECT_EQ(result<int>("w"), 2);
}

TEST_F(ServerWorker, HasNoMoreThanItHasRoomFor) {
  server_worker& worker = work({.concurrency = 3});
  here->start("doubles_many", json_payload("500"), {.id = "w"});
  EXPECT_EQ(result<int>("w"), 500 * 499);
  EXPECT_EQ(calls, 500);
  EXPECT_EQ(worker.statistics().attempts, 500u);
}

TEST_F(ServerWorker, SharesWithOthers) {
  for (int i = 0; i < 4; ++i) work({.concurrency = 2});
  here->start("doubles_many", json_payload("2000"), {.id = "w"});
  EXPECT_EQ(result<int>("w"), 2000 * 1999);
  for (const auto& each : workers) EXPECT_GT(each->statistics().attempts, 0u);
}

TEST_F(ServerWorker, LearnsThatAnAttemptIsCanceledAndTellsItsEnd) {
  work();
  here->start("holds", json_payload("1"), {.id = "w"});
  holding.acquire();
  here->cancel("w");
  EXPECT_EQ(here->wait("w").status, execution_status::canceled);
}

TEST_F(ServerWorker, IsToldToStopWhatTakesTooLong) {
  work();
  here->start("is_stubborn", json_payload("7"), {.id = "w"});
  EXPECT_EQ(result<int>("w"), 7);
}

TEST_F(ServerWorker, GoesOnWithWhatItHasWhenTheConnectionBreaks) {
  work();
  here->start("holds", json_payload("1"), {.id = "w"});
  holding.acquire();
  const std::string at = address();
  server->stop(0ms);
  server.reset();
  listen(at);
  release.release();
  EXPECT_EQ(result<int>("w"), 2);
  EXPECT_THAT(attempts, ::testing::ElementsAre(1u)) << "it ran once";
}

TEST_F(ServerWorker, GoesOnWithWhatItHasWhenTheServerStartsAnew) {
  work();
  here->start("holds", json_payload("1"), {.id = "w"});
  holding.acquire();
  const std::string at = address();
  server.reset();
  here.reset();
  release.release();  // it ends while nobody listens
  open();
  listen(at);
  EXPECT_EQ(result<int>("w"), 2);
  EXPECT_THAT(attempts, ::testing::ElementsAre(1u)) << "it ran once";
}

TEST_F(ServerWorker, WhatAWorkerLeavesBehindIsTriedAgain) {
  work({.stop_grace = 1ms});
  here->start("holds", json_payload("1"), {.id = "w"});
  holding.acquire();
  workers.clear();  // its function is told to stop, and then left alone
  work();
  holding.acquire();
  release.release();
  EXPECT_EQ(result<int>("w"), 2);
}

TEST_F(ServerWorker, SaysWhyItIsNotConnected) {
  server.reset();
  server_worker& worker = work();
  const auto end = std::chrono::steady_clock::now() + 60s;
  std::optional<std::string> why;
  while (std::chrono::steady_clock::now() < end) {
    why = worker.why_not_ready();
    if (why && why->find("about to") == std::string::npos) break;
    std::this_thread::yield();
  }
  ASSERT_TRUE(why);
  EXPECT_THAT(*why, ::testing::HasSubstr(address()));
}

TEST_F(ServerWorker, RefusesWhatCantBe) {
  EXPECT_THROW(server_worker(activities, {}), engine_error);
  EXPECT_THROW(work({.task_queues = {}}), engine_error);
  EXPECT_THROW(work({.task_queues = {"a", "a"}}), engine_error);
  EXPECT_THROW(work({.task_queues = {"a\nb"}}), engine_error);
  EXPECT_THROW(work({.backends = {"quantum"}}), engine_error);
}

}  // namespace
}  // namespace evermill
