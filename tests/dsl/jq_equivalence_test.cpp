// The reader of jq's syntax and the evaluator of simple expressions, compared with libjq.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include <random>

#include "dsl/jq_native.hpp"
#include "dsl/jq_program.hpp"
#include "dsl/jq_syntax.hpp"

namespace evermill::dsl::jq {
namespace {

constexpr std::chrono::milliseconds equivalence_limit{2000};

bool libjq_takes(const std::string& source) {
#ifdef __SANITIZE_ADDRESS__
  const __lsan::ScopedDisabler its_own_leaks;  // libjq 1.6 forgets a part of what it does not compile
#endif
  program one(equivalence_limit);
  one.add(source, {});
  return one.prepare().empty();
}

// What a reader of the grammar could get wrong. Each is taken by both or by neither.
const std::vector<std::string> grammar = {". a",
                                          ".a .b",
                                          ".a . \"b\"",
                                          ".\"a\"",
                                          ".a.\"b\"?",
                                          ".a.[1]",
                                          "..a",
                                          "..",
                                          "..?",
                                          ".. == 1",
                                          ".[]?",
                                          ".[1:2]",
                                          ".[:2]",
                                          ".[1:]",
                                          ".[:]",
                                          ".[-1:]",
                                          "[1][0]",
                                          "{\"a\":1}.a",
                                          "(1).a?",
                                          "\"a\".b?",
                                          "1 == 1 == 1",
                                          "1 < 2 > 3",
                                          "1 = 2",
                                          ". = 1 = 2",
                                          ".a += 1",
                                          ".a //= 1",
                                          ".a |= . + 1",
                                          "1 // 2 // 3",
                                          "1, 2 | 3",
                                          "- 1 + 2",
                                          "-1 * -2",
                                          "1 - -1",
                                          "1 -1",
                                          "--1",
                                          "1?",
                                          "1??",
                                          "?",
                                          ".a?.b",
                                          ".a??.b",
                                          "try 1",
                                          "try -1",
                                          "try error(\"x\") catch .",
                                          "try 1 + 2",
                                          "try .a?",
                                          "try try 1 catch 2",
                                          "try",
                                          "if 1 then 2 else 3 end",
                                          "if 1 then 2 end",
                                          "if 1 then 2 elif 3 then 4 else 5 end",
                                          "if 1 then 2 elif 3 then 4 end",
                                          "if 1 then 2 else 3 end | .",
                                          "if 1 then 2 else 3 end.a",
                                          "if 1 then 2 else 3 end?",
                                          "reduce .[]? as $x (0; . + $x)",
                                          "reduce .[]? as $x (0; . + $x) + 1",
                                          "reduce . as [$a, {b: $c}] (0; 1)",
                                          "reduce .[] as $x (0)",
                                          "foreach 1 as $x (0; 1)",
                                          "foreach 1 as $x (0; 1; 2)",
                                          "foreach 1 as $x (0; 1; 2; 3)",
                                          "reduce (1, 2) as $x (0; 1)",
                                          "reduce 1 + 2 as $x (0; 1)",
                                          "1 as $x | $x",
                                          "1 as $x | 2 as $y | $x + $y",
                                          "1 + . as $x | $x",
                                          ". as $x",
                                          ". as [] | 1",
                                          ". as {} | 1",
                                          ". as {a: $x} | $x",
                                          ". as {\"a\": $x} | $x",
                                          ". as {(\"a\"): $x} | $x",
                                          ". as {$a} | $a",
                                          ". as {$a: [$b]} | $a",
                                          ". as {if: $x} | $x",
                                          ". as [$a] ?// $a | $a",
                                          ". as {a: $x} ?// [$x] | $x",
                                          ".a ?// 1",
                                          ".a?//1",
                                          ".a? // 1",
                                          "def f: 1; f",
                                          "def f: 1;",
                                          "def f: 1; def g: f; g",
                                          "def f(g): g; f(1)",
                                          "def f($a; g): $a + g; f(1; 2)",
                                          "def f: def g: 1; g; f",
                                          "def f(: 1; f",
                                          "1 + def f: 2; f + 3",
                                          "f",
                                          "f(1)",
                                          "map(.)",
                                          "map(1; 2)",
                                          "map()",
                                          "label $x | 1",
                                          "label $x | break $x",
                                          "break $x",
                                          "label $x | def f: break $x; f",
                                          "label x | 1",
                                          "{}",
                                          "{,}",
                                          "{a}",
                                          "{a,}",
                                          "{a: 1,}",
                                          "{\"a\"}",
                                          "{\"a\\(1)\": 2}",
                                          "{@base64 \"x\": 1}",
                                          "{@base64: 1}",
                                          "{(1 | tostring): 2}",
                                          "{if: 1}",
                                          "{if}",
                                          "{and: 1}",
                                          "{1: 2}",
                                          "{true: 1}",
                                          "{a: 1 + 2}",
                                          "{a: (1 + 2)}",
                                          "{a: -1}",
                                          "{a: - -1}",
                                          "{a: 1 | 2}",
                                          "{a: .b.c[0]?}",
                                          "{a: 1?}",
                                          "{a: .b?}",
                                          "{a: not}",
                                          "{a: 1, b: 2 | 3}",
                                          "{a: \"x\\(1)\"}",
                                          "{a: @base64}",
                                          "{a: @base64 \"\\(1)\"}",
                                          "{a: reduce 1 as $x (0; 1)}",
                                          "{a: if 1 then 2 else 3 end}",
                                          "{a: 1 as $x | 2}",
                                          "{a: try 1}",
                                          "{a: 1 == 1}",
                                          "{(1, 2): 3}",
                                          "1 as $x | {$x}",
                                          "1 as $x | {$x: 2}",
                                          "[]",
                                          "[1, 2]",
                                          "[1,]",
                                          "[,]",
                                          "[.[]?]",
                                          "\"\"",
                                          "\"a\" \"b\"",
                                          "\"\\u00e9\"",
                                          "\"\\ud83d\\ude00\"",
                                          "\"\\q\"",
                                          "\"\\(1)\"",
                                          "\"\\(1; 2)\"",
                                          "\"\\(1, 2)\"",
                                          "\"a\\(\"b\\(1)\")\"",
                                          "\"\\(\"",
                                          "\"a",
                                          "@text",
                                          "@json \"x\\(1)\"",
                                          "@text \"a\"",
                                          "1.5e3",
                                          "1e",
                                          "1e+",
                                          ".5",
                                          "1.",
                                          "01",
                                          "1.2.3",
                                          "..5",
                                          "1 2",
                                          "1.foo",
                                          "true and false",
                                          "true and",
                                          "not",
                                          "null",
                                          "nil",
                                          "and",
                                          "__loc__",
                                          "{__loc__: 1}",
                                          "# comment",
                                          "1 # c",
                                          "1 # c\n+ 2",
                                          ".a # c",
                                          "%",
                                          "1 % 2",
                                          "1 %",
                                          "a::b",
                                          "1 as $x | $x.a",
                                          "1 as $x | $x[0]?",
                                          ".[\"a\", \"b\"]?",
                                          ".[1, 2]?",
                                          "[.[1, 2]?]",
                                          ".[.a]?",
                                          ".a[]",
                                          ".a[]?.b?",
                                          "\"abc\" | .[1:2]",
                                          "1 | -.",
                                          ".e0",
                                          ".E1",
                                          ".e10x",
                                          ".a.e5",
                                          "1 / 0",
                                          "1 / (1 - 1)",

                                          "{({}): 1}",
                                          "{(1): 2}",
                                          "{(1 + 1): 2}",
                                          "{([1]): 2}",
                                          "{(1 == 1): 2}",
                                          "{(\"a\" + \"b\"): 2}",
                                          "{(null): 1}",
                                          "1 as $e | $e",
                                          "path(..)",
                                          "[limit(1; 1, 2)]",
                                          "(1, 2) as $x | $x",
                                          "(1",
                                          "1)",
                                          "[1",
                                          "{a: 1",
                                          "]",
                                          "1; 2",
                                          ".a:",
                                          ":",
                                          "|",
                                          "1 |",
                                          "| 1",
                                          "1 || 2",
                                          "1 && 2",
                                          "!1",
                                          "a-b",
                                          ".a-b",
                                          ".a_b",
                                          ".a-1",
                                          ".1a",
                                          "._a",
                                          ".a.b.c.d",
                                          ".[\"a\"].b[\"c\"]"};

TEST(JqEquivalence, WhatIsTakenHereLibjqTakesAndTheOtherWayRound) {
  for (const std::string& source : grammar) {
    EXPECT_EQ(parse(source).has_value(), libjq_takes(source)) << source;
  }
}

class generator {
 public:
  explicit generator(std::uint64_t seed) : random_(seed) {}

