// The scheduler of a simulated node: no threads, and a choice of who is next.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <cstddef>
#include <functional>

namespace evermill::actors {

/// Lets the actor that `choose` picks among those that have something to do handle one message. `slow`, where it is not
/// null, is not among them while `waits` says so. False: none has. The system's scheduler.policy is "testing".
bool run_one_simulated(caf::actor_system& system, const std::function<std::size_t(std::size_t)>& choose,
                       const caf::actor* slow, const std::function<bool()>& waits);

}  // namespace evermill::actors
