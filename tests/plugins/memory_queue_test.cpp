#include "plugins/queue/memory/memory_queue.hpp"

#include "queue_conformance.hpp"

namespace evermill::tests {

INSTANTIATE_TEST_SUITE_P(Memory, queue_conformance, testing::Values(queue_factory{"memory", [](std::size_t partitions) {
                                                                                    return queue::make_memory_queue(
                                                                                        boot_number(7), partitions);
                                                                                  }}));

TEST(MemoryQueue, NamesTheBootInItsSource) {
  const auto queue = queue::make_memory_queue(boot_number(7), 1);
  EXPECT_EQ(queue->source(), "memory/7");
}

}  // namespace evermill::tests
