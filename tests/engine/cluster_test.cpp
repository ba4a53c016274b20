// Engines that share their partitions, as processes of a cluster do: on a real Redis.
#include <gtest/gtest.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "base/log.hpp"
#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "evermill/worker.hpp"
#include "plugins/queue/redis/redis_broker.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;

inline constexpr activity<int(int)> twice{.name = "twice"};
inline constexpr signal<int> go{.name = "go"};
inline constexpr query<int()> seen{.name = "seen"};
inline constexpr update<int(int)> add{.name = "add"};

task<int> doubling(context ctx, int n) { co_return co_await ctx.call(twice, n); }

task<int> family(context ctx, int children) {
  std::vector<future<int>> results;
  for (int i = 0; i < children; ++i) results.push_back(ctx.start(doubling, i));
  const std::vector<int> values = co_await all(std::move(results));
  int sum = 0;
  for (const int value : values) sum += value;
  co_return sum;
}

using sum_ptr = std::shared_ptr<int>;

task<int> add_twice(context ctx, sum_ptr sum, int n) {
  *sum += co_await ctx.call(twice, n);
  co_return *sum;
}

task<int> counting(context ctx) {
  const auto sum = std::make_shared<int>(0);
  ctx.on_query(seen, [sum] { return *sum; }).keep();
  const handler adding = ctx.on_update(add, [ctx, sum](int n) { return add_twice(ctx, sum, n); });
  *sum += co_await ctx.wait(go);
  *sum += co_await ctx.wait(go);
  co_return *sum;
}

class Cluster : public testing::Test {
 protected:
  Cluster() {
    if (const auto why = tests::why_no_redis()) {
      skipped_ = *why;
      return;
    }
    redis_.emplace(directory_.path() / "redis");
    registry_.add("doubling", doubling);
    registry_.add("family", family);
    registry_.add("counting", counting);
    registry_.add(twice, [this](int n) {
      ++calls_;
      return 2 * n;
    });
  }
  void SetUp() override {
    if (!skipped_.empty()) GTEST_SKIP() << skipped_;
  }

  engine_options options(engine_mode mode = engine_mode::run) {
    engine_options options;
    options.mode = mode;
    options.queue = "redis://" + redis_->host();
    options.partitions = mode == engine_mode::run ? 4 : 0;
    if (mode == engine_mode::run) options.data_directory = directory_.path() / ("node-" + std::to_string(++nodes_));
    options.session_timeout = 2s;
    if (std::getenv("EVERMILL_TEST_LOG") != nullptr) options.logger = make_stderr_log("debug").sink();
    return options;
  }

  tests::temporary_directory directory_;
  std::optional<tests::redis_server> redis_;
  std::string skipped_;
  registry registry_;
  std::atomic<int> calls_{0};
  int nodes_ = 0;
};

TEST_F(Cluster, ANodeAloneDoesEverything) {
  engine node(registry_, options());
  EXPECT_EQ(node.start(doubling, 21, {.id = "one"}).result(), 42);
  EXPECT_EQ(node.start(family, 50, {.id = "parent"}).result(), 50 * 49);
  auto counter = node.start(counting, {.id = "counter"});
  node.signal("counter", "go", codec<int>::encode(5), "once");
  node.signal("counter", "go", codec<int>::encode(5), "once");
  EXPECT_EQ(node.find<int>("counter").query(seen), 5);
  EXPECT_EQ(node.find<int>("counter").update(add, 10), 25);
  node.signal("counter", "go", codec<int>::encode(17));
  EXPECT_EQ(counter.result(), 42);
  EXPECT_EQ(node.history("one").size(), 4U);
  EXPECT_EQ(node.list("", 1000).size(), 1U + 51 + 1);
}

TEST_F(Cluster, WhatIsThereGoesOnInAnotherProcess) {
  engine_options where = options();
  {
    engine node(registry_, where);
    node.start(counting, {.id = "counter"});
    node.signal("counter", "go", codec<int>::encode(1));
  }
  {
    engine other(registry_, options());  // with nothing of its own
    EXPECT_EQ(other.find<int>("counter").query(seen), 1);
  }
  engine again(registry_, where);
  again.signal("counter", "go", codec<int>::encode(2));
  EXPECT_EQ(again.find<int>("counter").result(), 3);
}

