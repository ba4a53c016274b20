// Human tasks: who may do what with one that is open, and its row.
#include <utility>

#include "actors/partition.hpp"

namespace evermill::actors {
namespace {

struct task_request {
  event_seq created;
  const std::string& by;
  bool forced = false;
};

task_request request_of(const messages::Event& event) {
  if (event.has_human_task_completed()) {
    const messages::HumanTaskCompleted& completed = event.human_task_completed();
    return {event_seq(completed.created_seq()), completed.by(), completed.forced()};
  }
  const messages::HumanTaskAssigned& assigned = event.human_task_assigned();
  return {event_seq(assigned.created_seq()), assigned.by(), assigned.forced()};
}

/// What is decided but not in the journal yet counts for the next request.
void promise(open_human_task& task, const messages::Event& event) {
  if (event.has_human_task_completed()) {
    task.closing = true;
  } else {
    task.row.set_assignee(event.human_task_assigned().assignee());
  }
}

}  // namespace

/// Refuses, and returns false, where the task is not open or belongs to somebody else.
bool partition::admit_human_task(run& r, const messages::Event& event, const origin& from) {
  if (!r.state_known && !restore_state(r)) return false;
  const task_request request = request_of(event);
  const auto task = r.open.human_tasks.find(request.created);
  if (task == r.open.human_tasks.end() || task->second.closing) {
    refuse(from, r.workflow_id, answer::outcome::closed,
           "the human task is not open: it was completed or withdrawn, or there never was one");
    forget(r);
    return false;
  }
  const std::string& assignee = task->second.row.assignee();
  if (!assignee.empty() && assignee != request.by && !request.forced) {
    refuse(from, r.workflow_id, answer::outcome::conflict,
           "the human task belongs to \"" + assignee + "\"; ask for its release, or force it");
    forget(r);
    return false;
  }
  promise(task->second, event);
  return true;
}

/// What was acknowledged while the run took no turns counts, too.
bool partition::note_parked_requests(run& r) {
  if (!r.has_inbox || r.open.human_tasks.empty()) return true;
  auto rows = storage::scan_parked(store_, options_.id, r.number);
  if (!rows) {
    corrupt(rows.error());
    return false;
  }
  for (const auto& [index, parked] : *rows) {
    if (!parked.event().has_human_task_completed() && !parked.event().has_human_task_assigned()) continue;
    const auto task = r.open.human_tasks.find(request_of(parked.event()).created);
    if (task != r.open.human_tasks.end()) promise(task->second, parked.event());
  }
  return true;
}

void partition::put_human_task(run& r, event_seq created) {
  const auto task = r.open.human_tasks.find(created);
  if (task == r.open.human_tasks.end()) return;
  task->second.row.set_workflow_id(r.workflow_id);
  storage::put_human_task(gathering_.batch, options_.id, r.number, created, task->second.row);
}

}  // namespace evermill::actors
