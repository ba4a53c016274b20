#include "base/log.hpp"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace evermill::tests {
namespace {

TEST(Log, NamesItsSubjectWithoutTheEmptyParts) {
  EXPECT_EQ(to_string(log_subject{partition_id(0), "o-1", run_number(17), 2}), "partition=0 instance=o-1 run=17 attempt=2");
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
  lines.warn({}, "about {}", "nothing");
  EXPECT_EQ(text.str(), "warning seen 2 partition=3\nwarning about nothing\n");
}

TEST(Log, FormatsNothingThatIsDiscarded) {
  const log nowhere;
  EXPECT_FALSE(nowhere.sink()->should_log(spdlog::level::critical));
}

class JsonLog : public testing::Test {
 protected:
  JsonLog() : logger_(std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_))) {
    logger_->set_formatter(make_json_formatter());
  }
  nlohmann::json line() {
    const std::string all = std::exchange(text_, std::ostringstream()).str();
    EXPECT_TRUE(all.ends_with("}\n"));
    EXPECT_EQ(all.find('\n'), all.size() - 1) << all;
    return nlohmann::json::parse(all);
  }

  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> logger_;
};

TEST_F(JsonLog, HasTheSubjectInFieldsOfItsOwn) {
  log(logger_).warn({partition_id(0), "o \"1\"", run_number(17), 2}, "it {}", "failed");
  nlohmann::json written = line();
  EXPECT_TRUE(written["time"].get<std::string>().ends_with("Z"));
  EXPECT_EQ(written["time"].get<std::string>().size(), std::string("2026-05-01T12:00:00.000000Z").size());
  written.erase("time");
  EXPECT_EQ(written, nlohmann::json({{"level", "warning"}, {"message", "it failed"}, {"partition", 0}, {"instance", "o \"1\""}, {"run", 17},
                                     {"attempt", 2}}));
}

TEST_F(JsonLog, LeavesOutWhatTheLineIsNotAbout) {
  log(logger_).error({}, "the storage failed");
  nlohmann::json written = line();
  written.erase("time");
  EXPECT_EQ(written, nlohmann::json({{"level", "error"}, {"message", "the storage failed"}}));
}

TEST_F(JsonLog, IsALineWhateverIsWritten) {
  log(logger_).info({{}, "i", {}}, "{}", "a\nb\t\x01\\\"\x7f \xff \xe2\x82\xac");
  EXPECT_EQ(line()["message"], "a\nb\t\x01\\\"\x7f \xef\xbf\xbd \xe2\x82\xac");
}

TEST_F(JsonLog, TakesLinesOfWhoeverSharesTheLogger) {
  log(logger_).info({partition_id(1), {}, {}}, "one");
  EXPECT_EQ(line()["partition"], 1);
  logger_->info("of another library");  // not about what the line before was about
  const nlohmann::json written = line();
  EXPECT_EQ(written["message"], "of another library");
  EXPECT_FALSE(written.contains("partition"));
}

TEST(LogLevel, IsKnownByItsNameAlone) {
  EXPECT_EQ(parse_log_level("warning"), spdlog::level::warn);
  EXPECT_EQ(parse_log_level("off"), spdlog::level::off);
  EXPECT_EQ(parse_log_level("loud"), std::nullopt);
  EXPECT_EQ(parse_log_level(""), std::nullopt);
}

}  // namespace
}  // namespace evermill::tests
