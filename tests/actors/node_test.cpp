// A whole node whose actors the test schedules.
#include "actors/node.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <utility>
#include <vector>

#include "evermill/codec.hpp"
#include "evermill/context.hpp"
#include "evermill/registry.hpp"
#include "plugins/queue/memory/memory_queue.hpp"
#include "storage/memory_store.hpp"
#include "tests/support/manual_clock.hpp"

namespace evermill::actors {
namespace {

constexpr activity<int()> wanted{.name = "wanted"};
constexpr partition_id only{0};

task<int> calls_it(context ctx) {
  const int given = co_await ctx.call(wanted);
  co_return given;
}

/// Has a place for each task, and never begins one.
struct full_backend final : tasks::task_backend {
  std::string_view name() const override { return "full"; }
  bool serves(std::string_view) const override { return true; }
  void run(std::vector<std::shared_ptr<const messages::ActivityTask>> more) override {
    waiting.insert(waiting.end(), more.begin(), more.end());
  }
  void cancel(const tasks::dispatch_id&) override {}
  void request_stop(const tasks::dispatch_id&) override {}
  void expire(const tasks::dispatch_id&) override {}
  void stop(std::chrono::milliseconds) override {}
  std::vector<std::shared_ptr<const messages::ActivityTask>> waiting;
};

struct ends_listener final : node_listener {
  void on_answer(std::uint64_t, answer&&) override {}
  void on_ended(ended_execution&&) override { ++ended; }
  void on_update_ended(ended_update&&) override {}
  void on_turn(durable_turn&&) override {}
  bool has_followers() override { return false; }
  void on_failed(partition_id, const std::string& message) override { FAIL() << message; }
  int ended = 0;
};

struct Node : testing::Test {
  Node() {
    definitions.add("calls_it", calls_it);
    node_parts parts;
    parts.store = store.get();
    parts.queue = queue.get();
    parts.time = &time;
    parts.random = random.get();
    parts.definitions = &definitions;
    parts.backends = {&backend};
    parts.run_step = [](std::function<void()> step) { step(); };
    parts.listener = &listener;
    node_options options;
    options.boot = boot_number(1);
    options.partitions = 1;
    options.choose_next = [](std::size_t) { return std::size_t{0}; };
    subject.emplace(std::move(parts), options);
  }
  void settle() {
    while (subject->run_one()) {
    }
  }
  void publish(const std::string& workflow_id, messages::Event event) {
    auto decision = std::make_shared<messages::DecisionEvent>();
    decision->set_workflow_id(workflow_id);
    *decision->mutable_event() = std::move(event);
    queue->publish(only, std::move(decision));
  }

  tests::manual_clock time;
  std::unique_ptr<random_source> random = make_seeded_random(1);
  registry definitions;
  std::unique_ptr<storage::key_value_store> store = storage::make_memory_store();
  std::unique_ptr<queue::memory_queue> queue = queue::make_memory_queue(boot_number(1), 1);
  full_backend backend;
  ends_listener listener;
  std::optional<node> subject;
};

/// What a backend or a backlog gives back when a partition moves was stopped by nobody's wish: its workflow must not hear of it.
TEST_F(Node, WhatIsGivenBackAfterADrainIsNoEndOfTheActivity) {
  messages::Event start, signal;
  start.mutable_workflow_execution_started()->set_workflow_type("calls_it");
  signal.mutable_workflow_execution_signaled()->set_signal_name("something");
  publish("w", start);
  settle();
  ASSERT_EQ(backend.waiting.size(), 1U);
  publish("w", signal);  // so that the partition is about to look into its queue
  subject->drain_partition(only);
  node::publish_attempt_end(*queue, {backend.waiting[0], 0, tasks::canceled{}});
  settle();
  EXPECT_EQ(listener.ended, 0);
}

}  // namespace
}  // namespace evermill::actors
