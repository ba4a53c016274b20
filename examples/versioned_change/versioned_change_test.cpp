// Orders that began under the first release end under the second.
#include "versioned_change.hpp"

#include <evermill/testing/environment.hpp>
#include <evermill/testing/matchers.hpp>
#include <gtest/gtest.h>

#include "tests/support/temporary_directory.hpp"

namespace versioned_change {
namespace {

using namespace evermill::testing;

class VersionedChange : public ::testing::Test {
 protected:
  environment release(evermill::registry definitions) {
    return environment(std::move(definitions), {.data_directory = folder_.path() / "data"});
  }

 private:
  evermill::tests::temporary_directory folder_;
};

TEST_F(VersionedChange, OrdersPaidBeforeThePatchGoOnWithout) {
  {
    environment env = release(released_first());
    env.start("fulfil", evermill::json_payload("\"tea\""), {.id = "order-1"});
    env.settle();
  }
  environment env = release(released_now());
  auto order = env.find<std::string>("order-1");
  order.signal(packed);
  EXPECT_EQ(order.result(), "tea paid, tea shipped");
  EXPECT_EQ(env.attempts(looks_honest), 0);
}

TEST_F(VersionedChange, NewOrdersAreChecked) {
  environment env = release(released_now());
  auto honest = env.start(fulfil, "tea");
  honest.signal(packed);
  EXPECT_EQ(honest.result(), "tea paid, tea shipped");
  EXPECT_THROW(env.start(fulfil, "a thousand phones").result(), evermill::workflow_failed);
  EXPECT_EQ(env.attempts(looks_honest), 2);
}

TEST_F(VersionedChange, DeliveriesStayWithTheVersionTheyBeganWith) {
  {
    environment env = release(released_first());
    env.start("deliver", evermill::json_payload("\"tea\""), {.id = "old"});
    env.settle();
  }
  environment env = release(released_now());
  env.start("deliver", evermill::json_payload("\"tea\""), {.id = "new"});
  EXPECT_EQ(env.find<std::string>("new").result(), "tea flown");
  auto old = env.find<std::string>("old");
  old.signal(packed);
  EXPECT_EQ(old.result(), "tea shipped");
}

TEST_F(VersionedChange, ADeliveryWaitsVisiblyForItsVersion) {
  {
    environment env = release(released_first());
    env.start("deliver", evermill::json_payload("\"tea\""), {.id = "old"});
    env.settle();
  }
  evermill::registry only_new;
  add_activities(only_new);
  only_new.add("deliver", deliver, {.version = "2"});
  environment env = release(only_new);
  env.signal("old", packed.name, {});
  env.settle();
  EXPECT_EQ(env.describe("old").status, evermill::execution_status::running);
  EXPECT_EQ(env.describe("old").blocked, "unserved");
}

TEST_F(VersionedChange, ComesToTheSameEndWhereverItCrashes) {
  const auto test = [](environment& env) {
    auto order = env.start(fulfil, "tea", {.id = "order-1"});
    env.settle();
    env.signal("order-1", packed.name, {}, "packed-1");
    EXPECT_EQ(order.result(), "tea paid, tea shipped");
  };
  EXPECT_GT(crash_after_every_commit(released_now(), test), 3);
}

}  // namespace
}  // namespace versioned_change
