#include "dsl/document.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dsl/text_lines.hpp"

namespace evermill::dsl {
namespace {

using testing::HasSubstr;

node yaml(std::string_view text) {
  problems found;
  auto root = read_document(text, text_format::yaml, found);
  EXPECT_TRUE(root) << (root ? "" : root.error().message);
  EXPECT_TRUE(found.empty());
  return root ? std::move(*root) : node{};
}

problem refused(std::string_view text, const document_limits& limits = {}, text_format format = text_format::yaml) {
  problems found;
  auto root = read_document(text, format, found, limits);
  EXPECT_FALSE(root) << text;
  return root ? problem{} : root.error();
}

TEST(Document, ScalarsAreThoseOfYaml12sCoreSchema) {
  const json expected = json::parse(R"({
    "strings": ["no", "yes", "on", "off", "y", "0b1", "1_000", "12:30", "2026-05-01", "1e", ".", "-", "+", "0xg", "nan",
                "=", "1.2.3"],
    "booleans": [true, true, true, false, false, false],
    "nulls": [null, null, null, null, null],
    "integers": [0, 12, -7, 7, 255, 8, 9223372036854775807, -9223372036854775808, 18446744073709551615],
    "floats": [1.5, 0.5, 1.0, 1000.0, -0.015, 1e30],
    "quoted": ["true", "12", "null", "~"]
  })");
  const node root = yaml(R"(
strings: [no, yes, on, off, y, 0b1, 1_000, 12:30, 2026-05-01, 1e, ., '-', +, 0xg, nan, =, 1.2.3]
booleans: [true, True, TRUE, false, False, FALSE]
nulls: [null, Null, NULL, ~, ]
integers: [0, 12, -7, +007, 0xff, 0o10, 9223372036854775807, -9223372036854775808, 18446744073709551615]
floats: [1.5, .5, 1., 1e3, -1.5e-2, 1000000000000000000000000000000]
quoted: ['true', "12", 'null', "~"]
)");
  json read = to_json(root);
  read["nulls"].push_back(nullptr);  // a comma at the end adds no element
  EXPECT_EQ(read, expected);
}

TEST(Document, TagsOfTheCoreSchemaChooseTheType) {
  EXPECT_EQ(to_json(yaml("[!!str 12, !!int '12', !!float 1, !!bool 'true', !!null '', ! 12, !!map {}, !!seq []]")),
            json::parse(R"(["12", 12, 1, true, null, "12", {}, []])"));
  EXPECT_THAT(refused("a: !!int x").message, HasSubstr("can't be used"));
  EXPECT_THAT(refused("a: !own x").message, HasSubstr("can't be used"));
  EXPECT_THAT(refused("a: !own {}").message, HasSubstr("can't be used"));
}

TEST(Document, EachValueKnowsItsPlace) {
  const node root = yaml("a: 1\nb:\n  - x\n  - {c: ü, d: 'y'}\n");
  EXPECT_EQ(root.at, (position{1, 1}));
  EXPECT_EQ(root.find("a")->at, (position{1, 4}));
  const node& list = *root.find("b");
  EXPECT_EQ(list.items[0].at, (position{3, 5}));
  EXPECT_EQ(list.items[1].at, (position{4, 5}));
  EXPECT_EQ(list.items[1].members[0].key_at, (position{4, 6}));
  EXPECT_EQ(list.items[1].find("d")->at, (position{4, 15})) << "characters are counted, not bytes";
}

TEST(Document, PlacesWithinTextsAreKnownWhereTheyCanBe) {
  const node root = yaml(
      "plain: abc def\nsingle: 'abc def'\ndouble: \"a\\tb\"\nblock: |\n    one\n\n    two\nfolded: >\n  a\n  b\nanchored: &a "
      "abc\n");
  EXPECT_EQ(root.find("plain")->within(4), (position{1, 12}));
  EXPECT_EQ(root.find("single")->within(4), (position{2, 14}));
  EXPECT_EQ(root.find("double")->within(2), root.find("double")->at) << "escapes move what follows";
  EXPECT_EQ(root.find("block")->within(1), (position{5, 6}));
  EXPECT_EQ(root.find("block")->within(6), (position{7, 6})) << "the t of two, behind an empty line";
  EXPECT_EQ(root.find("folded")->within(2), root.find("folded")->at);
  EXPECT_EQ(root.find("anchored")->within(1), root.find("anchored")->at);
}

TEST(Document, LinesMayEndWithCarriageReturnsAndBeginWithAByteOrderMark) {
  const node root = yaml(
      "\xef\xbb\xbf"
      "a: 1\r\nb: x\r\nc: |\r\n  y\r\n");
  EXPECT_EQ(to_json(root), json::parse(R"({"a": 1, "b": "x", "c": "y\n"})"));
  EXPECT_EQ(root.find("b")->at, (position{2, 4}));
}

TEST(Document, AliasesAreCopies) {
  EXPECT_EQ(to_json(yaml("a: &x {n: 1}\nb: *x\nc: [*x, *x]")),
            json::parse(R"({"a":{"n":1},"b":{"n":1},"c":[{"n":1},{"n":1}]})"));
  EXPECT_EQ(to_json(yaml("a: &k key\n*k : 1")), json::parse(R"({"a":"key","key":1})"));
}

TEST(Document, AliasesOfAliasesDoNotExplode) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 1; k < 10; ++k) bomb += ", " + before;
    bomb += "]\n";
  }
  EXPECT_EQ(refused(bomb).rule, rule::limit);
}

