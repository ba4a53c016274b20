#include "log_simulation.hpp"

#include <gtest/gtest.h>

#include "tests/support/number_from.hpp"

namespace evermill::cluster {
namespace {

using tests::number_from;

TEST(LogSimulation, WhatOwnersWereToldIsWhatTheLogSays) {
  const std::uint64_t only = number_from("EVERMILL_SIM_SEED", 0);
  const std::uint64_t seeds = number_from("EVERMILL_SIM_SEEDS", 500);
  std::map<std::string, std::uint64_t> happened;
  for (std::uint64_t seed = only != 0 ? only : 1; seed <= (only != 0 ? only : seeds); ++seed) {
    const auto result = simulate_log(seed);
    ASSERT_EQ(result.problem, "") << "seed " << seed << "; again: EVERMILL_SIM_SEED=" << seed
                                  << " cluster_tests --gtest_filter=LogSimulation.*\n"
                                  << (only != 0 ? result.trace : "");
    for (const auto& [what, count] : result.happened) happened[what] += count;
  }
  if (only != 0) return;
  for (const char* what : {"claim", "submit", "committed", "owned", "lost", "release", "an owner dies", "a follower dies",
                           "a store is lost", "an answer is lost", "an append is lost", "a late append comes",
                           "an append of a dead process comes", "the server is away for readers", "a log can't be read now",
                           "a claim waits for the server", "a missing record is noticed", "a missing record did not count"}) {
    EXPECT_GT(happened[what], 20U) << what << ": it must happen to be proven";
  }
}

TEST(LogSimulation, TheSameSeedGivesTheSameRun) {
  EXPECT_EQ(simulate_log(42).trace, simulate_log(42).trace);
  EXPECT_NE(simulate_log(42).trace, simulate_log(43).trace);
}

}  // namespace
}  // namespace evermill::cluster
