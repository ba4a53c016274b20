// The log analysis without files: its activities are replaced.
#include "log_analysis.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evermill/testing/environment.hpp"
#include "evermill/testing/matchers.hpp"

namespace log_analysis {
namespace {

using namespace evermill::testing;

/// Two logs and one document, of one line and ten bytes each.
void replace_files(environment& env) {
  env.replace(list_files, [](const request&) {
    return std::vector<std::string>{"/var/log/a", "/var/log/b", "/usr/share/doc/c"};
  });
  env.replace(analyse_file, [](const file_job&) { return counts{1, 1, 10, 0}; });
  env.replace(publish, [](const publication& what) { return what.path; });
}

TEST(LogAnalysis, AddsUpEachGroupInAChildOfItsOwn) {
  environment env(definitions());
  replace_files(env);
  auto analysis = env.start(analyse_logs, request{});
  const auto groups = analysis.result();
  EXPECT_EQ(groups.at("logs").files, 2);
  EXPECT_EQ(groups.at("documentation").bytes, 10);
  EXPECT_THAT(analysis.history(), HasEvents(ActivityCompleted(), ChildInitiated("analyse_group"),
      ChildInitiated("analyse_group"),
                                            ChildCompleted(), ChildCompleted(), ActivityScheduled("publish")));
}

TEST(LogAnalysis, LeavesOutAFileThatCannotBeRead) {
  environment env(definitions());
  replace_files(env);
  env.replace(analyse_file, [](const file_job& job) {
    if (job.path == "/var/log/b") throw evermill::application_error("Unreadable", job.path, {}, true);
    return counts{1, 1, 10, 0};
  });
  EXPECT_EQ(env.start(analyse_logs, request{}).result().at("logs").files, 1);
  EXPECT_EQ(env.attempts(analyse_file), 3) << "it is not tried again";
}

TEST(LogAnalysis, PublishesOnlyWhenItIsApprovedWhereThatIsAskedFor) {
  environment env(definitions());
  replace_files(env);
  request careful;
  careful.auto_approve = false;
  auto analysis = env.start(analyse_logs, careful);
  env.advance(std::chrono::hours(1000));
  EXPECT_EQ(env.attempts(publish), 0);
  analysis.signal(approve, {"alice"});
  analysis.result();
  ASSERT_EQ(env.inputs(publish).size(), 1);
  EXPECT_EQ(env.inputs(publish)[0].approved_by, "alice");
}

TEST(LogAnalysis, ComesToTheSameResultWhereverItCrashes) {
  const auto test = [](environment& env) {
    replace_files(env);
    EXPECT_EQ(env.start(analyse_logs, request{}, {.id = "logs"}).result().at("logs").lines, 2);
    EXPECT_LE(env.calls().size(), 5 + 3) << "what is done again is what was running";
  };
  EXPECT_GT(crash_after_every_commit(definitions(), test), 4);
}

}  // namespace
}  // namespace log_analysis
