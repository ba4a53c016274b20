// What strangers send, taken apart: paths, JSON, values, times.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "server/http/api/json_text.hpp"
#include "server/http/api/json_writer.hpp"
#include "server/http/api/object_reader.hpp"
#include "server/http/api/path.hpp"
#include "server/http/api/problem.hpp"

namespace evermill::server::http::api {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

template <class F>
std::string detail_of(F&& call) {
  try {
    call();
  } catch (const problem& why) {
    return why.what();
  }
  return "no problem";
}

std::optional<path_values> matched(const char* form, std::string_view path) {
  return path_template(form).match(segments_of(path));
}

TEST(ApiPath, ValuesAreDecodedAfterTheSlashesAreFound) {
  EXPECT_THAT(*matched("/w/{id}/s/{name}", "/w/a%2Fb/s/%C3%A4"),
              ElementsAre(Pair("id", "a/b"), Pair("name", "\xc3\xa4")));
  EXPECT_FALSE(matched("/w/{id}", "/w/a/b"));
  EXPECT_FALSE(matched("/w/{id}", "/w"));
  EXPECT_THAT(*matched("/w/{id}", "/w/%2E%2e"), ElementsAre(Pair("id", "..")));
}

TEST(ApiPath, WhatFollowsAColonIsAnAction) {
  EXPECT_THAT(*matched("/w/{id}:cancel", "/w/a%3Ab:cancel"), ElementsAre(Pair("id", "a:b")));
  for (const char* path : {"/w/a", "/w/a:b", "/w/:cancel", "/w/a:cancel:cancel", "/w/a:cancelled"}) {
    EXPECT_FALSE(matched("/w/{id}:cancel", path)) << path;
  }
  EXPECT_FALSE(matched("/w/{id}", "/w/a:b"));
  EXPECT_TRUE(matched("/w:batch", "/w:batch"));
}

TEST(ApiPath, TricksAreRefused) {
  for (const char* path : {"", "w", "//", "/w//a", "/w/", "/w/.", "/w/../x"}) {
    EXPECT_NE(detail_of([&] { segments_of(path); }), "no problem") << path;
  }
  for (const char* text : {"%", "%4", "%zz", "%00", "%ff", "%C3", "%ed%a0%80"}) {
    EXPECT_NE(detail_of([&] { percent_decoded(text, "id"); }), "no problem") << text;
  }
  EXPECT_TRUE(segments_of("/").empty());
}

TEST(ApiPath, AQueryHasParameters) {
  EXPECT_THAT(parameters_of("a=1&b=x%26y+z&&c&a=%2B&d=e=f"),
              ElementsAre(Pair("a", "1"), Pair("b", "x&y z"), Pair("c", ""), Pair("a", "+"), Pair("d", "e=f")));
}

TEST(ApiJson, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(why_no_json(R"( {"a": [1, {"b": "ä"}]} )"), std::nullopt);
  EXPECT_THAT(*why_no_json(""), HasSubstr("empty"));
  EXPECT_THAT(*why_no_json("{\n \"a\": ]"), HasSubstr("line 2, column 7"));
  EXPECT_THAT(*why_no_json(R"({"a": {"b": 1, "b": 2}})"), HasSubstr("\"b\" stands twice"));
  EXPECT_EQ(why_no_json(R"([{"b": 1}, {"b": 2}])"), std::nullopt);
  EXPECT_TRUE(why_no_json("\"\xff\""));
  EXPECT_TRUE(why_no_json("1 2"));
  EXPECT_EQ(why_no_json(std::string(1000, '[') + std::string(1000, ']')), std::nullopt);
  EXPECT_THAT(*why_no_json(std::string(1001, '[') + std::string(1001, ']')), HasSubstr("deeper"));
}

TEST(ApiJson, PartsAreTheTextAsItIs) {
  const auto parts = parts_of(" { \"a\" : 1.10 ,\"b\\n\":[ {\"x\": \"]\\\"\"} , 2],\"c\":{} } ");
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0].value, "1.10");
  EXPECT_EQ(parts[1].name, "b\n");
  EXPECT_EQ(parts[1].value, "[ {\"x\": \"]\\\"\"} , 2]");
  EXPECT_EQ(parts[2].value, "{}");
  EXPECT_EQ(parts_of("[1,[2],\"3\" ]").size(), 3u);
  EXPECT_TRUE(parts_of("[]").empty());
  EXPECT_TRUE(parts_of("7").empty());
  EXPECT_EQ(compact(" { \"a b\" : [ 1 , \" \\\" \" ] } "), "{\"a b\":[1,\" \\\" \"]}");
}

TEST(ApiJson, MembersAreAskedFor) {
  object_reader body(R"({"id": "x", "force": true, "wait": "1m30s", "extra": 1})");
  EXPECT_EQ(body.text("id"), "x");
  EXPECT_TRUE(body.boolean("force"));
  EXPECT_EQ(body.duration("wait"), 90s);
  EXPECT_EQ(detail_of([&] { body.finish(); }), "\"extra\" is unknown here");
  EXPECT_EQ(body.text("extra_"), "");
  EXPECT_THAT(detail_of([&] { body.finish(); }), HasSubstr("did you mean \"extra_\"?"));
  EXPECT_EQ(detail_of([&] { body.text("force"); }), "\"force\" is no string");
  EXPECT_THAT(detail_of([&] { body.need_text("ids"); }), HasSubstr("is missing"));
  EXPECT_EQ(detail_of([&] { object_reader("[]"); }), "the body is no JSON object");
}