TEST_F(Cluster, AnyProcessAsksForAnything) {
  engine first(registry_, options());
  engine second(registry_, options());
  engine client(registry_, options(engine_mode::client));
  for (engine* const each : {&first, &second, &client}) {
    const std::string prefix = each == &first ? "a" : each == &second ? "b" : "c";
    std::vector<execution<int>> started;
    for (int i = 0; i < 20; ++i) started.push_back(each->start(doubling, i, {.id = prefix + std::to_string(i)}));
    for (int i = 0; i < 20; ++i) EXPECT_EQ(started[static_cast<std::size_t>(i)].result(), 2 * i);
    EXPECT_EQ(each->start(family, 20, {.id = prefix + "-parent"}).result(), 20 * 19);
    const std::string counter = prefix + "-counter";
    auto counts = each->start(counting, {.id = counter});
    each->signal(counter, "go", codec<int>::encode(5));
    EXPECT_EQ(each->find<int>(counter).query(seen), 5);
    EXPECT_EQ(each->find<int>(counter).update(add, 10), 25);
    each->signal(counter, "go", codec<int>::encode(17));
    EXPECT_EQ(counts.result(), 42);
    EXPECT_EQ(each->find<int>(counter).query(seen), 42) << "of an execution that has ended";
    EXPECT_EQ(each->history(prefix + "1").size(), 4U);
    EXPECT_EQ(each->describe(prefix + "1").status, execution_status::completed);
  }
  EXPECT_EQ(client.list("", 1000).size(), 3U * (20 + 1 + 20 + 1));
  for (const engine* const each : {&first, &second, &client}) {
    EXPECT_EQ(each->count({}), 3U * (20 + 1 + 20 + 1));
    EXPECT_EQ(each->count({.workflow_type = "counting"}), 3U);
    const execution_filter wanted{.statuses = {execution_status::completed}, .workflow_type = "doubling", .workflow_id_prefix = "b"};
    std::vector<listed_execution> found;
    std::string token;
    do {  // from page to page by another process: a token is good for all of them
      const execution_page page = (found.size() % 2 == 0 ? *each : client).list(wanted, token, 3);
      found.insert(found.end(), page.executions.begin(), page.executions.end());
      token = page.next_page_token;
    } while (!token.empty());
    std::set<std::string> ids;
    for (const listed_execution& one : found) EXPECT_TRUE(ids.insert(one.workflow_id).second) << one.workflow_id;
    EXPECT_EQ(ids.size(), 20U + 20) << "its own and the children";
    EXPECT_TRUE(std::is_sorted(found.begin(), found.end(), [](const auto& a, const auto& b) {
      return std::tie(b.execution_started_at, a.workflow_id) < std::tie(a.execution_started_at, b.workflow_id);
    }));
  }
  EXPECT_THROW(client.describe("nobody"), engine_error);
  EXPECT_THROW(client.signal("nobody", "go", codec<int>::encode(1)), engine_error);
}

TEST_F(Cluster, APartitionGoesToAnotherProcessAndNothingIsLost) {
  auto first = std::make_unique<engine>(registry_, options());
  engine client(registry_, options(engine_mode::client));
  constexpr int count = 40;
  for (int i = 0; i < count; ++i) client.start(counting, {.id = "c" + std::to_string(i)});
  for (int i = 0; i < count; ++i) client.signal("c" + std::to_string(i), "go", codec<int>::encode(i));
  engine second(registry_, options());
  first.reset();
  for (int i = 0; i < count; ++i) client.signal("c" + std::to_string(i), "go", codec<int>::encode(1));
  for (int i = 0; i < count; ++i) EXPECT_EQ(client.find<int>("c" + std::to_string(i)).result(), i + 1);
}

bool is_there(const engine& client, const std::string& id) {
  try {
    client.describe(id);
    return true;
  } catch (const engine_error& error) {
    if (error.code() != engine_errc::not_found) throw;
    return false;
  }
}

