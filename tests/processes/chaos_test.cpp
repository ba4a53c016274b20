// Real processes, killed at random: nothing that was acknowledged is lost, nothing that was done is done again.
// README.md says how to repeat a failure.
#include "chaos.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "tests/support/number_from.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::processes {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using tests::number_from;

chaos_options options_in(const std::filesystem::path& directory) {
  chaos_options how;
  how.program = CHAOS_PROGRAM;
  how.directory = directory;
  how.seed = number_from("EVERMILL_CHAOS_SEED", how.seed);
  return how;
}

std::string text_of(const chaos& of, const chaos_options& how) {
  std::string text = "seed " + std::to_string(how.seed) + ", " + std::to_string(how.kills) +
      " kills; repeat with EVERMILL_CHAOS_SEED=" +
                     std::to_string(how.seed) + " EVERMILL_CHAOS_KILLS=" + std::to_string(how.kills) + "\n";
  for (const auto& [what, times] : of.counts()) text += "  " + what + ": " + std::to_string(times) + "\n";
  const judge::figures sum = of.verdict().counted();
  text += "  events: " + std::to_string(sum.events) + "\n  effects: " + std::to_string(sum.effects) + " of " +
          std::to_string(sum.activities) + " activities, " + std::to_string(sum.repeated_effects) +
          " of them tried more than once\n  runs of steps: " + std::to_string(sum.steps) +
          "\n  acknowledged requests found: " + std::to_string(sum.acknowledged) + "\n";
  return text;
}

/// For whoever looks into the failure.
std::string keep(const std::filesystem::path& directory) {
  const std::filesystem::path to = directory.string() + "-failed";
  std::error_code error;
  std::filesystem::rename(directory, to, error);
  return "what was found there is kept in " + (error ? error.message() : to.string());
}

TEST(Processes, KilledAtRandomLoseNothing) {
  const tests::temporary_directory directory;
  chaos_options how = options_in(directory.path());
  how.kills = number_from("EVERMILL_CHAOS_KILLS", how.kills);
  chaos all(how);
  all.run();
  std::printf("%s", text_of(all, how).c_str());
  EXPECT_THAT(all.findings(), IsEmpty()) << keep(directory.path());
  EXPECT_EQ(all.counts()["kills"], how.kills);
  EXPECT_GT(all.counts()["executions started by clients"], 200);
  EXPECT_GT(all.counts()["most runs open at once"], 50) << "how many there are depends on the machine";
  EXPECT_GE(all.counts()["second processes refused"], how.kills / 10);
  EXPECT_GT(all.verdict().counted().repeated_effects, 0) << "nobody was killed between an effect and its result";
}

