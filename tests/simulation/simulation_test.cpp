#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "lives.hpp"

namespace evermill::simulation {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr std::uint64_t default_seeds = 40;
constexpr std::uint64_t twice_seeds = 6;
#else
constexpr std::uint64_t default_seeds = 400;
constexpr std::uint64_t twice_seeds = 24;
#endif

/// Every fault and feature that the lives must meet; a check that never saw its fault proves nothing.
constexpr std::uint64_t some_lives = 40;
constexpr const char* wanted_of_some_lives[] = {
    "activity", "activity told to stop", "answer: accepted", "answer: closed", "answer: existed", "answer: not found",
    "attempt canceled", "attempt completed", "attempt completes elsewhere", "attempt failed", "attempt with heartbeat details",
    "boot", "child", "child terminated with its parent", "clean stop", "execution canceled", "execution completed",
    "execution continued", "execution failed", "execution stuck", "execution terminated", "execution timed out",
    "execution unserved", "heartbeat", "heartbeat with the end", "schedule-to-close exceeded", "fault: a failed write was durable", "fault: a failed write was lost",
    "fault: activity missing", "fault: attempt lost", "fault: clock set back", "fault: code changed",
    "fault: code missing", "fault: crash", "fault: event delivered again", "fault: process killed",
    "fault: publishing failed", "fault: repeated decision event", "fault: repeated report", "fault: report of a lost attempt",
    "fault: row damaged",
    "fault: slow disk", "fault: slow write", "fault: the store failed", "fault: unsynced data lost",
    "fault: unsynced data lost in part", "published", "published again", "request parked", "retry", "signals carried on",
    "step", "turn followed", "woken up"};
constexpr std::uint64_t many_lives = 400;
constexpr const char* wanted_of_many_lives[] = {
    "activity lost for good", "answer: already exists", "attempt timed out", "compaction", "damage: found by the node",
    "damage: found when read", "damage: harmless", "damage: the store does not open",
    "fault: bit flipped", "fault: disk error", "fault: disk full", "fault: file cut", "fault: file lost",
    "fault: power cut in an operation", "fault: the disk failed as planned", "fault: while opening", "flush of one family"};
constexpr std::uint64_t very_many_lives = 10'000;
constexpr const char* wanted_of_very_many_lives[] = {"fault: sector lost"};

/// Runs one life; its findings fail the test.
life live(const settings& how, tally& counts) {
  life one = run_life(how, counts);
  for (const std::string& finding : one.findings) ADD_FAILURE() << finding << "\n" << how_to_repeat(how.seed);
  return one;
}

void expect_counts(const tally& counts, std::uint64_t lives) {
  if (lives >= some_lives) {
    for (const char* wanted : wanted_of_some_lives) EXPECT_TRUE(counts.contains(wanted)) << "never met: " << wanted;
  }
  if (lives >= many_lives) {
    for (const char* wanted : wanted_of_many_lives) EXPECT_TRUE(counts.contains(wanted)) << "never met: " << wanted;
  }
  if (lives >= very_many_lives) {
    for (const char* wanted : wanted_of_very_many_lives) EXPECT_TRUE(counts.contains(wanted)) << "never met: " << wanted;
  }
  if (std::getenv("EVERMILL_SIM_COUNTS") == nullptr) return;
  for (const auto& [what, times] : counts) std::printf("%10llu %s\n", static_cast<unsigned long long>(times), what.c_str());
}

/// The seed that was asked for, if one was.
bool only_one_seed(std::uint64_t& first, std::uint64_t& count) {
  first = number_from("EVERMILL_SIM_SEED", 0);
  count = 1;
  return first != 0;
}

TEST(Simulation, ManySeededLives) {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  const bool one = only_one_seed(first, count);
  if (!one) {
    first = number_from("EVERMILL_SIM_FIRST", 1);
    count = number_from("EVERMILL_SIM_SEEDS", default_seeds);
  }
  const std::uint64_t enough_failures = number_from("EVERMILL_SIM_FAILURES", 5);
  tally counts;
  std::uint64_t failures = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    if (!live(settings_of(seed), counts).good() && ++failures == enough_failures) return;
  }
  if (!one) expect_counts(counts, count);
}

