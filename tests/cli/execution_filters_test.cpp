#include "cli/execution_filters.hpp"

#include <gtest/gtest.h>

namespace evermill::cli {
namespace {

using namespace std::chrono_literals;

constexpr time_point noon = std::chrono::sys_days(std::chrono::year(2026) / 5 / 1) + 12h;

TEST(ParseTime, TakesRfc3339AndHowLongAgo) {
  EXPECT_EQ(parse_time("2026-05-01T12:00:00Z", {}), noon);
  EXPECT_EQ(parse_time("2026-05-01T14:00:00.25+02:00", {}), noon + 250ms);
  EXPECT_EQ(parse_time("2026-05-01T11:30:00-00:30", {}), noon);
  EXPECT_EQ(parse_time("2026-05-01 12:00:00.123456789Z", {}), noon + 123456us);
  EXPECT_EQ(parse_time("2026-05-01", {}), noon - 12h);
  EXPECT_EQ(parse_time("90s", noon), noon - 90s);
  EXPECT_EQ(parse_time("15m", noon), noon - 15min);
  EXPECT_EQ(parse_time("1h30m", noon), noon - 90min);
  EXPECT_EQ(parse_time("2w1d", noon), noon - 24h * 15);
  EXPECT_EQ(parse_time("250ms", noon), noon - 250ms);
  EXPECT_EQ(parse_time("0s", noon), noon);
}

TEST(ParseTime, RefusesWhatIsNeither) {
  for (const char* const text : {"", "yesterday", "7", "s", "1x", "-1h", "+1h", "1h-", "30m1h", "1h1h", "1.5h", "h1", "1h30", "9999999999s",
                                 "999999999w", "2026-02-30", "2026-05-01T25:00:00Z", "2026-05-01T12:00:00", "1969-12-31T00:00:00Z",
                                 "1970-01-01", "2026-05-01T12:00:00Zx"}) {
    EXPECT_EQ(parse_time(text, noon), std::nullopt) << text;
  }
}

TEST(Filters, AreWhatTheOptionsSay) {
  filter_options options;
  EXPECT_FALSE(is_filtered(options));
  options = {.statuses = {"failed", "timed_out"}, .blocked = false, .type = "order", .since = "1h", .before = "30m", .prefix = "a-"};
  EXPECT_TRUE(is_filtered(options));
  const execution_filter filter = filter_of(options, noon);
  EXPECT_EQ(filter.statuses, (std::vector{execution_status::failed, execution_status::timed_out}));
  EXPECT_EQ(filter.workflow_type, "order");
  EXPECT_EQ(filter.started_from, noon - 1h);
  EXPECT_EQ(filter.started_before, noon - 30min);
  EXPECT_EQ(filter.workflow_id_prefix, "a-");
  EXPECT_EQ(filter.blocked, std::nullopt);
  EXPECT_EQ(filter_of({.blocked = true}, noon).blocked, true);
}

}  // namespace
}  // namespace evermill::cli
