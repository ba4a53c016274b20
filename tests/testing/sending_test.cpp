// Signals from one execution to another, and turns that are refused, through partitions and crashes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "evermill/testing/environment.hpp"
#include "evermill/testing/matchers.hpp"

namespace evermill::testing {
namespace {

using namespace std::chrono_literals;

constexpr signal<int> number{.name = "number"};

task<std::vector<int>> collects(context ctx, int wanted) {
  std::vector<int> found;
  for (int i = 0; i < wanted; ++i) found.push_back(co_await ctx.wait(number));
  co_return found;
}
constexpr child_workflow<std::vector<int>(int)> collector{.name = "collects"};

task<> sends_three(context ctx, std::string to) {
  for (int i = 1; i <= 3; ++i) {
    ctx.send(to, number, i);
    co_await ctx.sleep(1s);
  }
}

task<> starts_by_sending(context ctx, std::string to) {
  for (int i = 1; i <= 3; ++i) ctx.send_or_start(to, collector, 3, number, i);
  co_return;
}

std::atomic<bool> slow{false};

task<int> slow_today(context ctx) {
  const int n = co_await ctx.wait(number);
  if (slow) ctx.refuse_turn("the machine is slow today");
  co_await ctx.sleep(1s);
  co_return n;
}

registry senders() {
  registry all;
  all.add(collector, collects);
  all.add("sends_three", sends_three);
  all.add("starts_by_sending", starts_by_sending);
  all.add("slow_today", slow_today);
  return all;
}

TEST(Sending, ReachesAnExecutionOfAnotherPartitionOnceAndInOrder) {
  const auto test = [](environment& env) {
    env.start("collects", json_payload("3"), {.id = "to"});
    auto from = env.start(sends_three, "to", {.id = "from"});
    from.result();
    EXPECT_EQ(env.find<std::vector<int>>("to").result(), (std::vector<int>{1, 2, 3}));
  };
  EXPECT_GT(crash_after_every_commit(senders(), test, {.partitions = 3}), 0U);
}

TEST(Sending, StartsWhatIsNotThere) {
  const auto test = [](environment& env) {
    env.start(starts_by_sending, "to", {.id = "from"}).result();
    env.settle();
    EXPECT_EQ(env.find<std::vector<int>>("to").result(), (std::vector<int>{1, 2, 3}));
  };
  EXPECT_GT(crash_after_every_commit(senders(), test, {.partitions = 3}), 0U);
}

TEST(Sending, IdsOfEvermillsOwnAreForItsWorkflowsOnly) {
  environment env(senders());
  EXPECT_THROW(env.start(slow_today, {.id = "evermill.events/a"}), engine_error);
  EXPECT_THROW(env.signal("evermill.lock/a", "number", json_payload("1")), engine_error);
}

TEST(Sending, ToNobodyIsLost) {
  environment env(senders());
  env.start(sends_three, "nobody", {.id = "from"}).result();
  EXPECT_EQ(env.list().size(), 1U);
}

TEST(RefusedTurn, SetsTheExecutionAsideUntilItIsTriedAgain) {
  environment env(senders());
  auto it = env.start(slow_today, {.id = "it"});
  env.settle();
  slow = true;
  it.signal(number, 4);
  env.settle();
  it.signal(number, 5);
  env.settle();
  EXPECT_EQ(it.describe().blocked, "turn_timeout");
  EXPECT_EQ(it.describe().blocked_message, "the machine is slow today");
  EXPECT_EQ(it.history().size(), 1U) << "nothing of the turn is durable";
  slow = false;
  env.crash();
  EXPECT_EQ(it.result(), 4) << "what came for it was kept, in its order";
}

TEST(RefusedTurn, MayBeTheFirst) {
  registry all = senders();
  environment env(all);
  slow = true;
  auto it = env.start(slow_today, {.id = "it", .with_signal = start_signal{"number", json_payload("3")}});
  env.settle();
  EXPECT_EQ(it.describe().blocked, "turn_timeout");
  slow = false;
  env.crash();
  EXPECT_EQ(it.result(), 3);
}

}  // namespace
}  // namespace evermill::testing
