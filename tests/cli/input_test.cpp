#include "cli/input.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/errors.hpp"

namespace evermill::cli {
namespace {

using ::testing::HasSubstr;

std::string error_of(std::string_view argument, const std::string& standard_input = "") {
  std::istringstream in(standard_input);
  try {
    read_json(argument, "--input", in);
  } catch (const command_error& error) {
    EXPECT_EQ(error.code(), exit_code::refused);
    return error.what();
  }
  return "";
}

TEST(ReadJson, WritesTheSameValueTheSameWay) {
  std::istringstream in;
  EXPECT_EQ(read_json(R"({"b": 1, "a": [1, 2]})", "--input", in), read_json(R"({"a":[1,2],"b":1})", "--input", in));
}

TEST(ReadJson, TakesStandardInputForADash) {
  std::istringstream in(" [1] ");
  EXPECT_EQ(read_json("-", "--input", in).data, "[1]");
}

TEST(ReadJson, NamesLineAndColumnOfAMistake) {
  EXPECT_THAT(error_of("-", "{\n  \"a\": oops\n}"), HasSubstr("standard input is not JSON: line 2, column 8"));
  EXPECT_THAT(error_of("[1,]"), HasSubstr("line 1, column 4"));
}

TEST(ReadJson, ExplainsForgottenQuotes) { EXPECT_THAT(error_of("Ada"), HasSubstr("'\"Ada\"'")); }
TEST(ReadJson, RefusesNothing) { EXPECT_THAT(error_of("-", "\n"), HasSubstr("standard input is empty")); }
TEST(ReadJson, NamesAFileThatIsMissing) {
  EXPECT_THAT(error_of("@no/such.json"), HasSubstr("\"no/such.json\" can't be read: No such file"));
}

TEST(ShellWord, QuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(shell_word("order-1"), "order-1");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word(""), "''");
}

TEST(Nearest, FindsASwapAndLeavesStrangersAlone) {
  EXPECT_EQ(nearest("geret", {"greet", "fulfil_order"}), "greet");
  EXPECT_EQ(nearest("greet", {"fulfil_order"}), "");
}

TEST(ReadJson, RefusesWhatIsNestedTooDeeply) {
  EXPECT_EQ(error_of(std::string(1000, '[') + std::string(1000, ']')), "");
  EXPECT_THAT(error_of(std::string(1'000'000, '[') + std::string(1'000'000, ']')), HasSubstr("nests deeper than 1000"));
}

}  // namespace
}  // namespace evermill::cli
