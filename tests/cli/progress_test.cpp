#include "cli/progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace evermill::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

history_event event(std::uint64_t seq, const std::string& type, const std::string& fields = "{}") {
  return {.seq = seq, .type = type, .json = fields};
}

TEST(FamilyTally, CountsChildrenWhoeverIsHeardOfFirst) {
  family_tally tally("root");
  tally.apply("stranger", event(1, "WorkflowExecutionStarted"));
  tally.apply("early", event(1, "WorkflowExecutionStarted", R"({"parent":{"workflow_id":"root"}})"));
  tally.apply("early", event(2, "ActivityTaskScheduled"));
  tally.apply("stranger", event(2, "ActivityTaskScheduled"));
  tally.apply("root", event(1, "WorkflowExecutionStarted"));
  tally.apply("root", event(2, "StartChildWorkflowExecutionInitiated", R"({"workflow_id":"early"})"));
  tally.apply("root", event(3, "StartChildWorkflowExecutionInitiated", R"({"workflow_id":"late"})"));
  EXPECT_THAT(tally.members(), ElementsAre("root", "early", "late"));
  EXPECT_EQ(tally.open_activities(), 1u);
  EXPECT_EQ(tally.open_children(), 2u);
  tally.apply("early", event(3, "ActivityTaskCompleted", R"({"scheduled_seq":2})"));
  tally.apply("root", event(4, "ChildWorkflowExecutionCompleted", R"({"initiated_seq":2})"));
  EXPECT_EQ(tally.open_activities(), 0u);
  EXPECT_EQ(tally.activities_done(), 1u);
  EXPECT_EQ(tally.open_children(), 1u);
}

TEST(FamilyTally, LeavesOutWhatItHasSeen) {
  family_tally tally("root");
  for (int i = 0; i < 2; ++i) {
    tally.apply("root", event(1, "WorkflowExecutionStarted"));
    tally.apply("root", event(2, "ActivityTaskScheduled", R"({"activity_type":"pack"})"));
    tally.apply("root", event(3, "ActivityTaskFailed", R"({"scheduled_seq":2})"));
  }
  EXPECT_EQ(tally.activities_failed(), 1u);
  EXPECT_EQ(tally.events(), 3u);
  EXPECT_EQ(tally.last_events().back(), "3 ActivityTaskFailed pack");
}

TEST(FamilyTally, BeginsAnewWhenTheExecutionDoes) {
  family_tally tally("root");
  tally.apply("root", event(1, "WorkflowExecutionStarted", R"({"run_id":"one"})"));
  tally.apply("root", event(2, "TimerStarted"));
  tally.apply("root", event(1, "WorkflowExecutionStarted", R"({"run_id":"two"})"));
  EXPECT_EQ(tally.open_timers(), 0u);
  tally.apply("root", event(2, "TimerStarted"));
  EXPECT_EQ(tally.open_timers(), 1u);
}

TEST(FamilyTally, KnowsWhenNothingIsWorkedOn) {
  family_tally tally("root");
  EXPECT_FALSE(tally.waits());
  tally.apply("root", event(1, "WorkflowExecutionStarted"));
  tally.apply("root", event(2, "TimerStarted"));
  EXPECT_TRUE(tally.waits());
  tally.apply("root", event(3, "StepScheduled"));
  EXPECT_FALSE(tally.waits());
  tally.apply("root", event(4, "MarkerRecorded", R"({"scheduled_seq":3})"));
  EXPECT_TRUE(tally.waits());
}

TEST(Progress, DrawsOverItselfAndGoesAway) {
  std::istringstream in;
  std::ostringstream out, err;
  const registry none;
  environment env{.in = in, .out = out, .err = err, .definitions = none, .program = "prog", .data_directory = "data",
                  .width = 40};
  const progress::instant start{};
  {
    progress shown(env, progress::style::terminal, "type", "id\x1b[31m", "prog signal id NAME JSON", start);
    shown.apply("id\x1b[31m", event(1, "WorkflowExecutionStarted"));
    shown.tick(start);
    EXPECT_THAT(err.str(), HasSubstr("activities: 0 done, 0 open"));
    EXPECT_THAT(err.str(), Not(HasSubstr("\x1b[31m")));  // what users name can't take over the terminal
    EXPECT_THAT(err.str(), Not(HasSubstr("waits for a signal")));
    shown.tick(start + 2s);
    EXPECT_THAT(err.str(), HasSubstr("waits for a signal: prog signal"));
    shown.apply("id\x1b[31m", event(2, "TimerStarted"));
    shown.tick(start + 4s);
    shown.tick(start + 6s);
    EXPECT_THAT(err.str(), HasSubstr("waits for a timer, or a signal: prog"));
    err.str("");
  }
  EXPECT_EQ(err.str(), "\r\x1b[5A\x1b[J");
}

}  // namespace
}  // namespace evermill::cli
