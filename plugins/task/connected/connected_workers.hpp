// Workers that are connected to this process: their attempts are handed out against the room that they grant.
//
//   run ─▶ backlog, by task queue ─▶ (credit) ─▶ connection ─▶ worker ─▶ end ─▶ report ─▶ acknowledged, once durable
//
// A connection that breaks may come again: for a while the worker's attempts go on, and it says itself which ones it still has. What
// it does not name then, and all of a worker that stays away, is lost. A worker keeps an end until it is acknowledged, and tells it again
// on its next connection: a partition takes each end once.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "plugins/task/attempt_watch.hpp"
#include "plugins/task/remote_backend.hpp"

namespace evermill::tasks {

/// What a worker says of itself when it connects.
struct worker_description {
  // Both with the worker's namespace (base/namespaces.hpp): whose attempts it is given, and no others.
  std::string id;                           ///< of this life of the worker: the same when it connects again
  std::set<std::string> task_queues;        ///< whose activities it runs
  std::set<std::string> activity_types;     ///< that it runs of them; empty: all
  std::set<dispatch_id> has;                ///< attempts of an earlier connection that run, or whose ends it tells again
};

/// The way to a worker. Called with the lock of the workers: must be short, and must not call them.
class worker_connection {
 public:
  virtual ~worker_connection() = default;
  virtual void run(const std::shared_ptr<const messages::ActivityTask>& task) = 0;
  /// `is_awaited`: its end is still wanted; otherwise nobody asks for it any more.
  virtual void stop(const dispatch_id& id, bool is_awaited) = 0;
  /// Nobody listens any more: the worker has connected anew, or was away for too long.
  virtual void close(const std::string& why) = 0;
};

struct connected_workers_options {
  std::chrono::milliseconds reconnect_limit{10'000};  ///< who is away for so long is gone, and what it ran is lost
  /// An attempt of an earlier life of this process that no worker has named by then is lost.
  std::chrono::milliseconds adoption_limit{10'000};
};

/// Counted now.
struct task_queue_load {
  std::string name;
  std::size_t waiting = 0;  ///< attempts that no worker has room for
  std::size_t running = 0;  ///< attempts that workers have
  std::size_t workers = 0;  ///< that serve it
};

/// Thread-safe. Outlives the nodes that give it attempts: a store that failed is opened anew under it.
class connected_workers final : public remote_backend {
 public:
  using task_ptr = std::shared_ptr<const messages::ActivityTask>;
  /// The attempt has ended. `durable` is called once its partition has the end, or does not want it; with false where that can't be
  /// known: it is to be told again. Called without a lock.
  using on_end = std::function<void(attempt_end&&, std::function<void(bool)> durable)>;
  using session_id = std::uint64_t;

  /// `time` outlives it.
  connected_workers(connected_workers_options options, clock& time, on_end report, on_attempt_heartbeat on_heartbeat, log lines);
  ~connected_workers() override;

  /// @name For connections
  /// @{

  /// The worker is there (again). Grants no room yet.
  session_id connect(worker_description&& who, std::shared_ptr<worker_connection> connection);
  /// It has room for so many attempts more.
  void grant(session_id session, std::uint32_t more);
  /// `acknowledged(true)`: the end is durable, or nobody wants it; false: to be told again, on a new connection.
  /// It takes no more: what it granted and did not use is void.
  void withdraw(session_id session);
  void end(session_id session, const dispatch_id& id, outcome how, std::function<void(bool)> acknowledged);
  void heartbeat(session_id session, const dispatch_id& id, std::optional<messages::Payload> details);
  /// The connection is gone. `for_good`: so is the worker; its attempts are lost now.
  void disconnect(session_id session, bool for_good);
  /// @}

  std::vector<task_queue_load> load() const;

  /// Told, from now on, how many attempts the workers of a set of task queues can have at once, whenever that changes, and of all sets that
  /// there are at once. Called with the lock: must be short, and must not call the workers. Empty: nobody is told, after return.
  using on_capacity = std::function<void(const std::set<std::string>& task_queues, std::size_t capacity)>;
  void watch_capacity(on_capacity told);

  std::string_view name() const override { return "connected"; }
  bool serves(std::string_view) const override { return true; }
  void run(std::vector<task_ptr> tasks) override;
  void cancel(const dispatch_id& id) override;
  void request_stop(const dispatch_id& id) override;
  void expire(const dispatch_id& id) override;
  /// Only what waits ends: workers go on, and connect again.
  void stop(std::chrono::milliseconds grace) override;
  /// The node that gave it what waits is gone without an end for it: the next one gives it anew.
  void forget_waiting();
  void adopt(std::vector<task_ptr> tasks) override;

 private:
  struct waiting_task {
    std::uint64_t number;  // in the order in which they came
    task_ptr task;
  };
  using backlog = std::list<waiting_task>;
  using backlog_name = std::pair<std::string, std::string>;  // task queue, activity type
  struct attempt {
    enum class place : std::uint8_t { waiting, sent, unknown } where = place::waiting;
    task_ptr task;
    std::string worker;             // that has it
    backlog::iterator in_backlog{};
    std::shared_ptr<attempt_watch> watch;
    std::int64_t started_us = 0;
    timestamp lost_at{};            // of an unknown place
  };
  using attempts = std::map<dispatch_id, attempt>;
  struct worker {
    worker_description about;
    std::shared_ptr<worker_connection> connection;  // null: away
    session_id session = 0;
    std::uint64_t room = 0;
    std::set<dispatch_id> has;
    timestamp gone_at{};            // where it is away
    std::size_t counted = 0;        // of the capacity of its set of task queues
  };
  /// What is to be told once the lock is left.
  struct ending {
    attempt_end end;
    std::function<void(bool)> durable;
    std::shared_ptr<attempt_watch> watch;  // stopped without the lock: it may be ringing
  };
  using endings = std::vector<ending>;

  // With the lock:
  worker* find(session_id session);
  void send_out();
  backlog* first_for(const worker& to);
  void take_out(attempt& what);
  void send(const std::string& worker_id, worker& to, attempt& what);
  ending finish(attempts::iterator which, outcome how, std::function<void(bool)> durable);
  void lose(const dispatch_id& id, const std::string& why, endings& into);
  void drop_worker(const std::string& id, const std::string& why, endings& into);
  void set_alarm();
  void count(worker& who, std::size_t capacity);
  void count(worker& who) { count(who, who.room + who.has.size()); }

  void tell(endings&& what);
  void ring();
  void on_limit(const dispatch_id& id, timed_out how);

  const connected_workers_options options_;
  clock& time_;
  const on_end report_;
  const on_attempt_heartbeat on_heartbeat_;
  const log log_;

  mutable std::mutex mutex_;
  attempts attempts_;
  std::map<backlog_name, backlog> waiting_;  // none is empty
  std::uint64_t last_waiting_ = 0;
  std::map<std::string, worker> workers_;   // by id
  std::map<session_id, std::string> sessions_;
  session_id last_session_ = 0;
  std::map<std::set<std::string>, std::size_t> capacity_;  // by task queues
  on_capacity told_capacity_;
  std::string last_served_;                 // the next one has its turn first
  clock::alarm_id alarm_ = 0;               // 0: there is nothing to look after
  bool closed_ = false;
};

}  // namespace evermill::tasks
