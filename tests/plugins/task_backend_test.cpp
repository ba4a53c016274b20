#include "plugins/task/task_backend.hpp"

#include <gtest/gtest.h>

namespace evermill::tasks {
namespace {

TEST(DispatchId, NamesTheAttemptAndTheKeyDoesNot) {
  messages::ActivityTask task;
  task.set_partition(2);
  task.set_run_number(17);
  task.set_scheduled_seq(4);
  task.set_attempt(1);
  task.set_dispatch_boot(9);
  const dispatch_id first = dispatch_id_of(task);
  EXPECT_EQ(to_string(first), "2.17.4.1.9");
  EXPECT_EQ(idempotency_key(first), "2.17.4");
  task.set_attempt(2);
  const dispatch_id second = dispatch_id_of(task);
  EXPECT_NE(first, second);
  EXPECT_EQ(idempotency_key(first), idempotency_key(second));
}

TEST(DispatchId, IsReadBackAndNothingElseIs) {
  const dispatch_id id{65535, 1ULL << 60, 4, 4'000'000'000, 9};
  EXPECT_EQ(parse_dispatch_id(to_string(id)), id);
  for (const char* text : {"", "1.2.3.4", "1.2.3.4.5.", "1.2.3.4.5.6", " 1.2.3.4.5", "1.2.3.-4.5", "65536.2.3.4.5",
                           "1.2.3.4294967296.5", "1.2.3.4.99999999999999999999", "1..3.4.5", "a.b.c.d.e"}) {
    EXPECT_EQ(parse_dispatch_id(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace evermill::tasks
