// The world of a simulated node: its clock, queue and task backend.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "observed_store.hpp"
#include "plugins/queue/decision_queue.hpp"
#include "plugins/task/task_backend.hpp"
#include "record.hpp"

namespace evermill::simulation {

/// Stands still until it is told to go on.
class simulated_clock final : public clock {
 public:
  timestamp now() const override { return now_; }
  alarm_id set_alarm(timestamp when, std::function<void()> ring) override;
  void cancel_alarm(alarm_id id) override;

  std::optional<timestamp> next_alarm() const;
  /// Goes there, and rings what is due.
  void advance_to(timestamp when);
  /// A wall clock may be set back while the process is down.
  void set_back(std::chrono::microseconds by) { now_ -= by; }

 private:
  timestamp now_{std::chrono::seconds(1'700'000'000)};
  std::map<std::pair<timestamp, alarm_id>, std::function<void()>> alarms_;
  alarm_id last_ = 0;
};

/// A queue during one boot, with repeats. What goes from partition to partition must be durable in the outbox.
class simulated_queue final : public queue::decision_queue {
 public:
  simulated_queue(std::shared_ptr<queue::decision_queue> real, observed_store& store, const clock& time,
                  run_record& record, std::function<bool()> repeat)
      : real_(std::move(real)), store_(store), time_(time), record_(record), repeat_(std::move(repeat)) {}

  const std::string& source() const override { return real_->source(); }
  bool publish(partition_id partition, std::shared_ptr<const messages::DecisionEvent> event) override;
  bool publish(partition_id partition, std::span<const std::shared_ptr<const messages::DecisionEvent>> events) override;
  queue::backlog_size backlog(partition_id partition) const override { return real_->backlog(partition); }
  std::unique_ptr<queue::consumer> consume(partition_id partition, queue::position after,
                                           std::function<void()> on_readable) override;
  void close() override {
    closed_ = true;
    real_->close();
  }

 private:
  void check(partition_id partition, const messages::DecisionEvent& event);

  std::shared_ptr<queue::decision_queue> real_;
  observed_store& store_;
  const clock& time_;
  run_record& record_;
  std::function<bool()> repeat_;
  bool closed_ = false;
};

/// Runs attempts until the simulation says how they end. Lives longer than a boot: it knows every attempt there ever was.
class simulated_backend final : public tasks::task_backend {
 public:
  struct attempt {
    std::shared_ptr<const messages::ActivityTask> task;
    std::int64_t started_us = 0;
    bool told_to_stop = false;
  };

  simulated_backend(const observed_store& store, const clock& time, run_record& record)
      : store_(store), time_(time), record_(record) {}

  std::string_view name() const override { return "simulated"; }
  bool serves(std::string_view) const override { return serves_; }
  void run(std::vector<std::shared_ptr<const messages::ActivityTask>> tasks) override;
  void cancel(const tasks::dispatch_id& id) override;
  void request_stop(const tasks::dispatch_id& id) override { cancel(id); }
  /// What it has, it has started.
  void expire(const tasks::dispatch_id&) override {}
  void stop(std::chrono::milliseconds) override {}

  /// A boot begins or ends; what ran in the one before is lost, but may still report.
  void set_alive(bool alive);
  /// From now on nothing may be dispatched until the next boot.
  void expect_no_more() { drained_ = true; }

  /// Is the activity's code here?
  void set_serves(bool serves) { serves_ = serves; }

  std::vector<attempt>& running() { return running_; }
  /// Whose functions have returned, with what is still to be told of them. They outlive the process.
  /// What is completed from elsewhere: still to be told, and told. Who got no answer from a process that died tells it again.
  std::vector<std::pair<attempt, tasks::outcome>>& elsewhere() { return elsewhere_; }
  std::vector<std::pair<attempt, tasks::outcome>>& told() { return told_; }
  std::vector<attempt>& lost() { return lost_; }
  /// Reports an end; the journal may name it from now on.
  void report(queue::decision_queue& queue, const attempt& which, tasks::outcome how,
              std::optional<messages::Payload> heartbeat_details = {});

  /// Has an attempt with this id reported this end?
  bool has_reported(const tasks::dispatch_id& id, const std::string& how) const;
  bool was_dispatched(const tasks::dispatch_id& id) const { return dispatched_.contains(id); }
  static std::string describe(const tasks::outcome& how);

 private:
  void check_durable(const messages::ActivityTask& task);

  const observed_store& store_;
  const clock& time_;
  run_record& record_;
  bool alive_ = false;
  bool drained_ = false;
  bool serves_ = true;
  std::vector<attempt> running_;
  std::vector<attempt> lost_;
  std::vector<std::pair<attempt, tasks::outcome>> elsewhere_;
  std::vector<std::pair<attempt, tasks::outcome>> told_;
  std::set<tasks::dispatch_id> dispatched_;
  std::set<std::pair<tasks::dispatch_id, std::string>> reported_;
};

}  // namespace evermill::simulation