TEST(ApiJson, FailuresHaveBoundedCauses) {
  std::string text = R"({"message": "m"})";
  for (int i = 0; i < 10; ++i) text = R"({"kind": "lost", "cause": )" + text + "}";
  const failure why = object_reader(text).as_failure();
  EXPECT_EQ(why.kind, failure_kind::lost);
  ASSERT_TRUE(why.cause);
  for (int i = 0; i < 10; ++i) text = R"({"cause": )" + text + "}";
  EXPECT_THAT(detail_of([&] { object_reader(text).as_failure(); }), HasSubstr("causes"));
  EXPECT_THAT(detail_of([] { object_reader(R"({"kind": "tired"})").as_failure(); }), HasSubstr("no kind of failure"));
}

TEST(ApiText, Durations) {
  for (const auto& [text, length] :
       std::initializer_list<std::pair<const char*, std::chrono::microseconds>>{{"250us", 250us},
                                                                                {"10ms", 10ms},
                                                                                {"1.5s", 1500ms},
                                                                                {"0.000001s", 1us},
                                                                                {"1h30m", 90min},
                                                                                {"7d", 7 * 24h},
                                                                                {"0s", 0s}}) {
    EXPECT_EQ(parse_duration(text), length) << text;
  }
  for (const char* text :
       {"", "1", "s", "-1s", "1.s", ".5s", "1y", "1s ", "999999999999d", "9999999999999s", "365000d1us", "1.5.5s"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
  json_writer to;
  to.begin_array()
      .duration({}, 1500ms)
      .duration({}, 90s)
      .duration({}, 1us)
      .duration({}, 0us)
      .duration({}, -1500ms)
      .end_array();
  EXPECT_EQ(to.take(), R"(["1.5s","90s","0.000001s","0s","-1.5s"])");
}

TEST(ApiText, Times) {
  const timestamp moment = std::chrono::sys_days(std::chrono::year(2026) / 5 / 1) + 12h + 30min + 15s + 250ms;
  for (const char* text : {"2026-05-01T12:30:15.25Z", "2026-05-01t12:30:15.250000999z", "2026-05-01T14:30:15.25+02:00",
                           "2026-05-01T11:00:15.25-01:30"}) {
    EXPECT_EQ(parse_time(text), moment) << text;
  }
  for (const char* text : {"", "2026-05-01", "2026-02-30T00:00:00Z", "2026-05-01T24:00:00Z", "2026-05-01T12:30:15",
                           "2026-05-01 12:30:15Z", "2026-05-01T12:30:15.Z", "2026-05-01T12:30:15Zx"}) {
    EXPECT_EQ(parse_time(text), std::nullopt) << text;
  }
  json_writer to;
  EXPECT_EQ(to.time({}, moment).take(), "\"2026-05-01T12:30:15.250000Z\"");
}

TEST(ApiText, AContentTypeMakesAPayload) {
  using type = payload::content_type;
  EXPECT_EQ(payload_of("application/json; charset=utf-8", "1").type, type::json);
  EXPECT_EQ(payload_of("application/octet-stream", "1").type, type::bytes);
  EXPECT_EQ(payload_of("application/protobuf; messageType=\"a.B\"", "1").type_name, "a.B");
  EXPECT_EQ(payload_of("image/png", "1").type_name, "image/png");
  json_writer to;
  to.begin_object()
      .value("a", json_payload("not json"))
      .value("b", json_payload(""))
      .value("c", std::nullopt)
      .value("d", json_payload("[1]"));
  EXPECT_EQ(to.end_object().take(),
            R"({"a_payload":{"content_type":"application/json","data":"bm90IGpzb24="},"d":[1]})");
}

TEST(ApiText, TextIsEscaped) {
  EXPECT_EQ(quoted("a\"\\\n\x01\x7f\xc3\xa4\xff"), "\"a\\\"\\\\\\n\\u0001\\u007f\xc3\xa4\xef\xbf\xbd\"");
}

TEST(ApiProblem, EachErrorOfTheEngineHasOne) {
  for (int code = 0; code <= static_cast<int>(control_errc::internal); ++code) {
    const problem_type& type = type_of(kind_of(static_cast<control_errc>(code)));
    EXPECT_EQ(static_cast<int>(type.kind), code);
  }
  for (std::size_t i = 0; i < problem_types().size(); ++i)
    EXPECT_EQ(static_cast<std::size_t>(problem_types()[i].kind), i);
  const response busy = to_response(problem(control_error(control_errc::overloaded, "busy", 1500ms)), "/x");
  EXPECT_EQ(busy.status, 429u);
  EXPECT_THAT(busy.headers, ElementsAre(Pair("Retry-After", "2")));
  EXPECT_EQ(busy.body,
            R"({"type":"/problems/overloaded","title":"Too much at once","status":429,"detail":"busy","instance":"/x"})"
            "\n");
}

}  // namespace
}  // namespace evermill::server::http::api
