// A process as a node of a cluster: it says that it is alive, follows the partitions that the plan gives it, claims those that it
// should own and gives up those that it should not; where all agree that it decides, it makes the plan.
//
//   membership ─▶ plan (who decides for all) ─▶ each node: follow, claim, drain and release ─▶ what it has is said to all
//
// Nothing here is needed for correctness: that is the logs' (partition_log.hpp). All of it runs on one loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "base/task_loop.hpp"
#include "cluster/coordinator.hpp"
#include "cluster/partition_logs.hpp"
#include "cluster/plan_reader.hpp"
#include "evermill/broker.hpp"
#include "messages/cluster.pb.h"

namespace evermill::cluster {

/// What runs the partitions that this process owns. Called on the loop.
class partition_host {
 public:
  virtual ~partition_host() = default;
  /// The partition is this process's, and all that was committed is in the store. An error: what is in the store is wrong.
  virtual storage::storage_result<void> start(partition_id id, std::uint64_t epoch) = 0;
  /// It is to go elsewhere soon: nothing new begins, what comes for it goes to the broker.
  virtual void drain(partition_id id) = 0;
  virtual bool is_drained(partition_id id) = 0;
  /// It is this process's no longer. After return it has no effects here. Also called for one that does not run.
  virtual void stop(partition_id id, const std::string& why) = 0;
  /// The plan has changed, or what this process has.
  virtual void on_plan(const messages::ClusterPlan& plan) = 0;
  /// The log can't be followed; its store is to be opened anew where `store_failed`.
  virtual void on_stopped(partition_id id, const storage::storage_error& why) = 0;
};

/// How partitions have come to this process, and gone. Written by the loop, read by any thread.
struct ownership_metrics {
  metrics::counter first;      ///< that nobody had before
  metrics::counter handovers;  ///< that another process, or an earlier life of this one, had given up
  metrics::counter takeovers;  ///< that were taken from one that had not: it is dead, or does not answer
  metrics::counter losses;     ///< that another process has taken from this one, or whose log it can't write any more
};

/// What a process has of one partition.
struct partition_share {
  partition_id id;
  bool owned = false;          ///< otherwise it follows
  bool caught_up = false;      ///< of one that follows: has it read all that there was when it began?
  bool broken = false;         ///< its log can't be followed; the rest says nothing
  std::uint64_t epoch = 0;     ///< of whoever owns it, as far as the log was read
  queue::position at = 0;      ///< the last record that was read or written
};

struct node_member_options {
  std::string member;                    ///< never used by another life of a process
  messages::MemberDescription says;      ///< of itself; what it has of partitions is filled in
  messages::ClusterDescription cluster;
  std::chrono::milliseconds session_timeout{10'000};
  std::chrono::milliseconds tick{200};   ///< how often it looks whether something is to be done
  /// An owner that lives and does not let go of a partition that this process should have is not waited for longer.
  std::chrono::milliseconds patience{15'000};
  /// A partition that this process owns gets a snapshot, and its log is trimmed, when so many bytes of commits were added, or twice as
  /// many as its last snapshot has.
  std::uint64_t snapshot_log_bytes = 64u << 20;
  std::chrono::milliseconds drain_limit{5'000};  ///< how long what runs in a partition that goes elsewhere may take
  std::shared_ptr<ownership_metrics> counts = std::make_shared<ownership_metrics>();
};

class node_member final : private partition_logs_listener {
 public:
  /// All outlive it. `post` is that of the loop; `chores` has something done elsewhere that may block for long.
  node_member(node_member_options options, storage::key_value_store& store, queue::broker& broker, clock& time, random_source& random,
              partition_host& host, task_loop::post_function post, task_loop::post_function chores, log lines);
  /// As `end`. On the loop, or after its end.
  ~node_member() override;
  node_member(const node_member&) = delete;
  node_member& operator=(const node_member&) = delete;

  /// On the loop: joins the others. Blocks.
  queue::broker_result<void> start();

  /// On the loop: from now on others are to have what it owns. `close_down`: it gives all of it up, whether or not somebody takes
  /// it. `is_free` says when that is so.
  void leave();
  void close_down();
  bool is_free() const;
  /// Leaves the others as it is, and does nothing any more.
  void end();
  /// Is there a process that could take what it owns?
  bool has_peers() const;

  storage::commit_sink& commits() noexcept { return logs_; }
  /// Until its end.
  const messages::ClusterPlan& plan() const noexcept { return plans_->plan(); }
  /// Does this process own the partition, and run it?
  bool runs(partition_id id) const;
  /// Of all partitions of which this process has something, or should have.
  std::vector<partition_share> shares() const;
  /// Nothing where it takes part in the cluster: it counts as alive, and the plan knows of it. Otherwise why not, for people.
  std::optional<std::string> why_apart() const;

 private:
  enum class doing : std::uint8_t {
    nothing,    ///< it does not run here
    running,
    draining,   ///< it runs, to its end
    stopped,    ///< it runs no longer, its last commit is on its way
    releasing,
  };
  struct place {
    doing what = doing::nothing;
    timestamp since{};          ///< of `what`
    timestamp wanted_since{};   ///< since when the plan gives it to this process; epoch: it does not
    bool broken = false;        ///< its log can't be followed
    bool loading = false;       ///< its rows are being read from a snapshot
    bool loaded = false;        ///< and were, so that its log has to go on behind it
    timestamp load_at{};        ///< not before
    std::uint64_t gap_behind = 0;   ///< place in the log of the snapshot behind which it did not go on
    bool saving = false;        ///< its rows are being written to a snapshot
    std::uint64_t saved_at = 0;     ///< bytes of its log at that time
    std::uint64_t saved_bytes = 0;  ///< of the snapshot
    metrics::counter* how = nullptr;  ///< in which way the claim that was made gets it
  };

  void on_owned(partition_id id, std::uint64_t epoch) override;
  void on_lost(partition_id id, const std::string& why) override;
  void on_stopped(partition_id id, const storage::storage_error& why) override;

  void set_alarm();
  void tick();
  void look();
  void tidy_up();
  void on_plan();
  void step(partition_id id, place& at);
  void follow(partition_id id, place& at);
  bool is_gap(partition_id id, place& at);
  void load(partition_id id, place& at);
  void on_loaded(partition_id id, const storage::storage_result<void>& loaded);
  void save(partition_id id, place& at, const partition_log& log);
  metrics::counter& how_it_comes(const messages::LogPosition& position) const;
  bool may_claim(const place& at, const messages::LogPosition& position) const;
  void change(place& at, doing what);
  messages::MemberDescription description() const;
  void say_what_it_has();
  std::function<void()> guarded(std::function<void()> what) const;
  timestamp now() const { return time_.now(); }

  node_member_options options_;
  storage::key_value_store& store_;
  queue::broker& broker_;
  clock& time_;
  random_source& random_;
  partition_host& host_;
  const task_loop::post_function post_;
  const task_loop::post_function chores_;
  const log log_;
  std::function<void()> sweep_;  ///< of the inboxes, as a chore
  partition_logs logs_;
  coordinator coordinator_;
  std::optional<plan_reader> plans_;  ///< until the end
  std::map<partition_id, place> places_;
  std::string said_;
  std::unique_ptr<queue::membership> membership_;
  queue::membership_view view_;
  std::optional<clock::alarm_id> alarm_;
  timestamp looked_at_{};     ///< the logs of what it owns
  timestamp tidied_up_at_{};
  bool closing_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace evermill::cluster
