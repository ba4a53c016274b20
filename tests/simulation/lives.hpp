// Runs simulated lives for tests: which settings a seed means, and the command that shows a seed again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "record.hpp"
#include "simulation.hpp"
#include "tests/support/number_from.hpp"

namespace evermill::simulation {

struct life {
  std::uint64_t digest = 0;
  std::uint64_t commits = 0;
  bool disk_has_failed = false;
  std::vector<std::string> findings;
  bool good() const { return findings.empty(); }
};

/// What the seed means in Simulation.ManySeededLives.
settings settings_of(std::uint64_t seed);

/// The one command that runs the seed again in the present test, with its trace.
std::string how_to_repeat(std::uint64_t seed);

/// Runs one life and adds its counts. Should the process be ended by a signal meanwhile, the command to repeat the seed is
/// printed.
life run_life(const settings& how, tally& counts);

using tests::number_from;

}  // namespace evermill::simulation
