// What the partitions of a node count. Lives longer than they: a partition that comes back, or is recovered after a failed
// store, goes on counting where it was.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/ids.hpp"
#include "base/metrics.hpp"

namespace evermill::actors {

/// Written by the partition's thread, read by any. What is decided is counted when it is decided, a moment before it is
/// durable: a commit that fails takes nothing back.
struct alignas(64) partition_metrics {
  enum class phase : std::int64_t { absent, recovering, recovered };
  static constexpr std::size_t end_count = 5;  ///< completed, failed, canceled, terminated, timed out

  metrics::counter turns;
  metrics::histogram turn_duration;     ///< seconds that workflows' code took for one
  metrics::counter decision_events;     ///< handled, with a turn or without
  metrics::counter repeats;             ///< decision events and lane messages that had been handled before
  metrics::counter late_results;        ///< of attempts that were not current any more
  metrics::counter events_lost;         ///< given up before they were published
  metrics::counter activities_closed;   ///< by the end of an attempt
  metrics::counter executions_started;  ///< without those that are evermill's own
  std::array<metrics::counter, end_count> executions_ended;
  metrics::counter executions_deleted;  ///< by retention
  metrics::counter runs_continued;      ///< as new
  metrics::counter commits;
  metrics::counter commit_bytes;
  metrics::gauge live_instances;
  metrics::gauge unacknowledged;        ///< messages of this partition's lanes
  metrics::gauge is;                    ///< a phase
  metrics::gauge recovery_us;           ///< how long the last recovery took, until all was known

  /// The partition runs here no longer.
  void gone();
};

/// Of one task queue.
struct activity_metrics {
  enum class end : std::uint8_t { completed, failed, timed_out, canceled };
  static constexpr std::size_t end_count = 4;

  metrics::counter scheduled;
  std::array<metrics::counter, end_count> ended;
};

/// Thread-safe.
class node_metrics {
 public:
  /// Of the partition; made when it is first asked for, and kept.
  partition_metrics& of(partition_id id);
  /// By task queue.
  metrics::by_label<activity_metrics> activities;
  /// Seconds from a partition's giving a commit away to its hearing that it is durable.
  metrics::histogram commit_duration;

  /// The partitions that run here and have not recovered yet.
  std::vector<partition_id> recovering() const;
  void collect(metrics::scrape& into) const;

 private:
  mutable std::mutex mutex_;
  std::map<partition_id, std::unique_ptr<partition_metrics>> partitions_;
};

}  // namespace evermill::actors
