#include "base/check.hpp"

#include <gtest/gtest.h>

namespace evermill::tests {
namespace {

TEST(CheckDeathTest, EndsTheProcessAndSaysWhatAndWhere) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(EVERMILL_CHECK(1 + 1 == 3, "sums are right"),
               "internal error at .*check_test.cpp:[0-9]+: sums are right \\(1 \\+ 1 == 3\\)");
}

TEST(Check, LooksAtItsConditionOnce) {
  int looks = 0;
  EVERMILL_CHECK(++looks > 0, "counted");
  EXPECT_EQ(looks, 1);
}

}  // namespace
}  // namespace evermill::tests
