// Every planted bug (base/planted.hpp) is found by the simulation within a bounded number of seeds, and nothing is found
// where there is none.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/planted.hpp"
#include "lives.hpp"

namespace evermill::simulation {
namespace {

constexpr std::uint64_t most_seeds = 1000;
constexpr std::uint64_t seeds_without_bug = 60;

struct planted_bug {
  bug which;
  const char* name;
  const char* what;
};
constexpr planted_bug all_bugs[] = {
#define EVERMILL_PLANTED_BUG(name, what) {bug::name, #name, what},
    EVERMILL_ENGINE_BUGS(EVERMILL_PLANTED_BUG)
#undef EVERMILL_PLANTED_BUG
};

/// The first seed whose checks report something, 0: none; and what they report.
std::uint64_t first_seed_that_finds(bug which, std::string& finding) {
  present_bug = which;
  tally counts;
  const std::uint64_t only = number_from("EVERMILL_SIM_SEED", 0);
  const std::uint64_t last = only != 0 ? only : most_seeds;
  for (std::uint64_t seed = only != 0 ? only : 1; seed <= last; ++seed) {
    const life one = run_life(settings_of(seed), counts);
    if (one.good()) continue;
    finding = one.findings.front();
    return seed;
  }
  return 0;
}

class Planted : public ::testing::Test {
 public:
  explicit Planted(const planted_bug& of) : bug_(of) {}
  void TearDown() override { present_bug = bug::none; }

  void TestBody() override {
    std::string finding;
    const std::uint64_t seed = first_seed_that_finds(bug_.which, finding);
    ASSERT_NE(seed, 0U) << "not found in " << most_seeds << " seeds: " << bug_.what;
    std::printf("planted: %s\nfound:   %s\n         %s\n", bug_.what, finding.substr(0, finding.find('\n')).c_str(),
                how_to_repeat(seed).c_str());
    RecordProperty("seed", std::to_string(seed));
  }

 private:
  const planted_bug& bug_;
};

TEST(PlantedNone, IsNotFound) {
  std::string finding;
  tally counts;
  present_bug = bug::none;
  for (std::uint64_t seed = 1; seed <= seeds_without_bug; ++seed) {
    const life one = run_life(settings_of(seed), counts);
    ASSERT_TRUE(one.good()) << one.findings.front() << "\n" << how_to_repeat(seed);
  }
}

const bool registered = [] {
  for (const planted_bug& each : all_bugs) {
    ::testing::RegisterTest("Planted", each.name, nullptr, nullptr, __FILE__, __LINE__,
                            [&each]() -> Planted* { return new Planted(each); });
  }
  return true;
}();

}  // namespace
}  // namespace evermill::simulation
