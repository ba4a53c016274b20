// One simulated life of an engine: production code under a seeded scheduler, crashed and restarted, judged as it goes.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/node.hpp"
#include "base/random.hpp"
#include "clients.hpp"
#include "kept_queue.hpp"
#include "observed_store.hpp"
#include "program.hpp"
#include "published_place.hpp"
#include "record.hpp"
#include "simulated_disk.hpp"
#include "simulated_parts.hpp"
#include "storage/rocksdb_store.hpp"

namespace evermill::simulation {

struct settings {
  std::uint64_t seed = 1;
  /// The RocksDB store on a simulated disk; otherwise a memory that outlives its process, which is much faster.
  bool on_disk = true;
  /// Faults and crashes at seeded points; false: only what follows.
  bool faults = true;
  /// Crash after this commit, once; 0: not.
  std::uint64_t crash_after_commit = 0;
  /// The disk fails so at its operation number `fail_at` from the life's beginning, once.
  simulated_disk::fault disk_fault = simulated_disk::fault::none;
  std::uint64_t fail_at = 0;
  /// Runs these programs, with two signals each, in place of generated ones.
  std::vector<program> only;
  bool print = false;
};

class simulation {
 public:
  explicit simulation(const settings& how);
  ~simulation();

  /// Runs until every execution has ended, or something is wrong.
  void run();

  const run_record& record() const { return record_; }
  std::uint64_t commits() const { return store_.commits(); }
  /// Did the disk's planned fault come to be?
  bool disk_has_failed() const { return record_.counts().contains("fault: the disk failed as planned"); }

 private:
  // life and death of the process
  void boot();
  bool open_store();
  bool start_node();
  void after_a_failed_boot();
  void crash();
  void lose_power();
  void stop_cleanly();
  void kill();

  // one happening
  bool act();
  bool run_scheduler();
  bool happen();
  void send_next_request();
  void end_an_attempt(std::vector<simulated_backend::attempt>& from, bool lost);
  tasks::outcome some_outcome(const simulated_backend::attempt& which);
  std::optional<messages::Payload> say_how_far(const simulated_backend::attempt& which, const tasks::outcome& how);
  void complete_elsewhere();
  void run_a_step();
  void advance_clock();

  // faults
  void inject_fault();
  void inject_storage_fault(std::uint64_t which);
  void change_what_is_registered(std::uint64_t which);
  void try_a_damaged_disk();
  void judge_damaged_disk(const simulated_disk::harm& harm);
  void look_at_damage();
  storage::rocksdb_options store_options() const;
  bool disk_is_busy() const { return clock_.now() < disk_busy_until_; }
  void keep_disk_busy();

  // the plan
  void plan_requests();
  void plan_for(const std::string& workflow_id, const program& what);
  std::string some_workflow_id();

  // the end
  void calm_down();
  void run_to_rest();
  void publish_the_rest();
  void check_memory();
  bool settle_open_executions();
  void check_journals();
  void check_index();
  void check_everything();
  void check_executions();
  void check_children(const run_id& id, const durable_journal& journal);
  void check_parent_close(const run_id& id, const durable_journal& journal, const durable_journal& parent,
                          const messages::StartChildWorkflowExecutionInitiated& initiated);
  void check_attempts(const run_id& id, const durable_journal& journal);
  void check_deadline(const run_id& id, const durable_journal& journal, std::uint64_t scheduled, std::int64_t at_us);
  void check_replay(const run_id& id, const durable_journal& journal);
  void check_continuation(const run_id& id, const durable_journal& journal);
  void check_left_over_rows();

  bool chance(std::uint64_t percent) { return below(100) < percent; }
  std::uint64_t below(std::uint64_t bound) { return dice_->next() % bound; }
  bool wrong() const { return !record_.findings().empty(); }

  const settings settings_;
  run_record record_;
  std::unique_ptr<random_source> dice_;        // the world's choices
  std::unique_ptr<random_source> node_random_;  // what the node is given
  const chooser choose_;
  mutable simulated_disk disk_;
  simulated_clock clock_;
  observed_store store_;
  simulated_backend backend_;
  published_place published_;

  std::uint16_t partitions_ = 1;
  actors::node_options options_;
  std::unique_ptr<clients> clients_;
  registry all_definitions_;
  registry no_definitions_;
  registry definitions_;  // one of the two
  std::shared_ptr<kept_queue> kept_queue_;  // null: a queue of one boot
  std::unique_ptr<simulated_queue> queue_;
  std::unique_ptr<actors::node> node_;
  std::vector<std::function<void()>> steps_;
  std::deque<request> plan_;
  std::vector<std::string> workflow_ids_;
  std::uint64_t next_text_ = 1;
  std::map<run_id, std::size_t> turns_checked_;
  std::uint64_t slow_writes_left_ = 0;
  std::uint64_t commits_seen_ = 0;
  timestamp disk_busy_until_{};
  bool alive_ = false;
  bool calm_ = false;
  bool draining_ = false;
  bool power_was_cut_ = true;
};

}  // namespace evermill::simulation
