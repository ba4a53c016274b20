// Two instances, on two threads at once, change what they share, without synchronisation: ThreadSanitizer has to say so.
// What makes the two meet is relaxed, so that it orders nothing.
#include <atomic>
#include <future>
#include <iostream>
#include <thread>

#include "evermill/context.hpp"
#include "evermill/engine.hpp"

namespace {

std::atomic<int> arrived{0};
int shared_by_instances = 0;

evermill::task<int> races(evermill::context) {
  arrived.fetch_add(1, std::memory_order_relaxed);
  while (arrived.load(std::memory_order_relaxed) < 2) std::this_thread::yield();
  co_return ++shared_by_instances;
}

}  // namespace

int main() {
  evermill::registry definitions;
  definitions.add("races", races);
  evermill::engine e(definitions, {.workflow_threads = 2});
  std::promise<void> ended[2];
  for (std::promise<void>& each : ended) {
    e.execute("races", evermill::payload{}, {},
              [&each](const std::optional<evermill::engine_error>&, const evermill::execution_end&) { each.set_value(); });
  }
  for (std::promise<void>& each : ended) each.get_future().wait();
  std::cout << "no race was reported\n";
}
