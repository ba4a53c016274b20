// Workers that are connected to a node rather than to the broker, as all nodes see them: one for each set of task queues, so that
// what one set has room for is never taken by another one's tasks.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "cluster/worker_agent.hpp"
#include "messages/cluster.pb.h"
#include "plugins/task/task_backend.hpp"

namespace evermill::cluster {

/// Plain code without threads: one caller at a time.
class worker_groups {
 public:
  /// `time` outlives it.
  worker_groups(clock& time, worker_agent::actions does) : time_(time), does_(std::move(does)) {}

  /// How many attempts the workers of this set of task queues run at once; 0: there are none any more, and what they ran is over.
  void set_capacity(const std::vector<std::string>& task_queues, std::size_t capacity);

  void on_plan(const messages::ClusterPlan& plan);
  void on_tasks(const std::string& node, messages::WorkerTasks&& tasks);
  void on_cancellation(const messages::AttemptCancellation& cancellation);
  /// As those of worker_agent.
  void on_ended(const tasks::dispatch_id& id);
  void on_acknowledged(const tasks::dispatch_id& id);
  void tick();

 private:
  clock& time_;
  const worker_agent::actions does_;
  messages::ClusterPlan plan_;
  std::map<std::string, worker_agent> agents_;                ///< by group
  std::map<tasks::dispatch_id, std::string> group_of_;        ///< of attempts whose ends are not acknowledged
};

}  // namespace evermill::cluster