TEST_F(Cluster, DoesWhatClientsOfTheBrokerAskFor) {
  const auto reading = [this] {
    engine_options with = options();
    with.commands = {.read = true, .token = "secret"};
    return with;
  };
  const auto broker = queue::make_redis_broker("redis://" + redis_->host(), {});
  ASSERT_TRUE(broker);
  ASSERT_TRUE((*broker)->ensure_stream("commands", 4));
  const auto command = [&](int number, const std::string& text) {
    const queue::stream_partition to{"commands", static_cast<std::uint32_t>(number % 4)};
    EXPECT_TRUE((*broker)->append(to, {{"", text, {{"authorization", "Bearer secret"}}}}, nullptr));
  };
  auto first = std::make_unique<engine>(registry_, reading());
  engine second(registry_, reading());
  engine client(registry_, options(engine_mode::client));
  constexpr int count = 40;
  for (int i = 0; i < count; ++i) {
    const std::string id = "c" + std::to_string(i);
    command(i, R"({"start": {"workflow": "counting", "id": ")" + id + "\"}}");
    command(i, R"({"signal": {"id": ")" + id + R"(", "name": "go", "input": 1}})");
    if (i == count / 2) first.reset();  // its commands are the other one's now, some of them for the second time
    command(i, R"({"signal": {"id": ")" + id + R"(", "name": "go", "input": 10}})");
  }
  for (int i = 0; i < count; ++i) {
    const std::string id = "c" + std::to_string(i);
    while (!is_there(client, id)) std::this_thread::yield();  // nobody is told when a command is done
    EXPECT_EQ(client.find<int>(id).result(), 11) << i;
  }
}

/// (workflow id, number of event) of all that lies in the stream, each once, in its order.
std::map<std::string, std::vector<std::string>> published_in(queue::broker& broker, const std::string& stream) {
  std::map<std::string, std::vector<std::string>> events;
  std::set<std::string> seen;
  const auto partitions = broker.find_stream(stream);
  for (std::uint32_t partition = 0; partitions && partition < *partitions; ++partition) {
    const auto last = broker.bounds({stream, partition})->last;
    auto reader = broker.read({stream, partition}, {}, [] {});
    std::vector<queue::stored_record> records;
    while (reader && (records.empty() ? 0 : records.back().at) < last) {
      if (!(*reader)->poll(records, 1000)) break;
      std::this_thread::yield();
    }
    for (const queue::stored_record& each : records) {
      std::map<std::string, std::string> headers(each.what.headers.begin(), each.what.headers.end());
      if (seen.insert(headers["ce_id"]).second) events[each.what.key].push_back(headers["ce_eventnumber"]);
    }
  }
  return events;
}

TEST_F(Cluster, PublishesAllEventsWhoeverHasTheirPartition) {
  const auto publishing = [this] {
    engine_options with = options();
    with.publish.to = "queue:?stream=told";
    return with;
  };
  auto first = std::make_unique<engine>(registry_, publishing());
  engine client(registry_, options(engine_mode::client));
  constexpr int count = 40;
  const auto name = [](int i) { return "c" + std::to_string(i); };
  for (int i = 0; i < count; ++i) client.start(counting, {.id = name(i)});
  auto second = std::make_unique<engine>(registry_, publishing());
  for (int i = 0; i < count; ++i) client.signal(name(i), "go", codec<int>::encode(i));
  first.reset();
  for (int i = 0; i < count; ++i) client.signal(name(i), "go", codec<int>::encode(1));
  for (int i = 0; i < count; ++i) EXPECT_EQ(client.find<int>(name(i)).result(), i + 1);
  second.reset();
  const auto broker = *queue::make_redis_broker("redis://" + redis_->host());
  const auto published = published_in(*broker, "told");
  EXPECT_EQ(published.size(), static_cast<std::size_t>(count));
  for (const auto& [id, events] : published) {
    EXPECT_EQ(events, (std::vector<std::string>{"1", "2", "3", "4"})) << id << ": its start, two signals, its end";
  }
  broker->close();
}