TEST(Document, SizeDepthAndNumberAreBounded) {
  EXPECT_EQ(refused("a: 12345", {.bytes = 7}).rule, rule::limit);
  EXPECT_EQ(refused("[1, 2, 3]", {.nodes = 3}).rule, rule::limit);
  EXPECT_EQ(refused("[[[1]]]", {.depth = 3}).rule, rule::limit);
  EXPECT_EQ(refused("[1, 2, 3]", {.nodes = 3}, text_format::json).rule, rule::limit);
  EXPECT_EQ(refused("[[[1]]]", {.depth = 3}, text_format::json).rule, rule::limit);
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_EQ(refused(deep).rule, rule::limit);
  EXPECT_EQ(refused(deep, {}, text_format::json).rule, rule::limit);
}

TEST(Document, AKeyThatStandsTwiceIsToldAndTheFirstCounts) {
  for (const std::string_view text : {"a: 1\nb: 2\na: 3\n", "{\"a\": 1,\n\"b\": 2,\n\"a\": 3}"}) {
    problems found;
    const auto root = read_document(text, text_format::detect, found);
    ASSERT_TRUE(root);
    EXPECT_EQ(to_json(*root), json::parse(R"({"a":1,"b":2})"));
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].rule, rule::duplicate);
    EXPECT_EQ(found[0].at, (position{3, 1}));
  }
}

TEST(Document, WhatIsNoTextIsRefused) {
  EXPECT_EQ(refused("").message, "the file is empty");
  EXPECT_EQ(refused(" \n").message, "the file is empty");
  EXPECT_THAT(refused("a: \xff").message, HasSubstr("UTF-8"));
  EXPECT_THAT(refused(std::string_view("a: \0", 4)).message, HasSubstr("NUL"));
  EXPECT_EQ(refused("a: [1\nb: 2").rule, rule::syntax);
  EXPECT_EQ(refused("a: {x: ${ {y: 1} }}").hint, "an expression within { } or [ ] needs quotes around it");
}

TEST(Document, JsonIsReadAsJson) {
  const std::string text = "{\"smile\": \"\\ud83d\\ude00\",\n \"path\": \"a\\/b\", \"n\": [1, -2.5, 1e2, true, null]}";
  problems found;
  const auto root = read_document(text, text_format::detect, found);
  ASSERT_TRUE(root);
  EXPECT_EQ(to_json(*root), json::parse(text));
  EXPECT_EQ(root->find("path")->at, (position{2, 10}));
  EXPECT_EQ(root->find("path")->members.size(), 0u);
  EXPECT_EQ(root->find("n")->items[1].at, (position{2, 27}));
}

TEST(Document, JsonThatIsNoneIsToldWithItsPlace) {
  const problem why = refused("{\"a\": 1,\n \"b\": }", {}, text_format::json);
  EXPECT_EQ(why.at, (position{2, 7}));
  EXPECT_THAT(why.message, HasSubstr("this is no JSON"));
  EXPECT_EQ(refused("{\"a\": 1e999}", {}, text_format::json).rule, rule::syntax);
}

TEST(TextLines, CountCharacters) {
  const text_lines lines("aü\n\nb");
  EXPECT_EQ(lines.at(0), (position{1, 1}));
  EXPECT_EQ(lines.at(3), (position{1, 3}));
  EXPECT_EQ(lines.at(4), (position{2, 1}));
  EXPECT_EQ(lines.at(5), (position{3, 1}));
  EXPECT_EQ(lines.at(99), (position{3, 2}));
  EXPECT_EQ(lines.line(3), "b");
  EXPECT_EQ(lines.line(4), "");
}

}  // namespace
}  // namespace evermill::dsl
