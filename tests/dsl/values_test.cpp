// Names, durations, cron expressions, URI templates.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dsl/cron.hpp"
#include "dsl/duration.hpp"
#include "dsl/names.hpp"
#include "dsl/problem.hpp"
#include "dsl/uri_template.hpp"

namespace evermill::dsl {
namespace {

using namespace std::chrono;
using testing::HasSubstr;

TEST(Names, OfWorkflowsAreDnsLabels) {
  for (const std::string& right : {std::string("a"), std::string("A-1"), std::string("0"), std::string(63, 'a')})
    EXPECT_TRUE(is_dns_label(right)) << right;
  for (const std::string& wrong : {std::string(), std::string("-a"), std::string("a-"), std::string("a_b"), std::string("a.b"),
                                   std::string("ü"), std::string(64, 'a')}) {
    EXPECT_FALSE(is_dns_label(wrong)) << wrong;
  }
}

TEST(Names, VersionsAreSemantic) {
  for (const char* right :
       {"0.0.0", "1.2.3", "10.20.30", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-0.x-y", "1.0.0+build.01", "1.0.0-rc.1+b"})
    EXPECT_TRUE(is_semantic_version(right)) << right;
  for (const char* wrong :
       {"", "1", "1.0", "1.0.0.0", "01.0.0", "1.0.00", "1.0.0-", "1.0.0-01", "1.0.0+", "1.0.0-a..b", "v1.0.0", "1.0.x", "1..0"})
    EXPECT_FALSE(is_semantic_version(wrong)) << wrong;
}

TEST(Names, OfVariablesAreWhatJqReads) {
  for (const char* right : {"a", "_", "a1", "Item_2"}) EXPECT_TRUE(is_variable_name(right)) << right;
  for (const char* wrong : {"", "1a", "a-b", "$a", "and", "if", "a b", "ü"}) EXPECT_FALSE(is_variable_name(wrong)) << wrong;
}

TEST(Names, PointersAndTimes) {
  for (const char* right : {"", "/", "/a/0", "/a~0b~1c"}) EXPECT_TRUE(is_json_pointer(right)) << right;
  for (const char* wrong : {"a", "/a~", "/a~2"}) EXPECT_FALSE(is_json_pointer(wrong)) << wrong;
  for (const char* right :
       {"2026-05-01T12:00:00Z", "2024-02-29T00:00:00.123456+01:00", "2026-12-31t23:59:60z", "2026-01-01 00:00:00-23:59"})
    EXPECT_TRUE(is_date_time(right)) << right;
  for (const char* wrong :
       {"2026-05-01", "2026-05-01T12:00Z", "2026-05-01T12:00:00", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
        "2026-05-01T24:00:00Z", "2026-05-01T12:00:00.Z", "2026-05-01T12:00:00+1:00", "2026-05-01T12:00:00+25:00", "noon"}) {
    EXPECT_FALSE(is_date_time(wrong)) << wrong;
  }
}

TEST(Duration, Iso8601) {
  EXPECT_EQ(parse_duration("PT30S"), 30s);
  EXPECT_EQ(parse_duration("PT1H30M"), 90min);
  EXPECT_EQ(parse_duration("P1D"), 24h);
  EXPECT_EQ(parse_duration("P1W2DT3H4M5.5S"), 9 * 24h + 3h + 4min + 5500ms);
  EXPECT_EQ(parse_duration("PT0.001S"), 1ms);
  EXPECT_EQ(parse_duration("PT0.5H"), 30min);
  EXPECT_EQ(parse_duration("P1Y"), 365 * 24h);
  EXPECT_EQ(parse_duration("P1M"), 30 * 24h);
  EXPECT_EQ(parse_duration("PT0S"), 0s);
  EXPECT_EQ(parse_duration("PT0.0000001S"), 0s);
  for (const char* wrong : {"",     "P",     "PT",    "P1",       "1D",     "PT1D", "P1H",   "PT1M1H", "PT1S1S", "P-1D",
                            "-P1D", "PT1.S", "PT.5S", "PT1.2.3S", "PT1,5S", "pt1s", "PT1S ", "P1DT",   "P2000Y", "PT1e3S"}) {
    EXPECT_FALSE(parse_duration(wrong)) << wrong;
  }
}

TEST(Duration, Objects) {
  EXPECT_EQ(to_duration({{"days", 1}, {"hours", 2}, {"minutes", 3}, {"seconds", 4}, {"milliseconds", 5}}),
            26h + 3min + 4s + 5ms);
  EXPECT_EQ(to_duration("PT1S"), 1s);
  for (const nlohmann::json& wrong :
       {nlohmann::json::object(), nlohmann::json{{"second", 1}}, nlohmann::json{{"seconds", 1.5}},
        nlohmann::json{{"seconds", -1}}, nlohmann::json(1), nlohmann::json{{"days", 9223372036854775807}},
        nlohmann::json{{"seconds", "1"}}, nlohmann::json(nullptr)}) {
    EXPECT_FALSE(to_duration(wrong)) << wrong;
  }
}

TEST(Duration, OfAnExpression) {
  expression_compiler compiler;
  const duration_value computed(*compiler.compile("{seconds: .n}"));
  EXPECT_EQ(computed.known(), std::nullopt);
  EXPECT_EQ(*computed.evaluate({{"n", 3}}, no_variables()), 3s);
  const auto wrong = computed.evaluate({{"n", "x"}}, no_variables());
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, HasSubstr("no duration"));
}

cron parsed(std::string_view text) {
  auto made = cron::parse(text);
  EXPECT_TRUE(made) << text << ": " << made.error();
  return *made;
}

sys_seconds at(int year, unsigned month, unsigned day, int hour = 0, int minute = 0, int second = 0) {
  return sys_days(year_month_day(std::chrono::year(year), std::chrono::month(month), std::chrono::day(day))) + hours(hour) +
         minutes(minute) + seconds(second);
}

TEST(Cron, FindsTheNextTime) {
  EXPECT_EQ(parsed("* * * * *").next(at(2026, 5, 1, 12, 0, 0)), at(2026, 5, 1, 12, 1));
  EXPECT_EQ(parsed("* * * * *").next(at(2026, 5, 1, 11, 59, 59)), at(2026, 5, 1, 12, 0));
  EXPECT_EQ(parsed("0 0 * * *").next(at(2026, 12, 31, 0, 0)), at(2027, 1, 1));
  EXPECT_EQ(parsed("*/15 8-10 * * *").next(at(2026, 5, 1, 10, 45)), at(2026, 5, 2, 8, 0));
  EXPECT_EQ(parsed("5,10 * * * *").next(at(2026, 5, 1, 0, 5)), at(2026, 5, 1, 0, 10));
  EXPECT_EQ(parsed("0 0 29 2 *").next(at(2096, 3, 1)), at(2104, 2, 29)) << "1900, 2100: no leap years";
  EXPECT_EQ(parsed("0 12 * * mon-fri").next(at(2026, 5, 1, 12, 0)), at(2026, 5, 4, 12, 0)) << "1 May 2026 is a Friday";
  EXPECT_EQ(parsed("0 0 * * 7").next(at(2026, 5, 1)), at(2026, 5, 3));
  EXPECT_EQ(parsed("0 0 * JAN,dec SUN").next(at(2026, 2, 1)), at(2026, 12, 6));
  EXPECT_EQ(parsed("@monthly").next(at(2026, 5, 1)), at(2026, 6, 1));
  EXPECT_EQ(parsed("0 0 1-31/10 * *").next(at(2026, 5, 2)), at(2026, 5, 11));
}

TEST(Cron, ADayOfTheMonthOrOneOfTheWeekIsEnough) {
  EXPECT_EQ(parsed("0 0 13 * fri").next(at(2026, 5, 1, 1)), at(2026, 5, 8));
  EXPECT_EQ(parsed("0 0 13 * fri").next(at(2026, 5, 8, 1)), at(2026, 5, 13));
  EXPECT_EQ(parsed("0 0 */2 * fri").next(at(2026, 5, 1, 1)), at(2026, 5, 15)) << "with a star both must fit";
}

TEST(Cron, WrongOnesAreRefused) {
  for (const char* wrong :
       {"",           "* * * *",     "* * * * * *", "60 * * * *",   "* 24 * * *",  "* * 0 * *",     "* * 32 * *",
        "* * * 13 *", "* * * * 8",   "a * * * *",   "5/2 * * * *",  "*/0 * * * *", "10-5 * * * *",  "1, * * * *",
        "-1 * * * *", "* * * foo *", "0 0 30 2 *",  "0 0 31 4,6 *", "@never",      "1-2-3 * * * *", "*/ * * * *"}) {
    EXPECT_FALSE(cron::parse(wrong)) << wrong;
  }
}

TEST(UriTemplate, Expands) {
  const auto made = uri_template::parse("https://pets.example/{kind}/{id}?q={q}");
  ASSERT_TRUE(made);
  EXPECT_EQ(made->variables(), (std::vector<std::string>{"kind", "id", "q"}));
  EXPECT_EQ(made->expand({{"kind", "cat & dog"}, {"id", 12}, {"q", true}}), "https://pets.example/cat%20%26%20dog/12?q=true");
  EXPECT_EQ(made->expand({{"kind", "ü"}, {"id", nullptr}}), "https://pets.example/%C3%BC/?q=");
  EXPECT_FALSE(made->expand({{"kind", nlohmann::json::array()}}));
  EXPECT_EQ(uri_template::parse("file:///a")->expand(nullptr), "file:///a");
}

TEST(UriTemplate, WrongOnesAreRefused) {
  for (const char* wrong :
       {"", "/a", "a.example", "http:/a", "://a", "1http://a", "ht tp://a", "http://a b", "http://{", "http://}",
        "http://{a{b}}", "http://{}", "http://{+a}", "http://{a,b}", "http://{a b}", "http://{a", "mailto:a@b"}) {
    EXPECT_FALSE(uri_template::parse(wrong)) << wrong;
  }
}

TEST(Problem, IsOneLine) {
  const problem what{
      .at = {12, 7}, .rule = rule::unknown_property, .message = "no\nproperty\x1b", .hint = "did you mean \"a\"?"};
  EXPECT_EQ(describe(what, "file.yaml"), "file.yaml:12:7: error: no\\x0aproperty\\x1b; did you mean \"a\"? [unknown-property]");
  EXPECT_EQ(describe({.severity = severity::warning, .message = "m"}, "f"), "f: warning: m [syntax]");
  EXPECT_EQ(in_quotes(std::string(59, 'a') + "üüü"), "\"" + std::string(59, 'a') + "…\"") << "cut between characters";
  EXPECT_EQ(pointer_token("a/b~c"), "a~1b~0c");
}

}  // namespace
}  // namespace evermill::dsl
