// Every scenario, by every runner.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <memory>

#include "effects.hpp"
#include "engine/verification.hpp"
#include "environment_client.hpp"
#include "evermill/testing/environment.hpp"
#include "evermill/verify.hpp"
#include "partitions.hpp"
#include "scenario.hpp"
#include "storage/memory_store.hpp"
#include "storage/rocksdb_store.hpp"
#include "tests/processes/child_process.hpp"
#include "tests/simulation/simulated_disk.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::semantics {
namespace {

using storage::key_value_store;
using store = std::unique_ptr<key_value_store>;

/// The stores of one environment's processes, and a look at the last of them.
class stores {
 public:
  virtual ~stores() = default;
  testing::store_opener opener() {
    return [this](store before) {
      store opened = open(std::move(before));
      last_ = opened.get();
      return opened;
    };
  }
  const key_value_store& last() const { return *last_; }

 private:
  virtual store open(store before) = 0;

  key_value_store* last_ = nullptr;
};

class memory_stores final : public stores {
  store open(store before) override { return before ? std::move(before) : storage::make_memory_store(); }
};

/// The power is cut with each process: what was not synced is gone.
class simulated_disk_stores final : public stores {
  store open(store before) override {
    if (before) {
      disk_.cut_power(simulation::simulated_disk::loss::all, {});
      before.reset();
    }
    auto opened = storage::open_rocksdb_store(
        {.directory = "/data", .lines = {}, .env = disk_.env(), .manual_background_work = true});
    if (!opened) throw std::runtime_error("the store does not open after a power cut: " + opened.error().message);
    return *std::move(opened);
  }

  simulation::simulated_disk disk_;
};

struct told {
  outcome what;
  std::uint64_t commits = 0;
};

void expect_whole(const key_value_store& rows) {
  const verify_report report = verification::verify_store(
      rows, [](const verify_problem& found) { ADD_FAILURE() << found.workflow_id << ": " << found.row << ": " << found.what; });
  EXPECT_EQ(report.open, 0) << "a scenario's executions have ended at its end";
}

told run(const scenario& what, stores& in, std::uint64_t crash_after, bool replay_every_turn) {
  count_effects_in_memory();
  registry definitions;
  what.define(definitions);
  testing::environment_options options;
  options.partitions = partitions;
  options.replay_every_turn = replay_every_turn;
  testing::environment env(definitions, options, in.opener());
  environment_client requests(what, env, crash_after);
  what.script(requests);
  env.settle();
  told found{read_outcome(env, [&](const std::string& after) { return after.empty() ? env.list() : std::vector<listed_execution>(); },
                          counted_effects()),
             env.commits()};
  expect_whole(in.last());
  return found;
}

told run_fresh(const scenario& what) {
  memory_stores in;
  return run(what, in, 0, false);
}

void expect_checked(const scenario& what, const outcome& crashed, const outcome& fresh) {
  what.check(crashed);
  expect_alike(fresh, crashed);
}

template <class Stores>
void crash_after_every_commit(const scenario& what) {
  const told fresh = run_fresh(what);
  bool crashed = true;
  std::uint64_t n = 0;
  while (crashed && !::testing::Test::HasFailure()) {
    SCOPED_TRACE("a crash after commit " + std::to_string(++n));
    Stores in;
    const told again = run(what, in, n, false);
    crashed = again.commits >= n;
    expect_checked(what, again.what, fresh.what);
  }
  EXPECT_GT(n, 2) << "it never crashed";
}

/// One life of the program, and whether it ended itself by SIGKILL.
bool was_killed(const scenario& what, const std::filesystem::path& in, std::uint64_t kill_after) {
  const std::string variable = std::string(kill_variable) + "=" + (kill_after > 0 ? std::to_string(kill_after) : "");
  processes::child_process program({SEMANTICS_PROGRAM, what.name, in / "data", in / "effects"}, in / "output", {variable});
  if (!program.ended_within(std::chrono::minutes(2))) throw std::runtime_error("the program hangs: " + program.output());
  if (WIFSIGNALED(program.status()) && WTERMSIG(program.status()) == SIGKILL) return true;
  if (!WIFEXITED(program.status()) || WEXITSTATUS(program.status()) != 0) {
    throw std::runtime_error("the program failed: " + program.output());
  }
  return false;
}

outcome outcome_in(const std::filesystem::path& directory) {
  const verify_report report = verify(directory / "data", [](const verify_problem& found) {
    ADD_FAILURE() << found.workflow_id << ": " << found.row << ": " << found.what;
  });
  EXPECT_EQ(report.problems, 0);
  engine stored(registry(), {.mode = engine_mode::inspect, .data_directory = directory / "data"});
  return read_outcome(stored, [&](const std::string& after) { return stored.list(after, 100); },
                      read_effects(directory / "effects"));
}

class Runner : public ::testing::TestWithParam<scenario> {};
class Fresh : public Runner {};
class Replayed : public Runner {};
class CrashAfterEveryCommit : public Runner {};
class PowerCutAfterEveryCommit : public Runner {};
class KilledAfterEveryCommit : public Runner {};

TEST_P(Fresh, Holds) {
  const told fresh = run_fresh(GetParam());
  EXPECT_FALSE(fresh.what.executions.empty());
  GetParam().check(fresh.what);
}

TEST_P(Replayed, Holds) {
  const told fresh = run_fresh(GetParam());
  memory_stores in;
  const outcome replayed = run(GetParam(), in, 0, true).what;
  expect_checked(GetParam(), replayed, fresh.what);
  EXPECT_EQ(replayed.effects, fresh.what.effects) << "nothing runs again because of a replay";
}

TEST_P(CrashAfterEveryCommit, Holds) { crash_after_every_commit<memory_stores>(GetParam()); }
TEST_P(PowerCutAfterEveryCommit, Holds) { crash_after_every_commit<simulated_disk_stores>(GetParam()); }

TEST_P(KilledAfterEveryCommit, Holds) {
  const told fresh = run_fresh(GetParam());
  const tests::temporary_directory place;
  bool killed = true;
  std::uint64_t n = 0;
  while (killed && !HasFailure()) {
    SCOPED_TRACE("SIGKILL after commit " + std::to_string(++n));
    const std::filesystem::path in = place.path() / std::to_string(n);
    std::filesystem::create_directories(in);
    killed = was_killed(GetParam(), in, n);
    const bool again = killed && was_killed(GetParam(), in, 0);
    ASSERT_FALSE(again) << "the second life was not to be killed";
    expect_checked(GetParam(), outcome_in(in), fresh.what);
    std::filesystem::remove_all(in);
  }
  EXPECT_GT(n, 2) << "it was never killed";
}

std::string name_of(const ::testing::TestParamInfo<scenario>& info) { return info.param.name; }
#define EVERMILL_RUNNER(suite) INSTANTIATE_TEST_SUITE_P(Semantics, suite, ::testing::ValuesIn(scenarios()), name_of)
EVERMILL_RUNNER(Fresh);
EVERMILL_RUNNER(Replayed);
EVERMILL_RUNNER(CrashAfterEveryCommit);
EVERMILL_RUNNER(PowerCutAfterEveryCommit);
EVERMILL_RUNNER(KilledAfterEveryCommit);

}  // namespace

void PrintTo(const scenario& what, std::ostream* out) { *out << what.name; }

}  // namespace evermill::semantics
