// Runs whose code is in workers elsewhere: tried anew when one has come, or has lost them.
#include <utility>

#include "actors/partition.hpp"
#include "deciders/decider_hub.hpp"

namespace evermill::actors {

bool partition::has_remote_code(const run& r) {
  const workflow_definition* const definition = definition_of(r);
  return definition != nullptr && deciders::is_remote(*definition);
}

/// Those whose blocking is not durable are not found in the index.
void partition::on_served() {
  if (failed_ || draining_) return;
  for (const commit* each : {&gathering_, &writing_}) {
    for (run* const r : each->turns_of) {
      if (r->is == run::state::blocked && !r->overdue && has_remote_code(*r)) r->load_when_durable = true;
    }
  }
  if (!std::exchange(served_through_, storage::list_position())) {
    if (!recovery_) ports_.request_recovery();
  }
}

/// The next of them.
void partition::try_served() {
  if (!served_through_) return;
  const storage::execution_query blocked{.states = {storage::listed_state::blocked}, .all_namespaces = true};
  const auto after = served_through_->workflow_id.empty() ? std::nullopt : served_through_;
  auto page = storage::find_executions(store_, options_.id, blocked, after, options_.recovery_chunk);
  if (!page) return corrupt(page.error());
  served_through_ = std::move(page->next_after);
  for (const storage::found_execution& each : page->rows) {
    run* const r = load_header(each.at.workflow_id);
    if (failed_ || r == nullptr) return;
    if (r->is == run::state::blocked && !r->overdue && has_remote_code(*r)) {
      load(*r);
    } else {
      forget(*r);
    }
  }
  send_work();
  flush();
  if (served_through_ && !failed_) ports_.request_recovery();
}

/// Nothing is wrong with it: what it was given is parked, and it goes on from its journal as soon as that is durable.
void partition::load_anew(run& r) {
  for (auto& [event, from] : std::exchange(r.waiting, {})) park(r, std::move(event), from);
  if (failed_) return;
  if (r.last.value == 0) put_header(r);  // its start is parked, and whoever made it is answered
  if (r.has_inbox) update_open_work(r);
  give_up(r);
  load(r);
}

}  // namespace evermill::actors
