// A worker's dealings with the nodes: it grants them room for tasks, takes these, and says what it has until the ends are
// acknowledged. The other side is remote_workers.hpp.
//
// Room goes to nodes whose tasks wait, in turn; what is left is spread over all, so that a single task need not ask first. When one
// has nothing to send while another one waits, its room is taken back: a task that was on its way then has to wait a little here.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "messages/cluster.pb.h"
#include "plugins/task/task_backend.hpp"

namespace evermill::cluster {

struct worker_agent_options {
  std::vector<std::string> task_queues;
  std::size_t concurrency = 1;
  std::string group{};  ///< "": the process is the worker
  std::chrono::milliseconds status_interval{1'000};
};

/// Plain code without threads: one caller at a time.
class worker_agent {
 public:
  using task_ptr = std::shared_ptr<const messages::ActivityTask>;
  struct actions {
    std::function<void(messages::ProcessMessage&&)> send;
    std::function<void(std::vector<task_ptr>&&)> run;  ///< whatever becomes of them: on_ended follows, once for each
    std::function<void(const tasks::dispatch_id&, messages::AttemptCancellation::How)> tell;
  };

  worker_agent(worker_agent_options options, clock& time, actions does);

  void on_plan(const messages::ClusterPlan& plan);
  void on_tasks(const std::string& node, messages::WorkerTasks&& tasks);
  void on_cancellation(const messages::AttemptCancellation& cancellation);
  /// The attempt runs no more; its end is on its way.
  void on_ended(const tasks::dispatch_id& id);
  /// The end is durable, or nobody wants it any more.
  void on_acknowledged(const tasks::dispatch_id& id);
  void tick();
  /// Takes no more tasks.
  void drain();
  /// How many it runs at once from now on. What runs goes on; 0: as drain.
  void set_concurrency(std::size_t concurrency);

  std::size_t running() const noexcept { return running_; }
  /// Does anything run, or wait to be acknowledged?
  bool idle() const noexcept { return attempts_.empty(); }

 private:
  struct node {
    std::uint64_t granted = 0;
    std::uint64_t received = 0;
    std::uint64_t waiting = 0;   ///< tasks, as it said last
    timestamp granted_at{};
    timestamp told_at{};
    bool changed = true;
    std::uint64_t room() const { return granted > received ? granted - received : 0; }
  };
  struct attempt {
    std::string from;
    bool ended = false;
  };

  node& find_node(const std::string& id);
  void grant();
  bool take_back();
  node* next_in_need();
  node* with_least_room();
  void tell_changed();
  void tell(const std::string& id, node& about);

  const worker_agent_options options_;
  clock& time_;
  const actions does_;
  std::size_t concurrency_;
  std::map<std::string, node> nodes_;
  std::map<std::string, std::uint64_t> received_from_;  ///< nodes that are not in the plan any more, and may be again
  std::vector<std::string> owners_;  ///< of partitions, by plan
  std::map<tasks::dispatch_id, attempt> attempts_;
  std::size_t running_ = 0;
  std::uint64_t last_status_ = 0;
  std::string last_granted_;         ///< the next one has its turn first
};

}  // namespace evermill::cluster
