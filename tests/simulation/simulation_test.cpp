#include "simulation.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace evermill::simulation {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr std::uint64_t default_seeds = 40;
constexpr std::uint64_t twice_seeds = 6;
#else
constexpr std::uint64_t default_seeds = 240;
constexpr std::uint64_t twice_seeds = 24;
#endif

/// Every fault and feature that the lives must meet; a check that never saw its fault proves nothing.
constexpr const char* wanted_counts[] = {
    "activity", "activity told to stop", "answer: accepted", "answer: closed", "answer: existed", "answer: not found",
    "attempt canceled", "attempt completed", "attempt failed", "boot", "child", "clean stop", "execution canceled",
    "execution completed", "execution continued", "execution failed", "execution terminated", "fault: activity missing",
    "fault: attempt lost", "fault: clock set back", "fault: code changed", "fault: code missing", "fault: crash",
    "fault: repeated decision event", "fault: repeated report", "fault: report of a lost attempt", "request parked",
    "retry", "signals carried on", "step", "turn followed"};
/// The same for what takes more lives to meet.
constexpr std::size_t many_lives = 200;
constexpr const char* wanted_in_many_lives[] = {
    "activity lost for good", "answer: already exists", "attempt timed out", "compaction",
    "fault: a failed write was durable", "fault: a failed write was lost", "fault: disk error", "fault: disk full",
    "fault: power cut in an operation", "fault: the store failed", "fault: while opening"};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::string how_to_repeat(const settings& how) {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  return "seed " + std::to_string(how.seed) + "; see it with: EVERMILL_SIM_SEED=" + std::to_string(how.seed) +
         " EVERMILL_SIM_TRACE=1 ./simulation --gtest_filter=" + test->test_suite_name() + "." + test->name();
}

struct life {
  std::uint64_t digest = 0;
  std::uint64_t commits = 0;
  bool good = false;
};

/// Runs one life; its findings fail the test.
life live(const settings& how, tally& counts) {
  simulation one(how);
  one.run();
  for (const std::string& finding : one.record().findings()) ADD_FAILURE() << finding << "\n" << how_to_repeat(how);
  for (const auto& [what, times] : one.record().counts()) counts[what] += times;
  return {one.record().digest(), one.commits(), one.record().findings().empty()};
}

settings settings_of(std::uint64_t seed) {
  settings how;
  how.seed = seed;
  how.on_disk = seed % 4 == 0;
  how.print = std::getenv("EVERMILL_SIM_TRACE") != nullptr;
  return how;
}

std::set<std::uint64_t> seeds_to_run() {
  if (const std::uint64_t one = number_from("EVERMILL_SIM_SEED", 0)) return {one};
  std::set<std::uint64_t> seeds;
  const std::uint64_t first = number_from("EVERMILL_SIM_FIRST", 1);
  const std::uint64_t count = number_from("EVERMILL_SIM_SEEDS", default_seeds);
  for (std::uint64_t seed = first; seed < first + count; ++seed) seeds.insert(seed);
  std::ifstream kept(EVERMILL_SIM_REGRESSION_SEEDS);
  for (std::string line; std::getline(kept, line);) {
    std::uint64_t seed = 0;
    if (std::istringstream(line) >> seed) seeds.insert(seed);
  }
  return seeds;
}

TEST(Simulation, ManySeededLives) {
  constexpr int enough_failures = 5;
  tally counts;
  int failures = 0;
  const std::set<std::uint64_t> seeds = seeds_to_run();
  for (const std::uint64_t seed : seeds) {
    if (!live(settings_of(seed), counts).good && ++failures == enough_failures) return;
  }
  if (std::getenv("EVERMILL_SIM_SEED") != nullptr) return;
  for (const char* wanted : wanted_counts) EXPECT_TRUE(counts.contains(wanted)) << "never met: " << wanted;
  for (const char* wanted : wanted_in_many_lives) {
    EXPECT_TRUE(counts.contains(wanted) || seeds.size() < many_lives) << "never met: " << wanted;
  }
  if (std::getenv("EVERMILL_SIM_COUNTS") == nullptr) return;
  for (const auto& [what, times] : counts) std::printf("%10llu %s\n", static_cast<unsigned long long>(times), what.c_str());
}

TEST(Simulation, TheSameSeedIsTheSameLife) {
  tally counts;
  const std::uint64_t first = number_from("EVERMILL_SIM_SEED", 1);
  const std::uint64_t last = std::getenv("EVERMILL_SIM_SEED") != nullptr ? first : twice_seeds;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    const life once = live(settings_of(seed), counts);
    const life again = live(settings_of(seed), counts);
    EXPECT_EQ(once.digest, again.digest) << how_to_repeat(settings_of(seed));
    EXPECT_EQ(once.commits, again.commits);
  }
}

/// Small programs that together use everything a workflow can ask for.
std::vector<program> small_programs() {
  const char* bodies[] = {
      R"([{"op":"call","id":1,"attempts":2},{"op":"step","id":2},{"op":"call","id":3}])",
      R"([{"op":"all","id":1,"parts":[{"op":"call","id":2},{"op":"call","id":3},{"op":"step","id":4},{"op":"sleep","id":5,"micros":300000}]}])",
      R"([{"op":"race","id":1,"flag":true,"parts":[{"op":"call","id":2},{"op":"sleep","id":3,"micros":100000}]},
          {"op":"wait","id":4,"name":"x","micros":500000},{"op":"wait","id":5,"name":"y"}])",
      R"([{"op":"start","id":1,"parts":[{"op":"seq","id":2,"parts":[{"op":"call","id":3},{"op":"sleep","id":4,"micros":1000}]}]},
          {"op":"call","id":5}])",
      R"([{"op":"race","id":1,"flag":true,"parts":[{"op":"sleep","id":2,"micros":100000},
          {"op":"start","id":3,"attempts":1,"parts":[{"op":"seq","id":4,"parts":[{"op":"wait","id":5,"name":"x"}]}]}]}])",
  };
  std::vector<program> programs;
  for (const char* body : bodies) {
    program p;
    p.body.op = "seq";
    p.body.parts = nlohmann::json::parse(body).get<std::vector<node>>();
    p.rounds = programs.size() % 2;
    programs.push_back(p);
  }
  return programs;
}

/// One crash after each commit of a run that has no other fault: whatever is durable then is enough to go on.
void crash_after_each_commit_of(settings how, tally& counts) {
  const life whole = live(how, counts);
  for (std::uint64_t commit = 1; commit <= whole.commits && whole.good; ++commit) {
    how.crash_after_commit = commit;
    SCOPED_TRACE("crash after commit " + std::to_string(commit) + " of " + std::to_string(whole.commits) + ", program " +
                 nlohmann::json(how.only.front()).dump());
    if (!live(how, counts).good) return;
  }
}

void crash_after_every_commit(bool on_disk, std::uint64_t seeds) {
  tally counts;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    for (const program& p : small_programs()) {
      settings how;
      how.seed = seed;
      how.on_disk = on_disk;
      how.faults = false;
      how.only = {p};
      how.print = std::getenv("EVERMILL_SIM_TRACE") != nullptr;
      crash_after_each_commit_of(how, counts);
    }
  }
  EXPECT_GT(counts["fault: crash"], 30 * seeds);
}

TEST(Simulation, CrashAfterEveryCommitOnDisk) { crash_after_every_commit(true, 1); }
TEST(Simulation, CrashAfterEveryCommitInMemory) { crash_after_every_commit(false, 10); }

}  // namespace
}  // namespace evermill::simulation
