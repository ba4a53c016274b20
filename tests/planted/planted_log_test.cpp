// Every bug that is planted in the commit log is found by its simulation, and nothing is found where there is none.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "base/planted.hpp"
#include "log_simulation.hpp"

namespace evermill::cluster {
namespace {

constexpr std::uint64_t most_seeds = 1000;

struct planted_bug {
  bug which;
  const char* name;
  const char* what;
  friend std::ostream& operator<<(std::ostream& to, const planted_bug& of) { return to << of.name; }
};
constexpr planted_bug log_bugs[] = {
#define EVERMILL_PLANTED_BUG(name, what) {bug::name, #name, what},
    EVERMILL_LOG_BUGS(EVERMILL_PLANTED_BUG)
#undef EVERMILL_PLANTED_BUG
};

class PlantedInLog : public testing::TestWithParam<planted_bug> {
 protected:
  ~PlantedInLog() override { present_bug = bug::none; }
};

TEST_P(PlantedInLog, IsFound) {
  present_bug = GetParam().which;
  for (std::uint64_t seed = 1; seed <= most_seeds; ++seed) {
    const auto result = simulate_log(seed);
    if (result.problem.empty()) continue;
    std::printf("planted: %s\nfound:   %s (seed %llu)\n", GetParam().what, result.problem.c_str(),
                static_cast<unsigned long long>(seed));
    return;
  }
  ADD_FAILURE() << "not found in " << most_seeds << " seeds: " << GetParam().what;
}

TEST(PlantedNoneInLog, IsNotFound) {
  for (std::uint64_t seed = 1; seed <= most_seeds; ++seed) ASSERT_EQ(simulate_log(seed).problem, "") << "seed " << seed;
}

INSTANTIATE_TEST_SUITE_P(Each, PlantedInLog, testing::ValuesIn(log_bugs),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace evermill::cluster
