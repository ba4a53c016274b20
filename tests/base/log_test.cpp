#include "base/log.hpp"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <sstream>

namespace evermill::tests {
namespace {

TEST(Log, NamesItsSubjectWithoutTheEmptyParts) {
  EXPECT_EQ(to_string(log_subject{partition_id(0), "o-1", run_number(17)}), "partition=0 instance=o-1 run=17");
  EXPECT_EQ(to_string(log_subject{std::nullopt, "o-1", {}}), "instance=o-1");
  EXPECT_EQ(to_string(log_subject{}), "");
}

TEST(Log, WritesWhatItsLevelLetsThrough) {
  std::ostringstream text;
  auto logger = std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text));
  logger->set_pattern("%l %v");
  logger->set_level(spdlog::level::info);
  const log lines(logger);
  lines.debug({}, "hidden {}", 1);
  lines.warn({partition_id(3), {}, {}}, "seen {}", 2);
  EXPECT_EQ(text.str(), "warning seen 2 partition=3\n");
}

TEST(Log, FormatsNothingThatIsDiscarded) {
  const log nowhere;
  EXPECT_FALSE(nowhere.sink()->should_log(spdlog::level::critical));
}

}  // namespace
}  // namespace evermill::tests
