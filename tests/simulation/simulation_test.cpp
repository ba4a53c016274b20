#include "simulation.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace evermill::simulation {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr std::uint64_t default_seeds = 40;
#else
constexpr std::uint64_t default_seeds = 200;
#endif

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::string how_to_repeat(const settings& how) {
  return "seed " + std::to_string(how.seed) + "; again with: EVERMILL_SIM_SEED=" + std::to_string(how.seed) +
         " EVERMILL_SIM_TRACE=1 ./simulation --gtest_filter=" +
         ::testing::UnitTest::GetInstance()->current_test_info()->test_suite_name() + "." +
         ::testing::UnitTest::GetInstance()->current_test_info()->name();
}

/// Runs one life; its findings fail the test.
std::uint64_t live(const settings& how, tally& counts) {
  simulation one(how);
  one.run();
  for (const std::string& finding : one.record().findings()) ADD_FAILURE() << finding << "\n" << how_to_repeat(how);
  for (const auto& [what, times] : one.record().counts()) counts[what] += times;
  return one.record().digest();
}

settings settings_of(std::uint64_t seed) {
  settings how;
  how.seed = seed;
  how.on_disk = seed % 4 == 0;
  how.print = std::getenv("EVERMILL_SIM_TRACE") != nullptr;
  return how;
}

TEST(Simulation, ManySeededLives) {
  tally counts;
  if (const std::uint64_t seed = number_from("EVERMILL_SIM_SEED", 0)) {
    live(settings_of(seed), counts);
    return;
  }
  const std::uint64_t first = number_from("EVERMILL_SIM_FIRST", 1);
  const std::uint64_t seeds = number_from("EVERMILL_SIM_SEEDS", default_seeds);
  std::uint64_t failed = 0;
  for (std::uint64_t seed = first; seed < first + seeds && failed < 5; ++seed) {
    const bool before = HasFailure();
    live(settings_of(seed), counts);
    if (!before && HasFailure()) ++failed;
  }
  for (const auto& [what, times] : counts) std::printf("%10llu %s\n", static_cast<unsigned long long>(times), what.c_str());
}

}  // namespace
}  // namespace evermill::simulation
