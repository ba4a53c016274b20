#include "engine/engine_metrics.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "base/namespaces.hpp"
#include "base/process_metrics.hpp"

namespace evermill {
namespace {

namespace shown {
using metrics::description;
using metrics::kind;

constexpr description build{"evermill_build_info", kind::gauge, "1; its label says which version of evermill this is."};
constexpr description backlog{"evermill_decision_queue_backlog_events", kind::gauge,
                              "Decision events that wait in this process to be handled durably."};
constexpr description writes{"evermill_store_writes_total", kind::counter,
                             "Writes to the store; one holds the commits of several partitions."};
constexpr description syncs{"evermill_store_syncs_total", kind::counter, "Syncs of the store's log to the disk."};
constexpr description written{"evermill_store_written_bytes_total", kind::counter,
                              "Bytes written to the store's log and tables."};
constexpr description tables{"evermill_store_table_bytes", kind::gauge, "Size of the store's tables on the disk."};
constexpr description memtables{"evermill_store_memtable_bytes", kind::gauge, "Memory for rows that are in no table yet."};
constexpr description block_cache{"evermill_store_block_cache_bytes", kind::gauge,
                                  "Memory for blocks of tables that were read."};
constexpr description pending{"evermill_store_pending_compaction_bytes", kind::gauge,
                              "Estimate of what the store has to compact."};
constexpr description owned{"evermill_partitions_owned", kind::gauge, "Partitions that this process owns."};
constexpr description standby{"evermill_partitions_standby", kind::gauge,
                              "Partitions of others that this process follows, ready to take over."};
constexpr description catching_up{"evermill_partitions_catching_up", kind::gauge,
                                  "Partitions that it follows and is behind with."};
constexpr description broken{"evermill_partitions_broken", kind::gauge,
                             "Partitions whose log this process can't follow; its log says why."};
constexpr description epoch{"evermill_partition_epoch", kind::gauge,
                            "Epoch of the partition's owner, as far as this process has read the log; grows with each."};
constexpr description at{"evermill_commit_log_position", kind::gauge,
                         "Place in the partition's commit log up to which it is in this process's store."};
constexpr description lag{"evermill_commit_log_lag", kind::gauge,
                          "How far a partition that this process follows is behind its commit log's end, in places."};
constexpr description acquired{"evermill_partition_acquisitions_total", kind::counter,
                               "Partitions that came to this process, by how: nobody's before, handed over, taken over."};
constexpr description lost{"evermill_partition_losses_total", kind::counter,
                           "Partitions that this process lost without having given them up."};
constexpr description commands{"evermill_commands_total", kind::counter,
                               "Commands from the broker, by what became of them: accepted, rejected."};
constexpr description answers{"evermill_broker_up", kind::gauge,
                              "1 where the broker answered when it was asked last, 0 where it did not."};
constexpr description workers{"evermill_workers_connected", kind::gauge, "Workers of this server that serve the task queue."};
constexpr description worker_waiting{"evermill_worker_attempts_waiting", kind::gauge,
                                     "Attempts that no connected worker has room for."};
constexpr description worker_running{"evermill_worker_attempts_running", kind::gauge, "Attempts that connected workers have."};
constexpr description deciders{"evermill_deciders_connected", kind::gauge, "Workers of this server that run code of workflows."};
constexpr description decider_runs{"evermill_decider_runs", kind::gauge, "Runs whose code such a worker has in memory."};
constexpr description decider_waiting{"evermill_decider_tasks_waiting", kind::gauge,
                                      "Turns that wait until a worker has room for them."};
constexpr description decider_running{"evermill_decider_tasks_running", kind::gauge, "Turns that workers have not answered yet."};
constexpr description decider_turns{"evermill_decider_turns_total", kind::counter, "Turns that workers have decided."};
constexpr description decider_timeouts{"evermill_decider_turn_timeouts_total", kind::counter,
                                       "Turns that a worker has not answered in time."};
}  // namespace shown

/// It is asked much more often; one that has not come back for so long does not answer.
constexpr std::chrono::seconds broker_silence_limit{20};
/// Workers say what their task queues are called: a limit to how many series they can make.
constexpr std::size_t most_shown_queues = 100;

}  // namespace

engine_metrics::engine_metrics(std::string version)
    : own_(shown.collect([this, version = std::move(version)](metrics::scrape& into) {
        collect_build(version, into);
        node.collect(into);
        attempts.collect(into);
        cluster.collect(into);
        requests.collect(into);
        metrics::collect_process(into);
      })) {}

void collect_build(const std::string& version, metrics::scrape& into) { into.add(shown::build, {{"version", version}}, 1.0); }

void collect_store(const storage::key_value_store& store, metrics::scrape& into) {
  const storage::store_statistics now = store.statistics();
  into.add(shown::writes, {}, now.commits);
  into.add(shown::syncs, {}, now.syncs);
  into.add(shown::written, {}, now.bytes_written);
  into.add(shown::tables, {}, now.bytes_on_disk);
  into.add(shown::memtables, {}, now.memtable_bytes);
  into.add(shown::block_cache, {}, now.block_cache_bytes);
  into.add(shown::pending, {}, now.pending_compaction_bytes);
}

void describe_backlog(metrics::scrape& into) { into.describe(shown::backlog); }

void collect_backlog(partition_id id, std::size_t events, metrics::scrape& into) {
  into.add(shown::backlog, {{"partition", std::to_string(id.value)}}, static_cast<std::uint64_t>(events));
}

void collect_workers(const std::vector<tasks::task_queue_load>& queues, metrics::scrape& into) {
  for (const metrics::description& each : {shown::workers, shown::worker_waiting, shown::worker_running}) into.describe(each);
  std::map<std::string, tasks::task_queue_load> by_label;
  for (const tasks::task_queue_load& each : queues) {
    const auto [name_space, name] = namespaces::split(each.name);
    std::string label = namespaces::is_default(name_space) ? std::string(name) : std::string(name_space) + "/" + std::string(name);
    if (by_label.size() >= most_shown_queues && !by_label.contains(label)) label = "(others)";
    tasks::task_queue_load& sum = by_label[std::move(label)];
    sum.workers += each.workers;
    sum.waiting += each.waiting;
    sum.running += each.running;
  }
  for (const auto& [label, each] : by_label) {
    const metrics::labels which{{"task_queue", label}};
    into.add(shown::workers, which, static_cast<std::uint64_t>(each.workers));
    into.add(shown::worker_waiting, which, static_cast<std::uint64_t>(each.waiting));
    into.add(shown::worker_running, which, static_cast<std::uint64_t>(each.running));
  }
}

void collect_deciders(const deciders::decider_load& load, metrics::scrape& into) {
  into.add(shown::deciders, {}, static_cast<std::uint64_t>(load.workers));
  into.add(shown::decider_runs, {}, static_cast<std::uint64_t>(load.runs));
  into.add(shown::decider_waiting, {}, static_cast<std::uint64_t>(load.waiting));
  into.add(shown::decider_running, {}, static_cast<std::uint64_t>(load.asked));
  into.add(shown::decider_turns, {}, load.turns_total);
  into.add(shown::decider_timeouts, {}, load.timeouts_total);
}

// --- a cluster

void cluster_metrics::set(std::vector<cluster::partition_share> shares, std::optional<std::string> why_apart) {
  const std::lock_guard lock(mutex_);
  used_ = true;
  shares_ = std::move(shares);
  why_apart_ = std::move(why_apart);
}

void cluster_metrics::set_ends(std::map<partition_id, queue::position> ends) {
  const std::lock_guard lock(mutex_);
  ends_ = std::move(ends);
}

void cluster_metrics::set_broker_failure(std::optional<std::string> why, timestamp when) {
  const std::lock_guard lock(mutex_);
  used_ = true;
  broker_failure_ = std::move(why);
  broker_asked_ = when;
}

void cluster_metrics::gone() {
  const std::lock_guard lock(mutex_);
  shares_.clear();
  ends_.clear();
  broker_failure_.reset();
  broker_asked_ = {};
  why_apart_ = "it is not connected with its cluster";
}

std::optional<std::string> cluster_metrics::why_not_ready(timestamp now) const {
  const std::lock_guard lock(mutex_);
  if (!used_) return std::nullopt;
  if (broker_failure_) return "the broker does not answer: " + *broker_failure_;
  if (broker_asked_ == timestamp()) return "the broker was not asked yet whether it answers";
  if (now - broker_asked_ > broker_silence_limit) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - broker_asked_).count();
    return "the broker has not answered for " + std::to_string(seconds) + " s";
  }
  if (why_apart_) return why_apart_;
  for (const cluster::partition_share& each : shares_) {
    if (!each.broken) continue;
    return "the log of partition " + std::to_string(each.id.value) + " can't be followed; this process's log says why";
  }
  return std::nullopt;
}

