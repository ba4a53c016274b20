#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dsl_files.hpp"

namespace evermill::dsl {
namespace {

TEST(Files, GoodOnesHaveNoProblemsAndLibjqTakesTheirExpressions) {
  const auto files = workflow_files("good");
  ASSERT_GE(files.size(), 12u);
  for (const auto& file : files) {
    const read_result read = read_file(file);
    EXPECT_EQ(described(read.problems, file.filename()), "");
    ASSERT_NE(read.definition, nullptr) << file;
    EXPECT_EQ(read.definition->expressions.prepare(), "") << file;
  }
}

// Each FILE.problems is what a user is told of FILE. After a change that is meant, write them anew with
// `EVERMILL_WRITE_PROBLEMS=1 dsl_tests --gtest_filter=Files.*` and read the difference.
TEST(Files, BadOnesAreToldAllTheirProblems) {
  const auto files = workflow_files("bad");
  ASSERT_GE(files.size(), 20u);
  for (const auto& file : files) {
    const read_result read = read_file(file);
    EXPECT_EQ(read.definition == nullptr, has_errors(read.problems)) << file;
    const std::string told = described(read.problems, file.filename());
    std::filesystem::path expected = file;
    expected.replace_extension(".problems");
    if (std::getenv("EVERMILL_WRITE_PROBLEMS") != nullptr) std::ofstream(expected) << told;
    EXPECT_EQ(told, text_of(expected)) << file;
  }
}

TEST(Files, EachRuleIsBrokenBySomeBadFile) {
  std::set<rule> broken;
  for (const auto& file : workflow_files("bad")) {
    for (const problem& one : read_file(file).problems) broken.insert(one.rule);
  }
  for (int i = 0; i <= static_cast<int>(rule::style); ++i) {
    const auto which = static_cast<rule>(i);
    if (which != rule::limit) {  // no file of a readable size; see document_test.cpp
      EXPECT_TRUE(broken.contains(which)) << rule_name(which);
    }
  }
}

TEST(Files, EachProblemHasAPlaceAndAPointer) {
  for (const auto& file : workflow_files("bad")) {
    const json source = [&] {
      problems ignored;
      const auto root = read_document(text_of(file), text_format::detect, ignored);
      return root ? to_json(*root) : json();
    }();
    for (const problem& one : read_file(file).problems) {
      EXPECT_GE(one.at.line, 1u);
      EXPECT_GE(one.at.column, 1u);
      if (!one.pointer.empty() && !source.is_null()) {
        EXPECT_NO_THROW(static_cast<void>(json::json_pointer(one.pointer))) << one.pointer;
      }
      EXPECT_FALSE(one.message.empty());
      EXPECT_THAT(one.message, testing::Not(testing::EndsWith("."))) << one.message;
    }
  }
}

}  // namespace
}  // namespace evermill::dsl
