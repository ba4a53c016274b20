// What an engine says it can run, and what waits in its task queues.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "evermill/context.hpp"
#include "evermill/dsl.hpp"
#include "evermill/engine.hpp"
#include "tests/support/permits.hpp"

namespace evermill {
namespace {

using testing::ElementsAre;

constexpr activity<int(int)> weigh{.name = "weigh"};
constexpr activity<int(int)> weigh_slowly{.name = "weigh", .options = {.task_queue = "scales"}};

task<int> weighs(context ctx, int n) { co_return co_await ctx.call(weigh, n); }
task<int> weighs_many(context ctx, int n) {
  std::vector<future<int>> all_of_them;
  for (int i = 0; i < n; ++i) all_of_them.push_back(ctx.call(weigh_slowly, i));
  const std::vector<int> weights = co_await all(std::move(all_of_them));
  co_return static_cast<int>(weights.size());
}

const known_definition* find(const std::vector<known_definition>& all, const std::string& name) {
  const auto it = std::find_if(all.begin(), all.end(), [&](const known_definition& each) { return each.name == name; });
  return it == all.end() ? nullptr : &*it;
}

TEST(ServingInfo, DefinitionsHaveTheirVersionsInOrder) {
  registry all;
  all.add("weighs", weighs, {.version = "b"});
  all.add("weighs", weighs, {.version = "a"});
  all.add("weighs_many", weighs_many);
  all.add(weigh, [](int n) { return n; }, {.version = "1"});
  all.add(weigh, [](int n) { return n; }, {.version = "2"});
  const engine e(all, {.partitions = 1});
  const known_definitions known = e.list_definitions();
  const known_definition* const versioned = find(known.workflows, "weighs");
  ASSERT_NE(versioned, nullptr);
  EXPECT_THAT(versioned->versions, ElementsAre("b", "a"));
  EXPECT_EQ(versioned->default_version, "a");
  EXPECT_FALSE(versioned->from_file);
  EXPECT_THAT(find(known.workflows, "weighs_many")->versions, ElementsAre(""));
  EXPECT_EQ(find(known.workflows, "evermill.dsl"), nullptr) << "evermill's own";
  ASSERT_EQ(known.activities.size(), 1u);
  EXPECT_EQ(known.activities.front().name, "weigh");
  EXPECT_THAT(known.activities.front().versions, ElementsAre("1", "2"));
  EXPECT_EQ(known.activities.front().default_version, "2");
}

TEST(ServingInfo, FilesAreKnownOnceTheyWereRead) {
  engine e(registry(), {.partitions = 1});
  const auto text = [](const std::string& version) {
    return "document: {dsl: '1.0.3', namespace: shop, name: serving-info, version: '" + version + "'}\n" +
           "do:\n- done:\n    set: {n: 1}\n";
  };
  EXPECT_EQ(find(e.list_definitions().workflows, "serving-info.shop"), nullptr);
  for (const char* version : {"1.0.0", "2.0.0"}) {
    e.start(dsl_workflow, dsl_input{.definition = text(version)}, {.id = version}).result();
  }
  const known_definitions known = e.list_definitions();
  const known_definition* const file = find(known.workflows, "serving-info.shop");
  ASSERT_NE(file, nullptr);
  EXPECT_TRUE(file->from_file);
  EXPECT_THAT(file->versions, ElementsAre("1.0.0", "2.0.0"));
  EXPECT_EQ(file->default_version, "2.0.0");
}

TEST(ServingInfo, QueuesCountWhatWaitsAndWhatRuns) {
  tests::permits begun, go_on;
  registry all;
  all.add("weighs_many", weighs_many);
  all.add(weigh, [&](int n) {
    begun.release();
    go_on.acquire();
    return n;
  });
  engine e(all, {.partitions = 1, .task_queues = {{.name = "scales", .concurrency = 2, .rate_per_second = 1000, .burst = 10}}});
  const auto running = e.start(weighs_many, 5, {.id = "w"});
  begun.acquire();
  begun.acquire();
  const auto queues = e.task_queues();
  ASSERT_EQ(queues.size(), 2u);
  EXPECT_EQ(queues[0].name, "default");
  EXPECT_EQ(queues[0].concurrency, 0u);
  EXPECT_EQ(queues[1].name, "scales");
  EXPECT_EQ(queues[1].concurrency, 2u);
  EXPECT_EQ(queues[1].rate_per_second, 1000);
  EXPECT_EQ(queues[1].waiting, 3u);
  EXPECT_EQ(queues[1].running, 2u);
  EXPECT_EQ(queues[1].workers, 0u);
  go_on.release(5);
  EXPECT_EQ(e.find<int>("w").result(), 5);
  EXPECT_EQ(e.task_queues()[1].waiting + e.task_queues()[1].running, 0u);
}

TEST(ServingInfo, WhatWaitsForWorkersIsCounted) {
  registry all;
  all.add("weighs_many", weighs_many);
  engine_options options{.partitions = 1, .task_queues = {{.name = "scales", .concurrency = 2}}};
  options.accept_workers = true;
  engine e(all, options);
  e.start(weighs_many, 5, {.id = "w"});
  const auto scales = [&] { return e.task_queues().at(1); };
  // The effects of a turn follow its commit: nothing says when.
  while (scales().waiting < 5) std::this_thread::yield();
  EXPECT_EQ(scales().name, "scales");
  EXPECT_EQ(scales().waiting, 5u);
  EXPECT_EQ(scales().running, 0u);
}

}  // namespace
}  // namespace evermill
