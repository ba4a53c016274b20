// What a partition counts and measures of itself.
#include <algorithm>

#include "actors/partition.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill::actors {

partition::~partition() {
  counts_.gone();
  forget_open_counts();
}

partition_statistics partition::statistics() const {
  return {.turns = counts_.turns.value(),
          .activities_closed = counts_.activities_closed.value(),
          .late_results = counts_.late_results.value(),
          .repeats = counts_.repeats.value(),
          .live_instances = static_cast<std::size_t>(counts_.live_instances.value()),
          .events_lost = counts_.events_lost.value()};
}

void partition::note_recovering() {
  recovery_began_ = ports_.now();
  counts_.is.set(static_cast<std::int64_t>(partition_metrics::phase::recovering));
}

void partition::note_recovered() {
  counts_.recovery_us.set(std::max(ports_.now() - recovery_began_, std::chrono::microseconds(0)).count());
  counts_.is.set(static_cast<std::int64_t>(partition_metrics::phase::recovered));
}

void partition::note_submitted() {
  counts_.commits.add();
  counts_.commit_bytes.add(writing_.batch.bytes());
  submitted_at_ = ports_.now();
}

/// The wall clock may have been set back meanwhile.
void partition::note_committed() {
  const std::chrono::duration<double> took = std::max(ports_.now() - submitted_at_, std::chrono::microseconds(0));
  of_node_.commit_duration.observe(took.count());
}

void partition::note_acknowledged(std::uint64_t messages) {
  if (messages > 0) counts_.unacknowledged.add(-static_cast<std::int64_t>(messages));
}

/// Locks are executions that nobody has started.
void partition::note_started(const run& r, const messages::WorkflowExecutionStarted& started) {
  if (started.continued_from_run_number() != 0 || workflow::locks::is_lock(r.workflow_id)) return;
  counts_.executions_started.add();
}

void partition::note_closed(const run& r, const messages::Event& end) {
  if (workflow::locks::is_lock(r.workflow_id)) return;
  const messages::ExecutionStatus status = status_after(end);
  if (status == messages::CONTINUED_AS_NEW) return counts_.runs_continued.add();
  counts_.executions_ended.at(static_cast<std::size_t>(status - messages::COMPLETED)).add();
}

void partition::note_scheduled(const messages::ActivityTask& task) {
  of_node_.activities[tasks::queue_of(task)].scheduled.add();
}

void partition::note_activity_closed(const open_activity& activity, activity_metrics::end how) {
  if (!activity.task) return;
  of_node_.activities[tasks::queue_of(*activity.task)].ended.at(static_cast<std::size_t>(how)).add();
}

}  // namespace evermill::actors