void cluster_metrics::collect(metrics::scrape& into) const {
  const std::lock_guard lock(mutex_);
  if (!used_) return;
  broker.collect(into);
  for (const metrics::description& each : {shown::epoch, shown::at, shown::lag}) into.describe(each);
  std::uint64_t own = 0, ready = 0, behind = 0, bad = 0;
  for (const cluster::partition_share& each : shares_) {
    if (each.broken) {
      ++bad;
      continue;
    }
    ++(each.owned ? own : each.caught_up ? ready : behind);
    const metrics::labels which{{"partition", std::to_string(each.id.value)}};
    into.add(shown::epoch, which, each.epoch);
    into.add(shown::at, which, each.at);
    const auto end = ends_.find(each.id);
    if (each.owned || end == ends_.end()) continue;
    into.add(shown::lag, which, end->second - std::min(end->second, each.at));
  }
  into.add(shown::owned, {}, own);
  into.add(shown::standby, {}, ready);
  into.add(shown::catching_up, {}, behind);
  into.add(shown::broken, {}, bad);
  into.add(shown::acquired, {{"how", "first"}}, ownership->first);
  into.add(shown::acquired, {{"how", "handover"}}, ownership->handovers);
  into.add(shown::acquired, {{"how", "takeover"}}, ownership->takeovers);
  into.add(shown::lost, {}, ownership->losses);
  into.add(shown::commands, {{"outcome", "accepted"}}, commands.accepted);
  into.add(shown::commands, {{"outcome", "rejected"}}, commands.rejected);
  into.add(shown::answers, {}, broker_failure_ || broker_asked_ == timestamp() ? 0.0 : 1.0);
}

}  // namespace evermill
