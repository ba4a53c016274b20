#include "base/spelling.hpp"

#include <gtest/gtest.h>

namespace evermill {
namespace {

TEST(Spelling, FindsWhatWasMeant) {
  EXPECT_EQ(nearest("retrys", {"retry", "delay"}), "retry");
  EXPECT_EQ(nearest("swithc", {"set", "switch"}), "switch");
  EXPECT_EQ(nearest("timeuot", {"timeout"}), "timeout");
  EXPECT_EQ(nearest("a", {"b"}), "") << "all of it would change";
  EXPECT_EQ(nearest("<<", {"if"}), "");
  EXPECT_EQ(nearest("", {"if"}), "");
  EXPECT_EQ(nearest("listen", {"emit", "wait"}), "");
}

TEST(Spelling, LongNamesCostNothing) {
  EXPECT_EQ(nearest(std::string(100'000, 'a'), {std::string(100'000, 'a')}), "");
  EXPECT_EQ(nearest("do", {std::string(100'000, 'a')}), "");
}

}  // namespace
}  // namespace evermill
