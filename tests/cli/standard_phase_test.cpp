#include "cli/standard_phase.hpp"

#include <gtest/gtest.h>

#include "evermill/dsl.hpp"
#include "server/local_control.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::cli {
namespace {

std::string phase_of_blocked(const std::string& why, std::uint64_t events) {
  const tests::temporary_directory directory;
  engine_options options;
  options.data_directory = directory.path() / "data";
  engine running(registry(), options);
  server::local_control control(running);
  execution_description about;
  about.workflow_id = "not-there";
  about.workflow_type = std::string(dsl_workflow.name);
  about.blocked = why;
  about.events = events;
  return standard_phase(control, about);
}

TEST(StandardPhase, OfWhatWasSetAsideIsSuspended) {
  EXPECT_EQ(phase_of_blocked("turn_timeout", 7), "suspended");
  EXPECT_EQ(phase_of_blocked("stuck", 7), "suspended");
  EXPECT_EQ(phase_of_blocked("unserved", 7), "suspended");
}

TEST(StandardPhase, OfWhatNobodyHasBegunIsPending) { EXPECT_EQ(phase_of_blocked("unserved", 1), "pending"); }

TEST(StandardPhase, OfWhatCantBeAskedIsRunning) { EXPECT_EQ(phase_of_blocked("", 7), "running"); }

}  // namespace
}  // namespace evermill::cli
