#include "workflow/conversions.hpp"

#include <gmock/gmock.h>

#include <memory>
#include <string>

namespace evermill::workflow {
namespace {

failure chain(int causes) {
  failure why{.type = "Innermost", .message = "it broke"};
  for (int n = 0; n < causes; ++n) {
    failure next{.type = "Level" + std::to_string(n), .message = "the one below failed"};
    next.cause = std::make_shared<const failure>(std::move(why));
    why = std::move(next);
  }
  return why;
}

int causes_of(const failure& why) {
  int count = 0;
  for (const failure* at = why.cause.get(); at != nullptr; at = at->cause.get()) ++count;
  return count;
}

TEST(Conversions, CausesComeBack) {
  messages::Failure stored;
  to_message(chain(max_causes), stored);
  const failure back = from_message(stored);
  EXPECT_EQ(causes_of(back), max_causes);
  const failure* innermost = &back;
  while (innermost->cause) innermost = innermost->cause.get();
  EXPECT_EQ(innermost->type, "Innermost");
  EXPECT_EQ(innermost->message, "it broke");
}

TEST(Conversions, CausesBeyondWhatCanBeReadAreLeftOut) {
  messages::Failure stored;
  to_message(chain(1'000), stored);
  messages::Failure read;
  ASSERT_TRUE(read.ParseFromString(stored.SerializeAsString()));
  const failure back = from_message(read);
  EXPECT_EQ(back.type, "Level999");
  EXPECT_EQ(causes_of(back), max_causes);
  const failure* innermost = &back;
  while (innermost->cause) innermost = innermost->cause.get();
  EXPECT_THAT(innermost->message, testing::HasSubstr("causes are left out"));
}

}  // namespace
}  // namespace evermill::workflow
