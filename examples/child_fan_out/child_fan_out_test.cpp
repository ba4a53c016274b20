// Thousands of children in virtual time.
#include "child_fan_out.hpp"

#include <evermill/testing/environment.hpp>
#include <evermill/testing/matchers.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace child_fan_out {
namespace {

using namespace evermill::testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(ChildFanOut, AddsUpWhatAllHaveCountedAndNamesThoseThatCouldNot) {
  environment env(definitions(), {.partitions = 4});
  const inventory sum = env.start(count_chain, {"north", 12}).result();
  EXPECT_EQ(sum.items, 11 * 1100 + (0 + 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 10 + 11));
  EXPECT_THAT(sum.without_answer, ElementsAre(9));
  EXPECT_EQ(env.describe("north/9").status, evermill::execution_status::failed);
}

TEST(ChildFanOut, StartsThousandsAtOnce) {
  environment env(definitions(), {.partitions = 8});
  env.replace(count_store_room, [](const shop&) { return 1; });
  const inventory sum = env.start(count_chain, {"big", 3000}).result();
  EXPECT_THAT(sum.without_answer, IsEmpty());
  EXPECT_THAT(env.list(), SizeIs(3001));
}

TEST(ChildFanOut, ChildrenEndWithTheirParent) {
  environment env(definitions(), {.partitions = 4});
  env.hang(count_shelf);
  auto counting = env.start(count_chain, {"south", 5});
  env.settle();
  counting.terminate("sold");
  env.settle();
  const auto all = env.list();
  EXPECT_EQ(std::count_if(all.begin(), all.end(), [](const auto& one) {
              return one.status == evermill::execution_status::terminated;
            }), 6);
}

TEST(ChildFanOut, ComesToTheSameEndWhereverItCrashes) {
  const auto test = [](environment& env) {
    auto counting = env.start(count_chain, {"north", 4}, {.id = "count-1"});
    EXPECT_EQ(counting.result().items, 4 * 1100 + (0 + 1 + 2 + 3));
  };
  EXPECT_GT(crash_after_every_commit(definitions(), test), 8);
}

}  // namespace
}  // namespace child_fan_out
