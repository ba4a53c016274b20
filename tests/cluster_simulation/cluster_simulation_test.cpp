#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "cluster_life.hpp"
#include "tests/support/number_from.hpp"

namespace evermill::cluster_simulation {
namespace {

using tests::number_from;

TEST(ClusterSimulation, ManySeededLives) {
  const std::uint64_t only = number_from("EVERMILL_SIM_SEED", 0);
  const std::uint64_t first = only != 0 ? only : number_from("EVERMILL_SIM_FIRST", 1);
  const std::uint64_t seeds = only != 0 ? 1 : number_from("EVERMILL_CLUSTER_SIM_SEEDS", 120);
  simulation::tally counts;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    cluster_life life(seed, std::getenv("EVERMILL_SIM_TRACE") != nullptr);
    life.run();
    for (const std::string& each : life.record().findings()) {
      ADD_FAILURE() << each << "\nagain: EVERMILL_SIM_SEED=" << seed
                    << " EVERMILL_SIM_TRACE=1 ./cluster_simulation --gtest_filter=ClusterSimulation.ManySeededLives";
    }
    if (HasFailure()) return;
    for (const auto& [what, times] : life.record().counts()) counts[what] += times;
  }
  if (std::getenv("EVERMILL_SIM_COUNTS") != nullptr) {
    for (const auto& [what, times] : counts) std::printf("%10llu %s\n", static_cast<unsigned long long>(times), what.c_str());
  }
  if (only != 0) return;
  for (const char* what : {"fault: killed", "fault: a store is lost", "fault: unsynced data lost", "fault: a process sleeps",
                           "fault: a process wakes up", "fault: not heard of", "fault: the broker is away for readers",
                           "fault: slow connection", "fault: an answer is lost", "fault: an append is lost",
                           "fault: an append of a dead process comes", "fault: attempt lost",
                           "fault: report of a lost attempt", "clean stop", "a member joins again", "retry", "step", "run",
                           "accepted", "unavailable", "activity completed"}) {
    EXPECT_GT(counts[what], 3U) << what << ": it must happen to be proven";
  }
}

TEST(ClusterSimulation, TheSameSeedGivesTheSameLife) {
  const auto digest = [](std::uint64_t seed) {
    cluster_life life(seed);
    life.run();
    return life.record().digest();
  };
  EXPECT_EQ(digest(3), digest(3));
  EXPECT_NE(digest(3), digest(4));
}

}  // namespace
}  // namespace evermill::cluster_simulation
