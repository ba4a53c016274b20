// The shop's workflow tested in virtual time, without a bank.
#include <evermill/testing/environment.hpp>
#include <evermill/testing/matchers.hpp>
#include <gtest/gtest.h>

#include "orders.hpp"

namespace {

using namespace evermill::testing;

const order wanted{"4111-1111", 1250, {"book", "lamp"}};

TEST(Orders, AreChargedAtTheSecondAttemptAndPackedOnceApproved) {
  environment env(definitions());
  auto running = env.start(fulfil_order, wanted);
  env.settle();
  EXPECT_EQ(env.attempts(pack), 0) << "nothing is packed before somebody approves";
  running.signal(approval, "alice");
  EXPECT_EQ(running.result(), "charged 1250 cents, approved by alice: [book] [lamp]");
  EXPECT_EQ(env.attempts(charge_card), 2);
  EXPECT_THAT(env.inputs(pack), ::testing::ElementsAre("book", "lamp"));
}

TEST(Orders, ExpireAfterTwoDays) {
  environment env(definitions());
  const auto began = env.now();
  auto running = env.start(fulfil_order, wanted);
  EXPECT_EQ(running.result(), "expired");
  EXPECT_GE(env.now() - began, 48h);
  EXPECT_THAT(running.history(), HasEvents(ActivityCompleted("charged 1250 cents"), TimerFired(), WorkflowCompleted()));
}

TEST(Orders, ComeToTheSameEndWhereverTheShopCrashes) {
  const auto test = [](environment& env) {
    env.replace(charge_card, [](const charge& what) { return "charged " + std::to_string(what.cents) + " cents"; });
    auto running = env.start(fulfil_order, wanted, {.id = "order-1"});
    running.signal(approval, "alice");
    EXPECT_EQ(running.result(), "charged 1250 cents, approved by alice: [book] [lamp]");
  };
  EXPECT_GT(crash_after_every_commit(definitions(), test), 0);
}

}  // namespace
