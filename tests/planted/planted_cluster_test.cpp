// Every bug that is planted in what a cluster shares is found by the simulation of clusters.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "base/planted.hpp"
#include "cluster_life.hpp"

namespace evermill::cluster_simulation {
namespace {

constexpr std::uint64_t most_lives = 400;

struct planted_bug {
  bug which;
  const char* name;
  friend std::ostream& operator<<(std::ostream& to, const planted_bug& of) { return to << of.name; }
};
#define EVERMILL_PLANTED(name) {bug::name, #name}
constexpr planted_bug cluster_bugs[] = {
    // Of the log. What else is planted there is found by its own simulation only: it takes a log that has lost a record, or ends the
    // process.
    EVERMILL_PLANTED(ignore_epoch),
    EVERMILL_PLANTED(believe_append),
    EVERMILL_PLANTED(ignore_what_lies_between),
    EVERMILL_PLANTED(trim_log_early),
    // Of an engine, where a partition's owners and their lanes change.
    EVERMILL_PLANTED(release_before_commit),
    EVERMILL_PLANTED(forget_lane_positions),
    EVERMILL_PLANTED(forget_lost_attempt),
    EVERMILL_PLANTED(drop_timer_at_recovery),
};
#undef EVERMILL_PLANTED

class PlantedInCluster : public testing::TestWithParam<planted_bug> {
 protected:
  ~PlantedInCluster() override { present_bug = bug::none; }
};

TEST_P(PlantedInCluster, IsFound) {
  present_bug = GetParam().which;
  for (std::uint64_t seed = 1; seed <= most_lives; ++seed) {
    cluster_life life(seed);
    life.run();
    if (life.record().findings().empty()) continue;
    std::printf("found: %s (seed %llu)\n", life.record().findings().front().substr(0, 200).c_str(),
                static_cast<unsigned long long>(seed));
    return;
  }
  ADD_FAILURE() << "not found in " << most_lives << " lives";
}

INSTANTIATE_TEST_SUITE_P(Each, PlantedInCluster, testing::ValuesIn(cluster_bugs),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace evermill::cluster_simulation
