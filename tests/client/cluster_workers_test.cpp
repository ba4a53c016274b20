// Workers that are connected to one node of a cluster, on a real Redis, run attempts of all nodes.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "evermill/server_worker.hpp"
#include "server/grpc/grpc_server.hpp"
#include "tests/support/permits.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;
using tests::permits;

constexpr activity<int(int)> thrice{.name = "thrice"};
constexpr activity<int(int)> thrice_on_gpu{.name = "thrice", .options = {.task_queue = "gpu"}};
constexpr activity<int(int)> keep{.name = "keep", .options = {.heartbeat = 60s}};

task<int> triples(context ctx, int n) { co_return co_await ctx.call(thrice, n); }
task<int> triples_on_gpu(context ctx, int n) { co_return co_await ctx.call(thrice_on_gpu, n); }
task<int> keeps(context ctx, int n) { co_return co_await ctx.call(keep, n); }

struct ClusterWorkers : ::testing::Test {
  ClusterWorkers() {
    if (const auto why = tests::why_no_redis()) {
      skipped = *why;
      return;
    }
    redis.emplace(directory.path() / "redis");
    workflows.add("triples", triples);
    workflows.add("triples_on_gpu", triples_on_gpu);
    workflows.add("keeps", keeps);
    activities.add(thrice, [this](int n) {
      ++calls;
      return 3 * n;
    });
    activities.add(keep, [this](activity_context& about, int n) {
      const std::stop_callback told(about.stop_token(), [this] { release.release(); });
      holding.release();
      release.acquire();
      if (about.stop_token().stop_requested()) throw canceled_error();
      return n + static_cast<int>(about.info().attempt);
    });
    for (std::size_t i = 0; i < 2; ++i) open(i);
  }
  ~ClusterWorkers() override {
    release.release(100);
    for (auto& each : workers) each.reset();
    servers[0].reset();
    servers[1].reset();
  }
  void SetUp() override {
    if (!skipped.empty()) GTEST_SKIP() << skipped;
  }

  void open(std::size_t which) {
    engine_options options;
    options.queue = "redis://" + redis->host();
    options.partitions = 4;
    options.data_directory = directory.path() / ("node-" + std::to_string(which));
    options.session_timeout = 2s;
    options.accept_workers = true;
    nodes[which] = std::make_unique<engine>(workflows, options);
    servers[which] = std::make_unique<server::grpc_server>(*nodes[which], server::grpc_server_options{.address = "127.0.0.1:0"});
  }
  server_worker& work(std::size_t at, server_worker_options options = {}) {
    options.server.address = "127.0.0.1:" + std::to_string(servers[at]->port());
    options.backends = {"native"};
    workers.push_back(std::make_unique<server_worker>(activities, options));
    return *workers.back();
  }
  /// By way of the other node than the one that workers are connected to.
  void start_all(const std::string& type, int count) {
    for (int i = 0; i < count; ++i) nodes[1]->start(type, json_payload(std::to_string(i)), {.id = type + std::to_string(i)});
  }
  void expect_all(const std::string& type, int count) {
    for (int i = 0; i < count; ++i) EXPECT_EQ(nodes[1]->find<int>(type + std::to_string(i)).result(), 3 * i);
  }

  tests::temporary_directory directory;
  std::optional<tests::redis_server> redis;
  std::string skipped;
  registry workflows;
  registry activities;
  std::atomic<int> calls{0};
  permits holding;
  permits release;
  std::unique_ptr<engine> nodes[2];
  std::unique_ptr<server::grpc_server> servers[2];
  std::vector<std::unique_ptr<server_worker>> workers;
};

TEST_F(ClusterWorkers, OfOneNodeWorkForAll) {
  start_all("triples", 40);
  work(0, {.concurrency = 3});
  expect_all("triples", 40);
  EXPECT_EQ(calls, 40);
}

TEST_F(ClusterWorkers, EachServesItsQueues) {
  start_all("triples_on_gpu", 20);
  server_worker& plain = work(0);
  start_all("triples", 20);
  expect_all("triples", 20);
  EXPECT_EQ(plain.statistics().attempts, 20u);
  server_worker& on_gpu = work(0, {.task_queues = {"gpu"}});
  expect_all("triples_on_gpu", 20);
  EXPECT_EQ(on_gpu.statistics().attempts, 20u);
}

TEST_F(ClusterWorkers, LearnOfCancellations) {
  work(0);
  for (int i = 0; i < 4; ++i) {
    const std::string id = "k" + std::to_string(i);
    nodes[1]->start("keeps", json_payload("1"), {.id = id});
    holding.acquire();
    nodes[1]->cancel(id);
    EXPECT_EQ(nodes[1]->wait(id).status, execution_status::canceled);
  }
}

TEST_F(ClusterWorkers, WhatOneLeavesBehindAnotherOneDoes) {
  work(0, {.stop_grace = 0ms});
  nodes[1]->start("keeps", json_payload("10"), {.id = "k"});
  holding.acquire();
  workers.clear();
  work(1);
  holding.acquire();
  release.release();
  EXPECT_EQ(nodes[1]->find<int>("k").result(), 12);
}

TEST_F(ClusterWorkers, GoOnAtAnotherNodeWhenTheirsIsGone) {
  work(0);
  start_all("triples", 10);
  expect_all("triples", 10);
  workers.clear();
  servers[0].reset();
  nodes[0].reset();
  work(1);
  start_all("triples_on_gpu", 5);
  work(1, {.task_queues = {"gpu"}});
  expect_all("triples_on_gpu", 5);
}

}  // namespace
}  // namespace evermill
