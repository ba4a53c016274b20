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

}  // namespace
}  // namespace evermill::tasks
