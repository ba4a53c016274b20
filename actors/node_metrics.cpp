#include "actors/node_metrics.hpp"

#include <string>

namespace evermill::actors {
namespace {

namespace shown {
using metrics::description;
using metrics::kind;

constexpr description turns{"evermill_turns_total", kind::counter, "Turns that workflows have taken."};
constexpr description decision_events{"evermill_decision_events_total", kind::counter,
                                      "Decision events that were handled, with a turn or without."};
constexpr description repeats{"evermill_repeated_events_total", kind::counter,
                              "Decision events and lane messages that came again after they had been handled; without effect."};
constexpr description late_results{"evermill_late_results_total", kind::counter,
                                   "Results of activity attempts that were not the current ones any more; dropped."};
constexpr description events_lost{"evermill_publish_lost_events_total", kind::counter,
                                  "Events that were given up before they were published, as too many waited."};
constexpr description executions_started{"evermill_executions_started_total", kind::counter, "Executions that were started."};
constexpr description executions_ended{"evermill_executions_ended_total", kind::counter,
                                       "Executions that have ended, by status."};
constexpr description executions_deleted{"evermill_executions_deleted_total", kind::counter,
                                         "Ended executions that were deleted, as their namespace's retention says."};
constexpr description runs_continued{"evermill_runs_continued_as_new_total", kind::counter,
                                     "Runs that were followed by another run of their execution."};
constexpr description live_instances{"evermill_live_instances", kind::gauge, "Workflow instances in memory."};
constexpr description commits{"evermill_commits_total", kind::counter,
                              "Commits that a partition has given away to be made durable."};
constexpr description commit_bytes{"evermill_commit_bytes_total", kind::counter, "Bytes of rows in those commits."};
constexpr description commit_duration{"evermill_commit_duration_seconds", kind::histogram,
                                      "Time until a partition hears that its commit is durable."};
constexpr description turn_duration{"evermill_turn_duration_seconds", kind::histogram,
                                    "How long the code of workflows took for a turn."};
constexpr description unacknowledged{"evermill_lane_unacknowledged_messages", kind::gauge,
                                     "Messages to other partitions that these have not acknowledged."};
constexpr description recovered{"evermill_partition_recovered", kind::gauge,
                                "1 where a partition that runs here knows all of its unfinished work, 0 while it recovers."};
constexpr description recovery_duration{"evermill_recovery_duration_seconds", kind::gauge,
                                        "How long the last recovery of a partition took until all was known."};
constexpr description scheduled{"evermill_activities_scheduled_total", kind::counter, "Activities that workflows have called."};
constexpr description ended{"evermill_activities_ended_total", kind::counter,
                            "Activities that have ended for their workflow, by outcome."};
}  // namespace shown

constexpr std::array<const char*, partition_metrics::end_count> statuses{"completed", "failed", "canceled", "terminated",
                                                                         "timed_out"};
constexpr std::array<const char*, activity_metrics::end_count> outcomes{"completed", "failed", "timed_out", "canceled"};

void show_partition(metrics::scrape& into, const std::string& id, const partition_metrics& of) {
  const metrics::labels which{{"partition", id}};
  into.add(shown::turns, which, of.turns);
  into.add(shown::decision_events, which, of.decision_events);
  into.add(shown::repeats, which, of.repeats);
  into.add(shown::late_results, which, of.late_results);
  into.add(shown::events_lost, which, of.events_lost);
  into.add(shown::executions_started, which, of.executions_started);
  for (std::size_t n = 0; n < statuses.size(); ++n) {
    into.add(shown::executions_ended, {{"partition", id}, {"status", statuses[n]}}, of.executions_ended[n]);
  }
  into.add(shown::executions_deleted, which, of.executions_deleted);
  into.add(shown::runs_continued, which, of.runs_continued);
  into.add(shown::commits, which, of.commits);
  into.add(shown::commit_bytes, which, of.commit_bytes);
  const auto now = static_cast<partition_metrics::phase>(of.is.value());
  if (now == partition_metrics::phase::absent) return;  // the numbers of another process's partition are not this one's to tell
  into.add(shown::live_instances, which, of.live_instances);
  into.add(shown::unacknowledged, which, of.unacknowledged);
  into.add(shown::recovered, which, now == partition_metrics::phase::recovered ? 1.0 : 0.0);
  if (now != partition_metrics::phase::recovered) return;
  into.add(shown::recovery_duration, which, static_cast<double>(of.recovery_us.value()) / 1e6);
}

}  // namespace

void partition_metrics::gone() {
  live_instances.set(0);
  unacknowledged.set(0);
  is.set(static_cast<std::int64_t>(phase::absent));
}

partition_metrics& node_metrics::of(partition_id id) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<partition_metrics>& at = partitions_[id];
  if (!at) at = std::make_unique<partition_metrics>();
  return *at;
}

std::vector<partition_id> node_metrics::recovering() const {
  std::vector<partition_id> found;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, each] : partitions_) {
    if (each->is.value() == static_cast<std::int64_t>(partition_metrics::phase::recovering)) found.push_back(id);
  }
  return found;
}

void node_metrics::collect(metrics::scrape& into) const {
  for (const metrics::description& each :
       {shown::turns, shown::decision_events, shown::repeats, shown::late_results, shown::events_lost,
        shown::executions_started, shown::executions_ended, shown::executions_deleted, shown::runs_continued, shown::live_instances, shown::commits,
        shown::commit_bytes, shown::unacknowledged, shown::recovered, shown::recovery_duration, shown::scheduled, shown::ended}) {
    into.describe(each);
  }
  metrics::histogram::reading turns = metrics::histogram().read();  // of all partitions: by each there would be too many series
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, each] : partitions_) turns.add(each->turn_duration.read());
    for (const auto& [id, each] : partitions_) show_partition(into, std::to_string(id.value), *each);
  }
  into.add(shown::turn_duration, {}, turns, metrics::latency_bounds);
  into.add(shown::commit_duration, {}, commit_duration);
  activities.for_each([&](std::string_view queue, const activity_metrics& of) {
    const std::string name(queue);
    into.add(shown::scheduled, {{"task_queue", name}}, of.scheduled);
    for (std::size_t n = 0; n < outcomes.size(); ++n) {
      into.add(shown::ended, {{"task_queue", name}, {"outcome", outcomes[n]}}, of.ended[n]);
    }
  });
}

}  // namespace evermill::actors
