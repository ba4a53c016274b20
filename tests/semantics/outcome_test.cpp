#include "outcome.hpp"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

namespace evermill::semantics {
namespace {

outcome one_run(std::string result, std::size_t signals, effect_counts effects) {
  outcome::execution only{"id", "type", {execution_status::completed, json_payload(std::move(result)), {}}, {}};
  for (std::size_t i = 0; i < signals; ++i) only.events.push_back({i + 2, "WorkflowExecutionSignaled", {}, {}});
  return {{std::move(only)}, std::move(effects)};
}

const outcome fresh = one_run("1", 2, {{"charge", {{"a", 1}}}});

TEST(Outcome, ALostAttemptMayHaveHadItsEffect) { expect_alike(fresh, one_run("1", 2, {{"charge", {{"a", 2}}}})); }

TEST(Outcome, TellsAnotherResult) {
  EXPECT_NONFATAL_FAILURE(expect_alike(fresh, one_run("2", 2, {{"charge", {{"a", 1}}}})), "completed 2");
}
TEST(Outcome, TellsAnEventThatIsThereTwice) {
  EXPECT_NONFATAL_FAILURE(expect_alike(fresh, one_run("1", 3, {{"charge", {{"a", 1}}}})), "3 WorkflowExecutionSignaled");
}
TEST(Outcome, TellsAnActivityThatWasScheduledTwice) {
  EXPECT_NONFATAL_FAILURE(expect_alike(fresh, one_run("1", 2, {{"charge", {{"a", 1}, {"b", 1}}}})), "charge");
}
TEST(Outcome, TellsAnEffectThatIsRepeatedTooOften) {
  EXPECT_NONFATAL_FAILURE(expect_alike(fresh, one_run("1", 2, {{"charge", {{"a", 3}}}})), "charge");
}

}  // namespace
}  // namespace evermill::semantics
