// The workers of a node: processes that run its activities. The node keeps what waits, and sends a worker no more than that has room
// for; so a worker that is slow, or gone, holds up little.
//
//   run ─▶ backlog ─▶ (credit) ─▶ worker ─▶ its end goes to the partition, through the stream of decisions
//
// What a worker has is said by the worker, again and again: an attempt that it does not name any more has ended, and one of a worker
// that says nothing any more is lost. Messages may be lost: tasks are numbered, and sent again until the worker has them.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/task_loop.hpp"
#include "messages/cluster.pb.h"
#include "plugins/task/remote_backend.hpp"

namespace evermill::cluster {

struct remote_workers_options {
  std::chrono::milliseconds worker_timeout{10'000};  ///< who says nothing for so long is gone, and what it ran is lost
  /// An attempt of an earlier owner that no worker has named by then is lost.
  std::chrono::milliseconds adoption_limit{5'000};
  std::chrono::milliseconds resend_after{1'000};
  std::size_t tasks_per_message = 64;
};

/// What comes from other threads is done on the loop; so `run` and the like never wait.
class remote_workers final : public tasks::remote_backend {
 public:
  using task_ptr = std::shared_ptr<const messages::ActivityTask>;
  using send_function = std::function<void(messages::ProcessMessage&&)>;
  using on_released = std::function<void(const messages::ActivityTask&)>;

  /// `report`: ends that no worker tells: of attempts that were lost, or had not been sent. `released`: a worker has the attempt no
  /// longer, however it ended. All outlive it.
  remote_workers(remote_workers_options options, clock& time, task_loop::post_function post, send_function send,
                 tasks::on_attempt_end report, on_released released, log lines);

  std::string_view name() const override { return "remote"; }
  bool serves(std::string_view) const override { return true; }
  void run(std::vector<task_ptr> tasks) override;
  void cancel(const tasks::dispatch_id& id) override { tell(id, messages::AttemptCancellation::CANCEL); }
  void request_stop(const tasks::dispatch_id& id) override { tell(id, messages::AttemptCancellation::REQUEST_STOP); }
  void expire(const tasks::dispatch_id& id) override { tell(id, messages::AttemptCancellation::EXPIRE); }
  /// What has not been sent has not started; what workers run goes on.
  void stop(std::chrono::milliseconds grace) override;

  void adopt(std::vector<task_ptr> tasks) override;
  /// The partition is another process's: its attempts are no business of this one any more.
  void forget(std::uint32_t partition);

  /// @name On the loop
  /// @{
  void on_status(const std::string& process, const messages::WorkerStatus& status);
  void tick();
  /// Those of the partition that have not been sent.
  std::vector<task_ptr> take_waiting(std::uint32_t partition);
  std::size_t waiting() const noexcept;
  std::size_t running() const noexcept { return attempts_.size() - waiting(); }
  /// @}

 private:
  struct worker {
    std::set<std::string> queues;
    bool of_all_namespaces = false;  ///< it names queues, not those of a namespace
    std::uint64_t granted = 0;
    std::uint64_t sent = 0;      ///< the number of the last task
    std::uint64_t received = 0;
    std::uint64_t last_status = 0;
    std::deque<task_ptr> unconfirmed;  ///< the last ones that were sent, as far as it has not said that it has them
    std::set<tasks::dispatch_id> has;
    timestamp heard{};
    timestamp resend_at{};
    timestamp asked_at{};        ///< for room
    std::size_t credit() const { return granted > sent ? granted - sent : 0; }
  };
  using backlog = std::list<task_ptr>;
  struct attempt {
    enum class place : std::uint8_t { waiting, sent, unknown } where = place::waiting;
    task_ptr task;
    std::string worker;             ///< that was sent it
    backlog::iterator in_backlog{};
    timestamp lost_at{};            ///< of an unknown place
  };
  using attempts = std::map<tasks::dispatch_id, attempt>;

  void later(std::function<void(remote_workers&)> what);
  void add(task_ptr task);
  void tell(const tasks::dispatch_id& id, messages::AttemptCancellation::How how);
  void tell_now(const tasks::dispatch_id& id, messages::AttemptCancellation::How how);
  void send_out();
  void send_tasks(const std::string& id, worker& to, std::uint64_t first, const std::deque<task_ptr>& tasks, std::size_t from);
  void ask_for_room(const std::string& id, worker& of);
  task_ptr take_next(const worker& of);
  static bool serves(const worker& of, const std::string& queue);
  std::size_t waiting_for(const worker& of) const;
  void lose(const tasks::dispatch_id& id, const std::string& why);
  attempts::iterator release(attempts::iterator which);
  void report(task_ptr&& task, tasks::outcome how);

  const remote_workers_options options_;
  clock& time_;
  const task_loop::post_function post_;
  const send_function send_;
  const tasks::on_attempt_end report_;
  const on_released released_;
  const log log_;
  bool stopped_ = false;
  attempts attempts_;
  std::map<std::string, backlog> waiting_;  ///< by task queue, with its namespace
  std::map<std::string, worker> workers_;   ///< by id: the process's, or PROCESS/GROUP
  std::map<std::string, std::uint64_t> next_series_;  ///< of tasks, for those that were lost and may be heard of again
  std::string last_served_;                 ///< the next one has its turn first
  const std::shared_ptr<remote_workers*> self_ = std::make_shared<remote_workers*>(this);
};

/// "" is the queue of activities that name none.
inline constexpr std::string_view default_task_queue = "default";

}  // namespace evermill::cluster
