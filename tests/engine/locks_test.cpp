// Locks as the engine shows them, and what nobody may do with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evermill/testing/environment.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr evermill::signal<> enough{.name = "enough"};

task<void> holds(context ctx) {
  auto held = co_await ctx.lock("printer");
  co_await ctx.wait(enough);
}

task<void> sits(context ctx) {
  auto seat = co_await ctx.semaphore("seats", 2);
  co_await ctx.wait(enough);
}

task<void> takes_a_long_name(context ctx) {
  auto held = co_await ctx.lock(std::string(481, 'x'));
}

registry definitions() {
  registry all;
  all.add("holds", holds);
  all.add("sits", sits);
  all.add("takes_a_long_name", takes_a_long_name);
  return all;
}

template <class F>
engine_errc code_of(F&& act) {
  try {
    act();
  } catch (const engine_error& error) {
    return error.code();
  }
  throw std::logic_error("it was not refused");
}

TEST(Locks, AreListedWithHoldersAndWaitersInOrder) {
  testing::environment env(definitions(), {.partitions = 3});
  for (const char* const id : {"a", "b", "c"}) {
    env.start(holds, {.id = id});
    env.settle();
  }
  for (const char* const id : {"x", "y", "z"}) {
    env.start(sits, {.id = id});
    env.settle();
  }
  const auto all = env.locks();
  ASSERT_THAT(all, SizeIs(2));
  const auto& lock = all[0].semaphore ? all[1] : all[0];
  const auto& seats = all[0].semaphore ? all[0] : all[1];
  EXPECT_EQ(lock.name, "printer");
  ASSERT_THAT(lock.holders, SizeIs(1));
  EXPECT_EQ(lock.holders[0].workflow_id, "a");
  ASSERT_THAT(lock.waiters, SizeIs(2));
  EXPECT_EQ(lock.waiters[0].workflow_id, "b");
  EXPECT_EQ(lock.waiters[1].workflow_id, "c");
  EXPECT_EQ(seats.permits, 2);
  EXPECT_THAT(seats.holders, SizeIs(2));
  EXPECT_THAT(seats.waiters, SizeIs(1));
  for (const char* const id : {"a", "b", "c", "x", "y", "z"}) env.find<void>(id).signal(enough);
  for (const char* const id : {"a", "b", "c", "x", "y", "z"}) env.find<void>(id).result();
  env.settle();
  EXPECT_THAT(env.locks(), IsEmpty()) << "nobody holds or wants one";
}

TEST(Locks, AreExecutionsThatNobodySeesOrTouches) {
  testing::environment env(definitions());
  env.start(holds, {.id = "a"});
  env.settle();
  const std::string lock = env.locks().at(0).id;
  EXPECT_THAT(env.list(), SizeIs(1));
  EXPECT_FALSE(env.history(lock).empty()) << "who wants to know why can read its journal";
  EXPECT_EQ(code_of([&] { env.terminate(lock); }), engine_errc::invalid_argument);
  EXPECT_EQ(code_of([&] { env.cancel(lock); }), engine_errc::invalid_argument);
  EXPECT_EQ(code_of([&] { env.signal(lock, "evermill.lock", {}); }), engine_errc::invalid_argument);
  EXPECT_EQ(code_of([&] { env.start("holds", {}, {.id = "evermill.mine"}); }), engine_errc::invalid_argument);
  EXPECT_EQ(code_of([&] { env.start("evermill.lock", {}, {.id = "mine"}); }), engine_errc::unknown_workflow);
}

TEST(Locks, HaveNamesOfAtMost480Bytes) {
  testing::environment env(definitions());
  EXPECT_THROW(env.start(takes_a_long_name).result(), workflow_failed);
}

}  // namespace
}  // namespace evermill
