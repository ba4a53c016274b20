#include "actors/simulated_scheduling.hpp"

#include <caf/actor_cast.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include <algorithm>

#include "base/check.hpp"

namespace evermill::actors {
namespace {

using job_queue = std::deque<caf::resumable*>;

/// Puts the actor's job last, if it is there and has to wait. Returns how many come before it.
std::size_t set_aside(job_queue& jobs, const caf::actor* slow, const std::function<bool()>& waits) {
  if (slow == nullptr) return jobs.size();
  const auto* wanted = caf::actor_cast<caf::abstract_actor*>(*slow);
  const auto is_slow = [wanted](caf::resumable* job) { return dynamic_cast<caf::abstract_actor*>(job) == wanted; };
  const auto found = std::find_if(jobs.begin(), jobs.end(), is_slow);
  if (found == jobs.end() || !waits()) return jobs.size();
  std::rotate(found, found + 1, jobs.end());
  return jobs.size() - 1;
}

}  // namespace

bool run_one_simulated(caf::actor_system& system, const std::function<std::size_t(std::size_t)>& choose,
                       const caf::actor* slow, const std::function<bool()>& waits) {
  auto& scheduler = dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  auto& jobs = scheduler.jobs;
  const std::size_t ready = set_aside(jobs, slow, waits);
  if (ready == 0) return false;
  const std::size_t chosen = choose(ready);
  EVERMILL_CHECK(chosen < ready, "the choice is one of those that wait");
  // The others keep their order.
  std::rotate(jobs.begin(), jobs.begin() + static_cast<std::ptrdiff_t>(chosen),
              jobs.begin() + static_cast<std::ptrdiff_t>(chosen) + 1);
  scheduler.run_once();
  return true;
}

}  // namespace evermill::actors
