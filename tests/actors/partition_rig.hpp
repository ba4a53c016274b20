// One partition in the hands of a test: the test says when a commit is durable, when an instance reports, what time it
// is, and when the process dies. Only the store outlives a restart, and of it only what was made durable.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/partition.hpp"
#include "evermill/registry.hpp"
#include "storage/memory_store.hpp"

namespace evermill::actors {

class partition_rig : public partition_ports {
 public:
  static constexpr partition_id own{0};
  static constexpr partition_id other{1};
  enum class crash { keeps_queue, loses_queue };

  explicit partition_rig(const registry& definitions, partition_options options = {});
  ~partition_rig() override;

  // --- the world's side

  /// Returns the event's position in the queue.
  queue::position publish(messages::DecisionEvent event);
  queue::position start(const std::string& workflow_id, const std::string& type, const std::string& json,
                        std::uint64_t token = 0);
  queue::position signal(const std::string& workflow_id, const std::string& name, const std::string& json,
                         std::uint64_t token = 0);
  queue::position cancel(const std::string& workflow_id);
  queue::position terminate(const std::string& workflow_id, std::uint64_t token = 0);
  queue::position taint(const std::string& workflow_id, std::uint64_t token = 0);
  /// From partition `other`, over its lane to this one.
  static messages::DecisionEvent over_lane(std::uint64_t number, messages::DecisionEvent event);
  static messages::DecisionEvent signal_event(const std::string& workflow_id, const std::string& name,
                                              const std::string& json);
  queue::position complete(const messages::ActivityTask& task, const std::string& json);
  queue::position fail(const messages::ActivityTask& task, messages::Failure::Kind kind = messages::Failure::APPLICATION);

  // --- the clockwork's side

  /// Handles everything that is waiting for the partition, until only a commit (or nothing) is left to wait for.
  void pump();
  bool commit_pending() const { return pending_.has_value(); }
  void make_durable();            ///< writes the pending commit and tells the partition
  void write_without_telling();   ///< writes it; the process dies before anybody hears
  void tell_durable();            ///< of a commit that was written
  void fail_commit();
  /// pump and make_durable until nothing is left to do at this time.
  void settle();
  /// Goes to the time of the tick that was asked for and rings it. False: none was.
  bool tick();
  void advance(std::chrono::microseconds by) { time_ += by; }
  /// The time of the tick that was asked for.
  std::optional<timestamp> next_tick() const { return tick_at_; }
  /// Random numbers from here on are of all sizes.
  void skip_random() { random_ += 0x9e3779b97f4a7c15; }
  queue::position published() const { return published_; }
  /// The process dies and a new one opens the store: a new boot, and a new queue unless that is elsewhere.
  void restart(crash how = crash::loses_queue);
  void restart_with(const registry& definitions, crash how = crash::loses_queue);
  /// Opens the store and gives what recovery says.
  storage::storage_result<void> reopen(crash how);
  /// While it is set, nothing more is recovered than what is asked for by name.
  void hold_recovery(bool hold) { hold_recovery_ = hold; }
  /// While it is set, instances take work but do not report.
  void hold_instances(bool hold) { hold_ = hold; }
  /// The first work of the run that is held is overdue.
  void let_turn_time_out(run_number run);
  /// Of held work: the instance says of the first that it can't decide it now, and is of no more use.
  void give_back(run_number run, messages::Blocked::Reason why);
  /// Each report has a chance of a commit of its own; otherwise one commit takes all that there are.
  void flush_after_each_report() { flush_often_ = true; }

  // --- what has left the partition

  std::vector<std::shared_ptr<const messages::ActivityTask>> tasks;
  std::vector<step_effect> steps;
  std::vector<attempt_cancellation> cancellations;
  std::vector<std::shared_ptr<const messages::DecisionEvent>> sent;  ///< to partition `other`
  std::map<std::uint64_t, answer> answers;
  std::vector<ended_execution> ended;
  std::vector<written_line> log_lines;
  std::vector<std::string> stops;  ///< why the partition has stopped
  std::vector<publishable_rows> publishable;
  std::vector<tracing::span> spans;
  void run_steps();

