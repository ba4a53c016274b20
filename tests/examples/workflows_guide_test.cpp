// The workflow with which the guide begins.
#include <gtest/gtest.h>

#include "workflows_guide.hpp"

#include "evermill/testing/environment.hpp"

namespace {

evermill::registry definitions() {
  evermill::registry all;
  all.add("fulfil_order", fulfil_order);
  return all;
}

TEST(WorkflowsGuide, ChargesThenWaitsForItsApproval) {
  evermill::testing::environment env(definitions());
  env.replace(charge_card, [](const Charge& what) { return "receipt for " + std::to_string(what.cents); });
  auto approved = env.start(fulfil_order, Order{"o-1", "4111", 1250});
  approved.signal(approval, "alice");
  EXPECT_EQ(approved.result(), "receipt for 1250");
  auto forgotten = env.start(fulfil_order, Order{"o-2", "4111", 5});
  EXPECT_EQ(forgotten.result(), "expired");
  EXPECT_EQ(env.attempts(charge_card), 2);
}

}  // namespace
