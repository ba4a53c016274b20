#include "dsl/expression.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "dsl/value_template.hpp"

namespace evermill::dsl {
namespace {

using testing::HasSubstr;
using kind = jq::evaluation_error::kind;

class given final : public variables {
 public:
  given() = default;
  explicit given(std::map<std::string, json, std::less<>> values) : values_(std::move(values)) {}
  const json* find(std::string_view name) const override {
    ++asked;
    const auto found = values_.find(name);
    return found == values_.end() ? nullptr : &found->second;
  }
  mutable int asked = 0;

 private:
  std::map<std::string, json, std::less<>> values_;
};

expression compiled(std::string_view source, std::chrono::milliseconds limit = std::chrono::seconds(30)) {
  auto made = expression_compiler(limit).compile(source, {3, 7});
  EXPECT_TRUE(made) << source << ": " << made.error().message;
  return std::move(*made);
}

json value(std::string_view source, const json& input = nullptr, const given& with = {}) {
  auto got = compiled(source).evaluate(input, with);
  EXPECT_TRUE(got) << source << ": " << got.error().message;
  return got ? *got : json("none");
}

expression_error failure(std::string_view source, const json& input = nullptr,
                         std::chrono::milliseconds limit = std::chrono::seconds(30)) {
  auto got = compiled(source, limit).evaluate(input, no_variables());
  EXPECT_FALSE(got) << source;
  return got ? expression_error{} : got.error();
}

TEST(Expression, GivesItsOneResult) {
  EXPECT_EQ(value(".a + 1", {{"a", 2}}), 3);
  EXPECT_EQ(value("[.[] | select(. > 1)]", {1, 2, 3}), json({2, 3}));
  EXPECT_EQ(value("empty"), nullptr) << "no result is null";
  EXPECT_EQ(failure("1, 2").what, kind::several);
  EXPECT_EQ(failure("repeat(1)").what, kind::several) << "without end: the second is one too many";
  EXPECT_EQ(value("1 # and a comment"), 1);
}

TEST(Expression, ValuesComeAndGoUnchanged) {
  const json all = json::parse(
      R"({"a": [null, true, false, 0, -1, 1.5, 1e300, "", "ü😀\u0000x"], "b": {"": {}, "c": []}, "n": 9007199254740992})");
  EXPECT_EQ(value(". as $x | $x", all), all);
  EXPECT_EQ(value(". as $x | $x", all).dump(), all.dump()) << "integers stay integers";
}

TEST(Expression, LargeIntegersAreNeverSilentlyRounded) {
  const json order = {{"id", 9007199254740993}, {"small", 5}};
  EXPECT_EQ(value(".id", order), 9007199254740993);
  EXPECT_EQ(value("{id, list: [.id]}", order), (json{{"id", 9007199254740993}, {"list", {9007199254740993}}}));
  EXPECT_EQ(value("\"\\(.id)\"", order), "9007199254740993");
  EXPECT_EQ(value(".id == 9007199254740992", order), false);
  EXPECT_EQ(failure(".id + 1", order).what, kind::number);
  EXPECT_EQ(failure(".[]?, 1 | numbers | select(. > 5)", order).what, kind::number);
  EXPECT_EQ(value(". as $x | $x.small + 1", order), 6) << "beside one that is not used";
  EXPECT_EQ(value("18446744073709549568 | . as $x | $x"), 18446744073709549568.0) << "exact as a double";
}

TEST(Expression, ResultsThatJsonDoesNotHaveAreAsJqPrintsThem) {
  EXPECT_EQ(value("infinite - infinite"), nullptr);
  EXPECT_EQ(value("infinite"), std::numeric_limits<double>::max());
  EXPECT_EQ(value("[-0, 1.0, 1e3]").dump(), "[0,1,1000]");
}

TEST(Expression, FailuresAreToldInJqsWords) {
  const expression_error error = failure(".a.b", {{"a", 1}});
  EXPECT_EQ(error.what, kind::failed);
  EXPECT_EQ(error.message, "Cannot index number with string \"b\"");
  EXPECT_EQ(error.at, (position{3, 7}));
  EXPECT_EQ(describe(error), "Cannot index number with string \"b\", in `.a.b`, line 3");
  EXPECT_EQ(failure("error(\"own\")").message, "own");
  EXPECT_EQ(failure("error({a: 1})").message, "{\"a\":1}");
  EXPECT_EQ(value("null | error"), nullptr) << "jq 1.6 takes an error of null for no result";
  EXPECT_TRUE(error.repeatable());
}

TEST(Expression, ThatNeverEndsIsStopped) {
  using std::chrono::milliseconds;
  for (const std::string_view endless : {"[repeat(1)]", "def f: f; f", "last(range(0; infinite))", "until(false; .)",
                                         "[recurse(.)]", "reduce repeat(1) as $x (0; . + 1)", "\"a\" | gsub(\"\"; \"b\")"}) {
    const expression_error error = failure(endless, nullptr, milliseconds(40));
    EXPECT_EQ(error.what, kind::stopped) << endless;
    EXPECT_FALSE(error.repeatable()) << "a replay could be faster";
  }
}

// libjq 1.6 alone would end the process.
TEST(Expression, NoInputEndsTheProcess) {
  const json extremes = {{"a", -9.3e18}, {"b", -1}, {"t", 1e18}, {"n", "nan"}};
  EXPECT_EQ(value(".a % .b", extremes), 0);
  EXPECT_EQ(value("[.a % .b, (7, 8) % (3, 5)]", extremes), json({0, 1, 2, 2, 3}));
  EXPECT_EQ(value("[.[]?, 7] | .[4] % -1.5", extremes), 0);
  EXPECT_THAT(failure(".b % 0", extremes).message, HasSubstr("zero"));
  EXPECT_THAT(failure(".t | todate", extremes).message, HasSubstr("datetime"));
  EXPECT_THAT(failure(".t | strftime(\"%Y\")", extremes).message, HasSubstr("datetime"));
  EXPECT_EQ(value("0 | todate"), "1970-01-01T00:00:00Z");
  EXPECT_EQ(value("0 | strftime(\"%Y\")"), "1970");
  EXPECT_EQ(value("0 | gmtime | todateiso8601"), "1970-01-01T00:00:00Z");
  EXPECT_THAT(failure(".n | tonumber", extremes).message, HasSubstr("NaN"));
  EXPECT_THAT(failure("\"[nan]\" | fromjson").message, HasSubstr("NaN"));
  EXPECT_EQ(value("[\"12\", 3] | map(tonumber)"), json({12, 3}));
  EXPECT_EQ(value("\"[1, null]\" | fromjson"), json({1, nullptr}));
}

TEST(Expression, GoesOnAfterOneWasStopped) {
  expression_compiler compiler(std::chrono::milliseconds(40));
  const expression endless = *compiler.compile("[repeat(1)]");
  const expression fine = *compiler.compile("[.[]]");
  EXPECT_FALSE(endless.evaluate(nullptr, no_variables()));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(*fine.evaluate({1, 2}, no_variables()), json({1, 2}));
  EXPECT_FALSE(endless.evaluate(nullptr, no_variables()));
}

TEST(Expression, DeepResultsAreRefusedAndFreed) {
  EXPECT_THAT(failure("reduce range(0; 200000) as $i (0; [.])").message, HasSubstr("deeper"));
  EXPECT_THAT(failure("reduce range(0; 200000) as $i (0; {a: .})").message, HasSubstr("deeper"));
  EXPECT_THAT(failure("reduce range(0; 200000) as $i (0; [.]) | ., .").message, HasSubstr("more than one"));
}

TEST(Expression, VariablesAreAskedForOnceAndOnlyThoseItUses) {
  const given with({{"a", 1}, {"b", {{"c", 2}}}});
  EXPECT_EQ(value("$a + $b.c + $a", nullptr, with), 4);
  EXPECT_EQ(with.asked, 2);
  EXPECT_EQ(value("[$a, $missing]", nullptr, with), json({1, nullptr}));
  EXPECT_EQ(value("[$a, $b.c] | map(. as $x | $x + $a)", nullptr, with), json({2, 3}));
  const expression uses = compiled("$a");
  EXPECT_TRUE(uses.uses("a"));
  EXPECT_FALSE(uses.uses("b"));
}

TEST(Expression, ManyVariables) {
  std::string source = "[";
  std::map<std::string, json, std::less<>> values;
  for (int i = 0; i < 20; ++i) {
    const std::string name = "v" + std::to_string(i);
    source.append(i == 0 ? "$" : ", $").append(name);
    values[name] = i;
  }
  EXPECT_EQ(value(source + "] | length", nullptr, given(values)), 20);
  EXPECT_EQ(value(source + "] | [.[]] | length", nullptr, given(values)), 20);
}

TEST(Expression, OfOneFileDoNotMix) {
  expression_compiler compiler;
  std::vector<expression> all;
  for (int i = 0; i < 33; ++i) all.push_back(*compiler.compile("[.[] + " + std::to_string(i) + "] | .[0]"));
  EXPECT_EQ(compiler.prepare(), "");
  for (int i = 0; i < 33; ++i) EXPECT_EQ(*all[static_cast<std::size_t>(i)].evaluate({100}, no_variables()), 100 + i);
}

TEST(Expression, AnyThreadMayEvaluate) {
  const expression shared = compiled("[.[] | select(. != $skip)] | length");
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&shared, &right, t] {
      for (int i = 0; i < 200; ++i) {
        const given with({{"skip", t}});
        const auto got = shared.evaluate({0, 1, 2, 3, 4, 5}, with);
        if (got && *got == 5) ++right;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 800);
}

TEST(Expression, ConditionsAreTrueButForFalseAndNull) {
  for (const auto& [source, expected] : std::map<std::string, bool>{
           {"true", true}, {"false", false}, {"null", false}, {"0", true}, {"\"\"", true}, {"empty", false}}) {
    EXPECT_EQ(*compiled(source).holds(nullptr, no_variables()), expected) << source;
  }
  EXPECT_FALSE(compiled("error(1)").holds(nullptr, no_variables()));
}

TEST(Expression, IsEnclosedByDollarAndBraces) {
  EXPECT_EQ(enclosed_expression("${ .a }"), ".a");
  EXPECT_EQ(enclosed_expression(" ${.a}\n"), ".a");
  EXPECT_EQ(enclosed_expression("${ {a: 1} }"), "{a: 1}");
  EXPECT_EQ(enclosed_expression(".a"), std::nullopt);
  EXPECT_EQ(enclosed_expression("x ${ .a }"), std::nullopt);
  EXPECT_EQ(enclosed_expression("$ { .a }"), std::nullopt);
  EXPECT_EQ(enclosed_expression("${ .a"), std::nullopt);
  EXPECT_EQ(enclosed_expression(""), std::nullopt);
}

TEST(ValueTemplate, EvaluatesWhatIsInIt) {
  value_template::object members;
  members.emplace_back("a", value_template(compiled(".x")));
  members.emplace_back("b", value_template(json("text")));
  value_template::list items;
  items.push_back(value_template(compiled(".x + 1")));
  items.push_back(value_template(json(nullptr)));
  members.emplace_back("c", value_template(std::move(items)));
  const value_template all(std::move(members));
  EXPECT_FALSE(all.is_constant());
  EXPECT_EQ(*all.evaluate({{"x", 1}}, no_variables()), json::parse(R"({"a":1,"b":"text","c":[2,null]})"));
  EXPECT_FALSE(all.evaluate({{"x", true}}, no_variables())) << "true + 1";
}

TEST(ValueTemplate, WithoutExpressionsIsAConstant) {
  value_template::object members;
  members.emplace_back("a", value_template(value_template::list{value_template(json(1)), value_template(json(2))}));
  const value_template all(std::move(members));
  ASSERT_TRUE(all.is_constant());
  EXPECT_EQ(*all.constant(), json::parse(R"({"a":[1,2]})"));
}

TEST(ValueTemplate, LooseTextIsItselfWhereItFails) {
  const value_template text(value_template::loose_text{compiled(".a.b"), ".a.b"});
  EXPECT_EQ(*text.evaluate(json::parse(R"({"a":{"b":1}})"), no_variables()), 1);
  EXPECT_EQ(*text.evaluate({{"a", 1}}, no_variables()), ".a.b");
  const value_template endless(value_template::loose_text{compiled("[repeat(1)]", std::chrono::milliseconds(40)), "x"});
  EXPECT_FALSE(endless.evaluate(nullptr, no_variables())) << "stopped is not failed";
}

}  // namespace
}  // namespace evermill::dsl