  json value(int depth) {
    switch (pick(depth > 0 ? 9 : 7)) {
      case 0:
        return nullptr;
      case 1:
        return pick(2) == 0;
      case 2:
        return static_cast<int>(pick(7)) - 3;
      case 3:
        return static_cast<std::int64_t>(random_() >> 12);
      case 4:
        return static_cast<double>(pick(100)) / 8 - 3;
      case 5:
        return text();
      case 6:
        return static_cast<int>(pick(3));
      case 7: {
        json list = json::array();
        for (auto n = pick(4); n > 0; --n) list.push_back(value(depth - 1));
        return list;
      }
      default: {
        json object = json::object();
        for (auto n = pick(4); n > 0; --n) object[key()] = value(depth - 1);
        return object;
      }
    }
  }

  std::string expression(int depth) {
    if (depth == 0) return leaf();
    const auto inner = [&] { return expression(depth - 1); };
    const auto enclosed = [&] { return "(" + inner() + ")"; };
    switch (pick(22)) {
      case 0:
        return enclosed() + "." + key();
      case 1:
        return enclosed() + "[" + inner() + "]";
      case 2:
        return "[" + enclosed() + ", " + enclosed() + "]";
      case 3:
        return "{" + key() + ": " + enclosed() + ", (.a | " + enclosed() + "): " + enclosed() + "}";
      case 4:
        return "\"a\\(" + inner() + ")b\\(" + inner() + ")\"";
      case 5:
        return enclosed() + " | " + enclosed();
      case 6:
        return "if " + inner() + " then " + inner() + " else " + inner() + " end";
      case 7:
        return enclosed() + " // " + enclosed();
      case 8:
        return enclosed() + " and " + enclosed();
      case 9:
        return enclosed() + " or " + enclosed();
      case 10:
        return "-" + enclosed();
      case 11:
        return "map(" + inner() + ")";
      case 12:
        return enclosed() + " | " + one_of({"not", "length", "tostring", "type", "add", "ascii_downcase", "floor"});
      case 13:
        return enclosed() + " | has(" + inner() + ")";
      case 14:
        return enclosed() + "?";
      case 15:
        return "{$v, " + key() + "}";
      default:
        return enclosed() + " " + one_of({"+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "+", "-"}) + " " +
               enclosed();
    }
  }

 private:
  std::size_t pick(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  std::string one_of(std::initializer_list<const char*> all) { return *(all.begin() + pick(all.size())); }
  std::string key() { return one_of({"a", "b", "c", "d"}); }
  std::string text() { return one_of({"", "a", "b", "abc", "Ünï", "12", "A", "\"q\"", "\n"}); }
  std::string leaf() {
    return one_of({".", ".a", ".b",  ".c", ".a.b",  ".[0]",   ".[-1]", ".[1]", "$v",    "$v.a",     "null", "true", "false",
                   "0", "1",  "2.5", "-1", "\"a\"", "\"Ab\"", "[]",    "{}",   ".a[0]", ".[\"a\"]", "10",   "3"});
  }

  std::mt19937_64 random_;
};

struct compared {
  std::string source;
  parsed syntax;
  std::size_t number;
};

TEST(JqEquivalence, SimpleExpressionsGiveWhatLibjqGives) {
  std::size_t native_results = 0, all = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    generator make(seed);
    program together(equivalence_limit);
    std::vector<compared> expressions;
    while (expressions.size() < 150) {
      const std::string source = make.expression(1 + static_cast<int>(expressions.size() % 3));
      auto syntax = parse(source);
      if (!syntax && syntax.error().message == "this division of constants can't be done") continue;
      ASSERT_TRUE(syntax) << source << ": " << syntax.error().message;
      ASSERT_TRUE(syntax->root.native) << source;
      std::vector<std::string> names;
      for (const parsed::use& use : syntax->variables) names.push_back(use.name);
      const std::size_t number = together.add(source, std::move(names));
      expressions.push_back({source, std::move(*syntax), number});
    }
    ASSERT_EQ(together.prepare(), "");
    for (const compared& one : expressions) {
      for (int round = 0; round < 8; ++round) {
        const json input = make.value(3), variable = make.value(2);
        const std::vector<const json*> variables(one.syntax.variables.size(), &variable);
        const auto native = evaluate_native(one.syntax.root, input, variables);
        ++all;
        if (!native) continue;  // libjq decides
        ++native_results;
        const auto real = together.evaluate(one.number, input, variables);
        ASSERT_TRUE(real) << one.source << " of " << input << ": " << real.error().message << ", here " << *native;
        EXPECT_EQ(*native, *real) << one.source << " of " << input << " with " << variable;
      }
    }
  }
  EXPECT_GT(native_results, all / 8) << "or little is compared";
}

}  // namespace
}  // namespace evermill::dsl::jq
