#include "actors/simulated_scheduling.hpp"

#include <caf/scheduler/test_coordinator.hpp>

#include <algorithm>

#include "base/check.hpp"

namespace evermill::actors {

bool run_one_simulated(caf::actor_system& system, const std::function<std::size_t(std::size_t)>& choose) {
  auto& scheduler = dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  auto& jobs = scheduler.jobs;
  if (jobs.empty()) return false;
  const std::size_t chosen = choose(jobs.size());
  EVERMILL_CHECK(chosen < jobs.size(), "the choice is one of those that wait");
  // The others keep their order.
  std::rotate(jobs.begin(), jobs.begin() + static_cast<std::ptrdiff_t>(chosen),
              jobs.begin() + static_cast<std::ptrdiff_t>(chosen) + 1);
  scheduler.run_once();
  return true;
}

}  // namespace evermill::actors