TEST_F(Cluster, WorkersRunActivities) {
  engine_options first = options();
  engine_options second = options();
  first.run_activities = second.run_activities = false;
  registry workflows;
  workflows.add("doubling", doubling);
  workflows.add("family", family);
  engine node(workflows, first);
  engine other(workflows, second);
  engine client(workflows, options(engine_mode::client));
  std::vector<execution<int>> started;
  for (int i = 0; i < 20; ++i) started.push_back(client.start(doubling, i, {.id = "d" + std::to_string(i)}));
  EXPECT_EQ(calls_, 0);
  {
    worker one(registry_, {.queue = options().queue, .concurrency = 2});
    worker two(registry_, {.queue = options().queue, .concurrency = 3});
    for (int i = 0; i < 20; ++i) EXPECT_EQ(started[static_cast<std::size_t>(i)].result(), 2 * i);
    EXPECT_EQ(client.start(family, 60, {.id = "parent"}).result(), 60 * 59);
    EXPECT_EQ(calls_, 80);
    EXPECT_EQ(one.statistics().attempts + two.statistics().attempts, 80U);
    EXPECT_GT(one.statistics().attempts, 0U);
    EXPECT_GT(two.statistics().attempts, 0U);
  }
  EXPECT_THROW(worker(registry_, {.queue = "", .task_queues = {"a"}}), engine_error);
  EXPECT_THROW(worker(registry_, {.queue = options().queue, .task_queues = {"a", "a"}}), engine_error);
  EXPECT_THROW(worker(registry_, {.queue = options().queue, .task_queues = {}}), engine_error);
  EXPECT_THROW(worker(registry_, {.queue = options().queue + "?prefix=nobody"}), engine_error);
}

TEST_F(Cluster, WhatWorkersRunGoesOnWhenItsPartitionMoves) {
  registry workflows;
  workflows.add("doubling", doubling);
  engine_options where = options();
  where.run_activities = false;
  auto first = std::make_unique<engine>(workflows, where);
  std::promise<void> begun, go_on;
  std::shared_future<void> may_go_on = go_on.get_future().share();
  registry slow;
  std::atomic<int> attempts{0};
  slow.add(twice, [&, may_go_on](int n) {
    if (++attempts == 1) begun.set_value();
    may_go_on.wait();
    return 2 * n;
  });
  worker working(slow, {.queue = where.queue, .concurrency = 2});
  engine client(workflows, options(engine_mode::client));
  auto started = client.start(doubling, 21, {.id = "slow"});
  begun.get_future().wait();
  engine_options there = options();
  there.run_activities = false;
  engine second(workflows, there);
  first.reset();
  go_on.set_value();
  EXPECT_EQ(started.result(), 42);
  EXPECT_EQ(attempts, 1) << "the new owner has found it";
}

TEST_F(Cluster, AWorkerMayBeTheOneThatDecides) {
  auto first = std::make_unique<engine>(registry_, options());
  worker working(registry_, {.queue = options().queue, .concurrency = 2});
  first.reset();  // it is alone now
  engine second(registry_, options());
  EXPECT_EQ(second.start(doubling, 21, {.id = "one"}).result(), 42);
}

TEST_F(Cluster, RefusesWhatCanNotBe) {
  const auto code_of = [](auto&& make) {
    try {
      make();
    } catch (const engine_error& error) {
      return std::optional(error.code());
    }
    return std::optional<engine_errc>();
  };
  EXPECT_EQ(code_of([&] { engine(registry_, options(engine_mode::client)); }), engine_errc::not_found) << "no cluster yet";
  engine node(registry_, options());
  engine_options wrong = options();
  wrong.partitions = 5;
  EXPECT_EQ(code_of([&] { engine(registry_, wrong); }), engine_errc::invalid_argument);
  wrong.queue = "amqp://localhost";
  EXPECT_EQ(code_of([&] { engine(registry_, wrong); }), engine_errc::invalid_argument);
  wrong.queue = options().queue + "?prefix=another";
  wrong.data_directory = directory_.path() / "node-1";
  EXPECT_EQ(code_of([&] { engine(registry_, wrong); }), engine_errc::locked);
  wrong.queue = "redis://127.0.0.1:1";
  wrong.data_directory = directory_.path() / "node-9";
  EXPECT_EQ(code_of([&] { engine(registry_, wrong); }), engine_errc::unavailable);
}

}  // namespace
}  // namespace evermill
