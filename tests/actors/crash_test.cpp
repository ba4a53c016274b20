// The process dies at each commit of a run that does everything, in each of three ways; the run must end the same.
#include <gmock/gmock.h>

#include "storyteller.hpp"

namespace evermill::actors {
namespace {

class CrashAtEveryCommit : public testing::TestWithParam<death> {};

TEST_P(CrashAtEveryCommit, TheRunEndsTheSame) {
  bool died = true;
  std::uint64_t at = 1;
  for (; died; ++at) {
    SCOPED_TRACE("commit " + std::to_string(at));
    storyteller story;
    died = story.run(at, GetParam());
    partition_rig& rig = story.rig();
    EXPECT_EQ(rig.result("w"), "30") << "2 * (1 + 2 + 3 + 4 + 5)";
    EXPECT_EQ(rig.state().last_run_number(), 4U) << "two runs and a child each";
    rig.check_journals();
    for (const storage::family left : {storage::family::open_work, storage::family::timers, storage::family::outbox,
                                       storage::family::inbox}) {
      EXPECT_EQ(rig.rows(left), 0U) << "rows are left in family " << static_cast<int>(left);
    }
    EXPECT_EQ(rig.live_instances(), 0U);
    if (HasFailure()) return;
  }
  EXPECT_GT(at, 20U) << "there are that many commits at least";
}

INSTANTIATE_TEST_SUITE_P(All, CrashAtEveryCommit,
                         testing::Values(death::before_the_write, death::before_the_news, death::after_the_effects),
                         [](const auto& info) {
                           switch (info.param) {
                             case death::before_the_write: return "BeforeTheWrite";
                             case death::before_the_news: return "BeforeTheNews";
                             case death::after_the_effects: return "AfterTheEffects";
                           }
                           return "";
                         });

}  // namespace
}  // namespace evermill::actors
