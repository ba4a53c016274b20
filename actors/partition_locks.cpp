// Locks: what holders and locks tell each other, over lanes, so that each message is handled once and in order.
#include <utility>

#include "actors/partition.hpp"
#include "base/namespaces.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill::actors {

void partition::tell_lock(const run& r, event_seq requested, const std::string& lock_id, bool release,
                          std::uint32_t permits) {
  messages::DecisionEvent event;
  event.set_workflow_id(lock_id);
  *event.mutable_event() =
      workflow::locks::signal_of({release, {r.workflow_id, r.number.value, requested.value}, permits});
  send_over_lane(lock_id, std::move(event));
}

void partition::ask_lock(const run& r, event_seq requested, const messages::LockRequested& request) {
  const std::string lock = workflow::locks::id_of(request.name(), request.permits());
  tell_lock(r, requested, namespaces::beside(r.workflow_id, lock), false, request.permits());
}

/// Also for one that still waits.
void partition::release_lock(const run& r, event_seq requested) {
  if (const auto lock = r.open.locks.find(requested); lock != r.open.locks.end()) {
    tell_lock(r, requested, namespaces::beside(r.workflow_id, lock->second.id), true, 0);
  }
}

/// The holder's run may have ended since: its release is on the way then, and nobody misses this.
void partition::assign_lock(const messages::LockAssigned& assigned) {
  messages::DecisionEvent event;
  event.set_workflow_id(assigned.workflow_id());
  event.set_run_number(assigned.run_number());
  event.mutable_event()->mutable_lock_granted()->set_requested_seq(assigned.requested_seq());
  send_over_lane(assigned.workflow_id(), std::move(event));
}

}  // namespace evermill::actors
