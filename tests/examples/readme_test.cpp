// The program that stands in the README does what the README says.
#include <gtest/gtest.h>

#include <evermill/main.hpp>
#include <utility>

namespace evermill {
/// What `evermill::main` is called while the README's program is read.
int readme_main(int argc, char** argv, registry definitions) { return main(argc, argv, std::move(definitions)); }
}  // namespace evermill

#define main readme_main
#include "readme_program.hpp"
#undef main

#include "evermill/testing/environment.hpp"

namespace {

using evermill::testing::environment;

evermill::registry definitions() {
  evermill::registry all;
  all.add("fulfil_order", fulfil_order);
  return all;
}

TEST(Readme, AnApprovedOrderIsPackedAllAtOnce) {
  environment env(definitions());
  env.replace(pack, [](const std::string& item) { return "[" + item + "]"; });
  auto order = env.start(fulfil_order, {"book", "lamp"}, {.id = "o-1"});
  env.advance(47h);
  order.signal(approval, "alice");
  EXPECT_EQ(order.result(), "2 boxes, approved by alice");
  EXPECT_EQ(env.attempts(pack), 2);
}

TEST(Readme, AnOrderThatNobodyApprovesExpires) {
  environment env(definitions());
  auto order = env.start(fulfil_order, {"book"});
  EXPECT_EQ(order.result(), "expired");
}

TEST(Readme, ItsProgramIsACommandLine) {
  char program[] = "orders", help[] = "--help";
  char* arguments[] = {program, help, nullptr};
  EXPECT_EQ(readme_main(2, arguments), 0);
}

}  // namespace
