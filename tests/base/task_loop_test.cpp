#include "base/task_loop.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <set>
#include <thread>
#include <vector>

namespace evermill {
namespace {

TEST(TaskLoop, RunsInOrderOnOneThread) {
  task_loop loop;
  std::vector<int> order;
  std::set<std::thread::id> threads;
  for (int i = 0; i < 1000; ++i) {
    loop.post([&, i] {
      order.push_back(i);
      threads.insert(std::this_thread::get_id());
    });
  }
  EXPECT_TRUE(loop.run([] {}));
  ASSERT_EQ(order.size(), 1000U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(threads.size(), 1U);
}

TEST(TaskLoop, RunsAtOnceOnItsOwnThread) {
  task_loop loop;
  bool inner = false;
  EXPECT_TRUE(loop.run([&] { inner = loop.run([] {}); }));
  EXPECT_TRUE(inner);
}

TEST(TaskLoop, WhatWasNotRunIsDroppedAtTheEnd) {
  auto loop = std::make_unique<task_loop>();
  std::promise<void> started, go_on;
  loop->post([&] {
    started.set_value();
    go_on.get_future().wait();
  });
  started.get_future().wait();
  std::atomic<bool> ran = false;
  const auto held = std::make_shared<int>(1);
  loop->post([&ran, held] { ran = true; });
  std::thread ends([&] { loop->end(); });
  while (held.use_count() > 1) std::this_thread::yield();  // what waited was dropped: the end has begun
  EXPECT_FALSE(loop->run([&] { ran = true; }));
  go_on.set_value();
  ends.join();
  EXPECT_FALSE(ran);
}

TEST(TaskLoop, WaitsUntilItIsSo) {
  task_loop loop;
  int asked = 0;
  EXPECT_TRUE(loop.wait_until([&] { return ++asked == 3; }, std::chrono::hours(1)));
  EXPECT_EQ(asked, 3);
  EXPECT_FALSE(loop.wait_until([] { return false; }, std::chrono::milliseconds(0)));
  loop.end();
  EXPECT_FALSE(loop.wait_until([] { return true; }, std::chrono::hours(1)));
}

TEST(TaskLoop, APosterOutlivesTheLoop) {
  task_loop::post_function post;
  {
    const task_loop loop;
    post = loop.poster();
  }
  post([] { FAIL(); });
}

TEST(TaskLoop, ByHandRunsOneAfterTheOther) {
  const task_loop loop{task_loop::by_hand{}};
  std::string order;
  loop.post([&] { order += 'a'; });
  loop.post([&] { order += 'b'; });
  EXPECT_TRUE(loop.run([&] { order += '!'; })) << "at once";
  EXPECT_EQ(order, "!");
  EXPECT_TRUE(loop.run_one());
  EXPECT_EQ(order, "!a");
  EXPECT_TRUE(loop.wait_until([&] { return order.ends_with('b'); }, std::chrono::hours(1)));
  EXPECT_FALSE(loop.run_one());
  EXPECT_FALSE(loop.wait_until([] { return false; }, std::chrono::hours(1))) << "nothing is left that could make it so";
}

}  // namespace
}  // namespace evermill