TEST(Processes, TheDetectorPrintsTheJournalOfWhatStoppedMoving) {
  const tests::temporary_directory directory;
  chaos_options how = options_in(directory.path());
  how.seed = 2;  // its second program calls an activity that may take as long as it likes
  how.kills = 0;
  how.open_executions = 3;
  how.hang = "w2";
  how.still_limit = std::chrono::milliseconds(5'000);
  chaos all(how);
  all.run();
  EXPECT_THAT(all.findings(), Contains(AllOf(HasSubstr("of w2 "), HasSubstr("has stopped moving"),
                                             HasSubstr("1 * workflow_execution_started"),
                                             HasSubstr("activity_task_scheduled"))));
}

/// One short chaos whose leavings each test falsifies in its own way.
class Judge : public testing::Test {
 protected:
  void SetUp() override {
    if (directory_) return;
    directory_ = std::make_unique<tests::temporary_directory>();
    chaos_options how;
    how.program = CHAOS_PROGRAM;
    how.directory = directory_->path();
    how.kills = 2;
    how.open_executions = 5;
    chaos all(how);
    all.run();
    ASSERT_THAT(all.findings(), IsEmpty());
    data_ = all.data_directory();
    effects_file_ = all.effects_file();
    std::uint64_t offset = 0;
    effects_ = read_effects(effects_file_, offset);
    for (const auto& [id, of] : all.verdict().read().all()) {
      if (of.start().workflow_type() == keeper_workflow) continue;
      for (const messages::TurnRecord& turn : of.turns) {
        if (turn.events(0).has_activity_task_completed()) {
          completed_.emplace_back(id, turn.events(0).activity_task_completed());
        }
        if (turn.events(0).has_workflow_execution_signaled()) {
          const auto& signaled = turn.events(0).workflow_execution_signaled();
          signals_.push_back({request::kind::signal, of.start().workflow_id(), signaled.signal_name(),
              signaled.input().data(), {}});
        }
      }
    }
    ASSERT_FALSE(completed_.empty());
    ASSERT_FALSE(signals_.empty());
  }
  static void TearDownTestSuite() { directory_.reset(); }

  static std::string key() {
    const auto& [id, completed] = completed_.front();
    return std::to_string(id.partition) + "." + std::to_string(id.run) + "." +
        std::to_string(completed.scheduled_seq()) + ".";
  }
  static std::string dispatch() {
    const auto& attempt = completed_.front().second.attempt();
    return key() + std::to_string(attempt.number()) + "." + std::to_string(attempt.dispatch_boot());
  }

  /// What a judge finds who is shown these effects.
  static std::vector<std::string> findings(const std::vector<effect>& effects,
      const std::vector<request>& acknowledged = {},
                                           const std::vector<effect>& later = {}) {
    const std::filesystem::path file = effects_file_.string() + ".falsified";
    std::filesystem::remove(file);
    for (const effect& each : effects) append_effect(file, each);
    judge one(data_, file);
    one.look(true, acknowledged);
    for (const effect& each : later) append_effect(file, each);
    if (!later.empty()) one.look(true, {});
    one.conclude({});
    return one.findings();
  }

  static inline std::unique_ptr<tests::temporary_directory> directory_;
  static inline std::filesystem::path data_, effects_file_;
  static inline std::vector<effect> effects_;
  static inline std::vector<std::pair<run_id, messages::ActivityTaskCompleted>> completed_;
  static inline std::vector<request> signals_;
};

TEST_F(Judge, IsContentWithWhatIsRight) { EXPECT_THAT(findings(effects_, signals_), IsEmpty()); }

TEST_F(Judge, FindsAResultWithoutItsEffect) {
  std::vector<effect> fewer = effects_;
  std::erase_if(fewer, [](const effect& e) { return e.id == dispatch(); });
  EXPECT_THAT(findings(fewer), Contains(HasSubstr("attempt " + dispatch() + ", which had no effect")));
}

TEST_F(Judge, FindsAnEffectAfterItsResultWasDurable) {
  const std::string again = key() + "1.1000";
  EXPECT_THAT(findings(effects_, {}, {{"activity", again, 1, 1}}), Contains(HasSubstr("ran again (attempt " + again)));
}

TEST_F(Judge, FindsAnAttemptAfterTheOneThatCompleted) {
  std::vector<effect> more = effects_;
  more.push_back({"activity", key() + "99.1", 1, 1});
  EXPECT_THAT(findings(more), Contains(HasSubstr("is later than the one that completed")));
}

TEST_F(Judge, FindsADispatchIdThatWasUsedTwice) {
  std::vector<effect> more = effects_;
  more.push_back({"activity", dispatch(), 1, 1});
  EXPECT_THAT(findings(more), Contains(HasSubstr("attempt " + dispatch() + " had its effect twice")));
}

TEST_F(Judge, FindsAnEffectThatNobodyAskedFor) {
  std::vector<effect> more = effects_;
  more.push_back({"activity", "0.1.100000.1.1", 1, 1});
  EXPECT_THAT(findings(more), Contains(HasSubstr("activity 0.1.100000 had an effect and was never asked for")));
}

TEST_F(Judge, FindsAStepResultOfNoRun) {
  std::vector<effect> fewer = effects_;
  std::erase_if(fewer, [](const effect& e) { return e.kind == "step"; });
  EXPECT_THAT(findings(fewer), Contains(HasSubstr("is of no run of its function")));
}

TEST_F(Judge, FindsAnAcknowledgedSignalThatIsNotThere) {
  request lost = signals_.front();
  lost.text = "\"another\"";
  EXPECT_THAT(findings(effects_, {lost}), Contains(HasSubstr("is 0 times in the journals")));
}

}  // namespace
}  // namespace evermill::processes
