#include "base/ids.hpp"

#include <gtest/gtest.h>

#include <concepts>
#include <type_traits>
#include <unordered_set>

namespace evermill::tests {
namespace {

// Two kinds of number never mix, and a plain number becomes one only when asked.
static_assert(!std::is_convertible_v<std::uint64_t, run_number>);
static_assert(!std::is_convertible_v<run_number, std::uint64_t>);
static_assert(!std::is_constructible_v<run_number, event_seq>);
static_assert(!std::equality_comparable_with<run_number, event_seq>);

TEST(Ids, AreOrderedByTheirNumbers) {
  EXPECT_LT(event_seq(2), event_seq(10));
  EXPECT_EQ(event_seq(2), event_seq(1).next());
  EXPECT_EQ(run_number(), run_number(0));
}

TEST(Ids, NextGoesRoundWithItsType) { EXPECT_EQ(partition_id(65535).next(), partition_id(0)); }

TEST(Ids, HashLikeTheirNumbers) {
  const std::unordered_set<run_number> set{run_number(1), run_number(2), run_number(1)};
  EXPECT_EQ(set.size(), 2U);
}

}  // namespace
}  // namespace evermill::tests
