#include "dsl/jq_syntax.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace evermill::dsl::jq {
namespace {

using testing::HasSubstr;

syntax_error refused(std::string_view source) {
  const auto read = parse(source);
  EXPECT_FALSE(read) << source;
  return read ? syntax_error{} : read.error();
}

std::vector<std::string> names(std::string_view source) {
  const auto read = parse(source);
  EXPECT_TRUE(read) << source;
  std::vector<std::string> found;
  if (read) {
    for (const parsed::use& use : read->variables) found.push_back(use.name);
  }
  return found;
}

TEST(JqSyntax, ErrorsHaveTheirPlace) {
  EXPECT_EQ(refused(".a + ").offset, 5u);
  EXPECT_EQ(refused("[1, 2").offset, 5u);
  EXPECT_EQ(refused(".a ! .b").offset, 3u);
  EXPECT_EQ(refused("\"a\\(.b\"").offset, 6u);
  EXPECT_EQ(refused("{a: 1 + 2}").offset, 6u);
  EXPECT_EQ(refused(".a | lenght").offset, 5u);
  EXPECT_EQ(refused("\"abc").offset, 0u);
  EXPECT_EQ(refused("").message, "unexpected end");
}

TEST(JqSyntax, ErrorsSayWhatToDo) {
  EXPECT_EQ(refused("lenght").hint, "did you mean \"length\"?");
  EXPECT_EQ(refused("map(1; 2)").hint, "map takes 1 parameter, not 2");
  EXPECT_EQ(refused("range(1; 2; 3; 4)").hint, "range takes 1 or 2 or 3 parameters, not 4");
  EXPECT_EQ(refused("test(1, 2; 3; 4)").hint, "test takes 1 or 2 parameters, not 3");
  EXPECT_EQ(refused(".a.[0]").hint, "leave out the dot before `[`");
  EXPECT_EQ(refused(".a?//1").hint, "write a blank: `? //`");
  EXPECT_EQ(refused("if . then 1 end").hint, "jq 1.6 wants an `else` here");
  EXPECT_EQ(refused("1 == 2 == 3").hint, "put parentheses around one of the two");
  EXPECT_EQ(refused("{a: 1 + 2}").hint, "put parentheses around the value of a key");
  EXPECT_EQ(refused("'a'").hint, "a string stands between double quotes");
  EXPECT_EQ(refused(". a").hint, "write the name next to the dot");
  EXPECT_THAT(refused("break $out").message, HasSubstr("label $out"));
  EXPECT_THAT(refused("\"\\q\"").message, HasSubstr("no escape"));
  EXPECT_THAT(refused("1.2.3").message, HasSubstr("no number"));
  EXPECT_THAT(refused("9007199254740993").message, HasSubstr("too large"));
  EXPECT_TRUE(parse("9007199254740992"));
}

TEST(JqSyntax, WhatAReplayCouldSeeDifferentlyIsRefused) {
  for (const std::string_view source : {"now",
                                        "input",
                                        "inputs",
                                        "debug",
                                        "stderr",
                                        "env",
                                        "$ENV",
                                        "env.HOME",
                                        "localtime",
                                        "strflocaltime(\"%H\")",
                                        "input_filename",
                                        "input_line_number",
                                        "get_search_list",
                                        "halt",
                                        "halt_error",
                                        "halt_error(1)",
                                        "$__loc__",
                                        "modulemeta",
                                        "import \"a\" as a; 1",
                                        "include \"a\"; 1",
                                        "[.a | now]",
                                        "def f: now; f",
                                        "\"\\(now)\"",
                                        "{(env.A): 1}",
                                        ". as {(now): $x} | $x",
                                        "get_jq_origin",
                                        "nan",
                                        "jn(1; 2)"}) {
    EXPECT_THAT(refused(source).message, testing::AnyOf(HasSubstr("can't be used"), HasSubstr("modules"))) << source;
  }
  EXPECT_THAT(refused("now").hint, HasSubstr("startedAt"));
  EXPECT_TRUE(parse("def now: 1; now")) << "a function of one's own";
  for (const std::string_view source :
       {"gmtime", "mktime", "todate", "strftime(\"%H\")", "limit(1; .[])", "first(.[])", "error(\"x\")"}) {
    EXPECT_TRUE(parse(source)) << source;
  }
}

TEST(JqSyntax, KnowsTheVariablesThatAnExpressionIsGiven) {
  EXPECT_EQ(names("$a + $b.c + $a"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(names(". as $a | $a + $b"), (std::vector<std::string>{"b"}));
  EXPECT_EQ(names("$x as [$a, {b: $c, $d}] | [$a, $c, $d]"), (std::vector<std::string>{"x"}));
  EXPECT_EQ(names("(. as $a | $a) + $a"), (std::vector<std::string>{"a"})) << "its scope ends";
  EXPECT_EQ(names("reduce .[] as $i (0; . + $i + $k)"), (std::vector<std::string>{"k"}));
  EXPECT_EQ(names("reduce .[] as $i ($i; .)"), (std::vector<std::string>{"i"})) << "the first value does not see it";
  EXPECT_EQ(names("def f($p; g): $p + g + p; f(1; 2) + $p"), (std::vector<std::string>{"p"}));
  EXPECT_EQ(names("{$a, \"b\": \"\\($c)\"}"), (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(names("foreach .[] as [$a, $b] (0; $a; $b + $c)"), (std::vector<std::string>{"c"}));
  const auto read = parse(".a + $later");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->variables.at(0).offset, 5u);
}

TEST(JqSyntax, IsBounded) {
  EXPECT_THAT(refused(std::string(max_source_bytes + 1, ' ')).message, HasSubstr("bytes"));
  for (const std::string piece : {"(", "[", "-", "{a:", "try ", "if 1 then 1 elif ", "\"\\(", "def f: ", ". as [", "reduce "}) {
    std::string deep;
    while (deep.size() + piece.size() < max_source_bytes) deep += piece;
    EXPECT_FALSE(parse(deep)) << piece;
  }
  std::string flat = "1";
  while (flat.size() + 2 < max_source_bytes) flat += ",1";
  EXPECT_TRUE(parse(flat)) << "long is not deep";
  std::string array("[");
  array.append(flat, 0, flat.size() - 2).append("]");
  const auto read = parse(array);
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->root.native);
}

TEST(JqSyntax, SimpleExpressionsNeedNoLibjq) {
  for (const std::string_view source : {".",
                                        ".a.b[0]",
                                        "$context.x",
                                        "\"a\"",
                                        "1",
                                        "null",
                                        ".a + 1",
                                        ".a?.b",
                                        "[.a, .b, 1]",
                                        "[]",
                                        "{}",
                                        "{a: .b, $c, d, \"e\": 1, (.f): 2}",
                                        "\"x\\(.a)y\"",
                                        ".a == 1 and .b != null or (.c | not)",
                                        "if .a then .b else .c end",
                                        ".a // 1",
                                        "-.a",
                                        ".[.k]",
                                        "map(.a)",
                                        ".a | length",
                                        "[(.a, .b)]"}) {
    EXPECT_TRUE(parse(source)->root.native) << source;
  }
  for (const std::string_view source :
       {".[]", ".a, .b", "..", ".a = 1", ".[1:2]", ". as $x | $x", "def not: 1; not", "[.a, (.b, .c)]", "@base64", "select(.a)",
        "try .a", "reduce .[] as $x (0; .)", "{a: (.b, .c)}"}) {
    EXPECT_FALSE(parse(source)->root.native) << source;
  }
}

}  // namespace
}  // namespace evermill::dsl::jq
