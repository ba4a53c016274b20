// An event as JSON gives back its bytes, whatever is in it.
#include "engine/journal_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "messages/history_json.hpp"

namespace evermill {
namespace {

using ::testing::HasSubstr;

/// The line; fails where it does not give back the event.
std::string line_of(const messages::Event& event) {
  const std::string line = event_line(7, 6, from_micros(1'777'777'777'000'001), event).dump();
  const auto back = parse_event_line(ordered_json::parse(line));
  EXPECT_TRUE(back) << back.error().message << ": " << line;
  if (!back) return line;
  EXPECT_EQ(back->event.SerializeAsString(), event.SerializeAsString()) << line;
  EXPECT_EQ(back->seq, 7U);
  EXPECT_EQ(back->turn, 6U);
  EXPECT_EQ(to_micros(back->time), 1'777'777'777'000'001);
  return line;
}

std::string line_of_result(messages::Payload::ContentType type, const std::string& data) {
  messages::Event event;
  auto& result = *event.mutable_activity_task_completed()->mutable_result();
  result.set_content_type(type);
  result.set_data(data);
  return line_of(event);
}

TEST(JournalJson, ShowsPayloadsAsJsonWhereThatGivesBackTheirBytes) {
  EXPECT_THAT(line_of_result(messages::Payload::JSON, R"({"b":[1,2.5,null],"a":"caf)" "\xc3\xa9" R"("})"), HasSubstr(R"("result":{"b":[1,2.5,null])"));
  EXPECT_THAT(line_of_result(messages::Payload::JSON, "null"), HasSubstr("\"result\":null"));
  for (const char* text : {"", "{ }", "1.0e2", "12345678901234567890123", "{\"a\":1,\"a\":2}", "\"\\u00e9\"", "tru", "\xff",
                           "{\"content_type\":\"JSON\",\"base64\":\"\"}"}) {
    EXPECT_THAT(line_of_result(messages::Payload::JSON, text), HasSubstr("\"base64\"")) << text;
  }
  EXPECT_THAT(line_of_result(messages::Payload::JSON, std::string(100'000, '[')), HasSubstr("\"base64\""));
  EXPECT_THAT(line_of_result(messages::Payload::BYTES, std::string("\0\xff", 2)), HasSubstr("\"base64\":\"AP8=\""));
}

TEST(JournalJson, KeepsWhatJsonCanNotSay) {
  messages::Event not_a_number;
  not_a_number.mutable_activity_task_scheduled()->mutable_options()->mutable_retry()->set_backoff_coefficient(
      std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(line_of(not_a_number), HasSubstr("\"protobuf\""));

  messages::Event unknown_kind_of_failure;
  unknown_kind_of_failure.mutable_activity_task_failed()->mutable_failure()->set_kind(static_cast<messages::Failure::Kind>(99));
  EXPECT_THAT(line_of(unknown_kind_of_failure), HasSubstr("\"protobuf\""));

  messages::Event later_field;
  later_field.mutable_timer_fired()->set_started_seq(3);
  messages::Event with_unknown;
  ASSERT_TRUE(with_unknown.ParseFromString(later_field.SerializeAsString()));
  with_unknown.mutable_timer_fired()->GetReflection()->MutableUnknownFields(with_unknown.mutable_timer_fired())->AddVarint(77, 5);
  EXPECT_THAT(line_of(with_unknown), HasSubstr("\"protobuf\""));

  messages::Event later_kind;
  later_kind.GetReflection()->MutableUnknownFields(&later_kind)->AddLengthDelimited(31, "x");
  EXPECT_THAT(line_of(later_kind), HasSubstr("\"type\":\"Unknown\""));
  line_of(messages::Event());
}

TEST(JournalJson, TellsTimesThatTheSystemClockCanNot) {
  const timestamp late = from_micros(9'300'000'000'000'000);
  EXPECT_EQ(iso_time(late), "2264-09-14T21:20:00.000000Z");
  EXPECT_EQ(parse_iso_time(iso_time(late)), late);
  EXPECT_FALSE(parse_iso_time("2026-02-30T00:00:00.000000Z"));
  EXPECT_FALSE(parse_iso_time("2026-02-03T00:00:00Z"));
  EXPECT_FALSE(parse_iso_time("999999-02-03T00:00:00.000000Z"));
}

}  // namespace
}  // namespace evermill