  // --- what the store says

  std::optional<messages::InstanceHeader> header(const std::string& workflow_id) const;
  messages::ExecutionStatus status(const std::string& workflow_id) const;
  std::string result(const std::string& workflow_id) const;
  std::vector<storage::stored_turn> journal(run_number run) const;
  std::vector<std::string> events(run_number run) const;
  messages::PartitionState state() const;
  std::size_t rows(storage::family f) const;
  /// The row of the only activity of the workflow's run that has one.
  messages::OpenActivity open_activity(const std::string& workflow_id) const;
  /// Spoils the first row of the family.
  void corrupt_row(storage::family f);
  /// Every journal is gapless, and nothing in it is closed twice.
  void check_journals() const;

  const storage::key_value_store& store() const { return *store_; }
  partition& subject() { return *partition_; }
  std::size_t live_instances() const { return instances_.size(); }
  std::uint64_t commits() const { return commits_; }
  std::uint64_t boot() const { return options_.boot.value; }

  timestamp now() override { return time_; }
  /// Of the partition's next life.
  partition_options& options() { return options_; }
  queue::decision_queue* second_queue = nullptr;  ///< outlives the partition, which reads it from its next life on
  std::string unserved_queue;  ///< a task queue that nothing here serves
  std::string missing_version;  ///< of every activity

 private:
  struct instance {
    std::uint64_t generation;
    std::unique_ptr<workflow::decider> decider;
  };

  std::uint64_t random() override { return ++random_; }
  std::string make_run_id() override { return "run-" + std::to_string(++random_); }
  const workflow_definition* find_workflow(std::string_view /*name_space*/, const std::string& type, const std::string& version) override {
    return definitions_->find_workflow(type, version);
  }
  partition_id partition_of(const std::string& workflow_id) override {
    return workflow_id.starts_with("other") ? other : own;
  }
  bool has_followers() override { return false; }
  bool serves_queue(const std::string& name) override { return name != unserved_queue; }
  bool has_activity(const std::string&, const std::string& version) override { return version != missing_version; }
  void start_instance(run_number run, std::uint64_t generation, const workflow_definition& definition) override;
  void give_work(run_number run, std::shared_ptr<instance_work> work) override;
  void stop_instance(run_number run) override { instances_.erase(run); }
  void submit(storage::write_batch&& batch) override;
  void request_flush() override { flush_wanted_ = true; }
  void request_poll() override { poll_wanted_ = true; }
  void request_recovery() override { recovery_wanted_ = true; }
  void request_tick(timestamp when) override { tick_at_ = when; }
  void release(effects&& what) override;
  void on_stopped(const storage::storage_error& why) override { stops.push_back(why.message); }

  std::vector<queue::decision_queue*> queues() const {
    if (second_queue != nullptr) return {queue_.get(), second_queue};
    return {queue_.get()};
  }
  instance_report report_on(run_number run, const instance_work& work);

  const registry* definitions_;
  partition_options options_;
  std::unique_ptr<storage::key_value_store> store_ = storage::make_memory_store();
  std::unique_ptr<queue::decision_queue> queue_;
  std::unique_ptr<partition> partition_;
  queue::position published_ = 0;
  timestamp time_{std::chrono::seconds(1'000'000)};
  std::uint64_t random_ = 0;
  std::uint64_t commits_ = 0;

  std::map<run_number, instance> instances_;
  struct given {
    run_number run;
    std::uint64_t generation = 0;
    std::shared_ptr<instance_work> work;
  };
  std::deque<given> work_;
  std::optional<storage::write_batch> pending_;
  std::optional<timestamp> tick_at_;
  bool flush_wanted_ = false;
  bool poll_wanted_ = false;
  bool recovery_wanted_ = false;
  bool hold_recovery_ = false;
  bool hold_ = false;
  bool flush_often_ = false;
};

}  // namespace evermill::actors