/// Seeds that failed once.
TEST(Simulation, SeedsThatFailedOnce) {
  std::ifstream kept(EVERMILL_SIM_REGRESSION_SEEDS);
  tally counts;
  std::uint64_t seeds = 0;
  for (std::string line; std::getline(kept, line);) {
    std::uint64_t seed = 0;
    if (!(std::istringstream(line) >> seed)) continue;
    ++seeds;
    live(settings_of(seed), counts);
  }
  EXPECT_GT(seeds, 0U) << "no seeds in " << EVERMILL_SIM_REGRESSION_SEEDS;
}

TEST(Simulation, TheSameSeedIsTheSameLife) {
  tally counts;
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  if (!only_one_seed(first, count)) {
    first = 1;
    count = twice_seeds;
  }
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const life once = live(settings_of(seed), counts);
    const life again = live(settings_of(seed), counts);
    EXPECT_EQ(once.digest, again.digest) << how_to_repeat(seed);
    EXPECT_EQ(once.commits, again.commits);
  }
}

// --- one fault at each possible place of a life that has no other

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

settings quiet_life_of(const program& p, std::uint64_t seed, bool on_disk) {
  settings how;
  how.seed = seed;
  how.on_disk = on_disk;
  how.faults = false;
  how.only = {p};
  how.print = std::getenv("EVERMILL_SIM_TRACE") != nullptr;
  return how;
}

std::string text_of(const program& p) { return nlohmann::json(p).dump(); }

/// Whatever is durable after a commit is enough to go on.
void crash_after_each_commit_of(settings how, tally& counts) {
  const life whole = live(how, counts);
  for (std::uint64_t commit = 1; commit <= whole.commits && whole.good(); ++commit) {
    how.crash_after_commit = commit;
    SCOPED_TRACE("crash after commit " + std::to_string(commit) + " of " + std::to_string(whole.commits) + ", program " +
                 text_of(how.only.front()));
    if (!live(how, counts).good()) return;
  }
}

void crash_after_every_commit(bool on_disk, std::uint64_t seeds) {
  tally counts;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    for (const program& p : small_programs()) crash_after_each_commit_of(quiet_life_of(p, seed, on_disk), counts);
  }
  EXPECT_GT(counts["fault: crash"], 30 * seeds);
}

TEST(Simulation, CrashAfterEveryCommitOnDisk) { crash_after_every_commit(true, 1); }
TEST(Simulation, CrashAfterEveryCommitInMemory) { crash_after_every_commit(false, 10); }

/// The disk fails at its operation n, for every n that a life has: the first opening is among them.
void fail_at_each_operation(simulated_disk::fault what) {
  constexpr std::uint64_t never_so_many = 2000;
  tally counts;
  std::uint64_t failures = 0;
  for (const program& p : small_programs()) {
    settings how = quiet_life_of(p, 1, true);
    how.disk_fault = what;
    for (how.fail_at = 0; how.fail_at < never_so_many; ++how.fail_at) {
      SCOPED_TRACE("the disk fails at operation " + std::to_string(how.fail_at) + ", program " + text_of(p));
      const life one = live(how, counts);
      if (!one.good()) return;
      if (!one.disk_has_failed) break;
      ++failures;
    }
    ASSERT_LT(how.fail_at, never_so_many);
  }
  EXPECT_GT(failures, 200U);
}

TEST(Simulation, TheDiskFailsOnceAtEachOperation) { fail_at_each_operation(simulated_disk::fault::io_error); }
TEST(Simulation, TheDiskIsFullFromEachOperationOn) { fail_at_each_operation(simulated_disk::fault::no_space); }
TEST(Simulation, ThePowerIsCutAtEachOperation) { fail_at_each_operation(simulated_disk::fault::power_cut); }

}  // namespace
}  // namespace evermill::simulation
