// The engine's backlog of attempts: task queues with limits on how many attempts run at once and how many start per second.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

struct task_queue_limits {
  std::string name;            ///< "default": of the activities that name none
  unsigned concurrency = 0;    ///< attempts that run at once; 0: as many as the backends take
  double rate_per_second = 0;  ///< attempts that start per second, in the long run; 0: no limit
  unsigned burst = 1;          ///< attempts that may start at once after a pause, where there is a rate
};

/// First in, first out within a queue. Queues without limits, and the default one where it has none, pass everything on at
/// once. Thread-safe.
class task_queues {
 public:
  using task_ptr = std::shared_ptr<const messages::ActivityTask>;
  using release = std::function<void(std::vector<task_ptr>&&)>;

  /// `time` outlives it. Names are unique.
  task_queues(const std::vector<task_queue_limits>& queues, clock& time);
  ~task_queues() { close(); }
  task_queues(const task_queues&) = delete;
  task_queues& operator=(const task_queues&) = delete;

  bool serves(std::string_view name) const { return name.empty() || name == default_name || known_.contains(name); }

  /// `run` is given what may run later than it was admitted, on any thread; it must be short and must not call back.
  void attach(release run);
  /// After return nothing is released any more.
  void detach();
  /// Keeps what may not run yet, and leaves the rest in `tasks`.
  void admit(std::vector<task_ptr>& tasks);
  /// The attempt has ended, whether or not it was one of these.
  void ended(const messages::ActivityTask& task);
  /// Takes an attempt out that was not released; null: it is not here.
  task_ptr drop(const dispatch_id& id);
  /// What queues with limits have now.
  struct load {
    std::string name;
    std::size_t waiting = 0;   ///< for the queue's limits
    std::size_t released = 0;  ///< and has not ended
  };
  std::vector<load> loads();
  /// Releases nothing any more, and gives what was kept.
  std::vector<task_ptr> close();

 private:
  static constexpr std::string_view default_name = "default";
  struct queue {
    task_queue_limits limits;
    std::list<task_ptr> waiting;
    std::set<dispatch_id> running;
    double permits = 0;  // to start, as far as the rate is concerned
    timestamp counted_at{};
    clock::alarm_id alarm = 0;
  };

  queue* find(const messages::ActivityTask& task);
  void take_released(queue& from, std::vector<task_ptr>& to);  // with the lock
  void ring(queue& which);
  void run(std::vector<task_ptr>&& released);

  clock& time_;
  std::set<std::string, std::less<>> known_;
  std::map<std::string, queue, std::less<>> limited_;  // does not change
  std::mutex running_;  // held while `run_` is called, so that it can be taken away
  release run_;
  std::mutex mutex_;
  std::map<dispatch_id, std::pair<queue*, std::list<task_ptr>::iterator>> places_;
  bool closed_ = false;
};

}  // namespace evermill::tasks
