// Runs activities on the test's own thread, one after the other, when it is told to.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "evermill/registry.hpp"
#include "evermill/testing/environment.hpp"
#include "plugins/task/attempt_watch.hpp"
#include "plugins/task/task_backend.hpp"
#include "testing/virtual_clock.hpp"

namespace evermill::testing {

/// Outlives the processes of one environment: it knows each call there ever was.
class inline_backend final : public tasks::task_backend {
 public:
  inline_backend(const registry& definitions, virtual_clock& time) : definitions_(definitions), time_(time) {}

  /// A process begins that takes the ends of its attempts.
  void attach(tasks::on_attempt_end report, tasks::on_attempt_heartbeat on_heartbeat) {
    report_ = std::move(report);
    on_heartbeat_ = std::move(on_heartbeat);
    ++process_;
  }
  /// The process is dead: its attempts are lost.
  void detach();

  /// `replacement` holds another function for the activity of this name.
  void replace(const std::string& name, registry replacement);
  /// Its attempts never end by themselves.
  void hang(const std::string& name);

  /// Runs the oldest attempt that waits; false: none does. Throws environment_error where nothing implements it.
  bool run_one();
  const std::vector<activity_call>& calls() const { return calls_; }

  std::string_view name() const override { return "inline"; }
  bool serves(std::string_view) const override { return true; }
  void run(std::vector<std::shared_ptr<const messages::ActivityTask>> tasks) override;
  void cancel(const tasks::dispatch_id& id) override;
  void request_stop(const tasks::dispatch_id& id) override { cancel(id); }
  void expire(const tasks::dispatch_id& id) override;
  void stop(std::chrono::milliseconds) override {}

 private:
  using task_ptr = std::shared_ptr<const messages::ActivityTask>;
  struct hanging {
    task_ptr task;
    std::int64_t started_us = 0;
    std::unique_ptr<tasks::attempt_watch> watch;
  };

  const activity_definition* find(const messages::ActivityTask& task) const;
  void note_call(const messages::ActivityTask& task);
  task_ptr take_waiting(const tasks::dispatch_id& id);
  void start_hanging(task_ptr task);
  void end_hanging(const tasks::dispatch_id& id, tasks::outcome how);

  const registry& definitions_;
  virtual_clock& time_;
  tasks::on_attempt_end report_;
  tasks::on_attempt_heartbeat on_heartbeat_;
  std::uint64_t process_ = 0;
  std::map<std::string, registry> replacements_;
  std::set<std::string> hangs_;
  std::deque<task_ptr> waiting_;
  std::map<tasks::dispatch_id, hanging> hanging_;
  std::vector<activity_call> calls_;
};

}  // namespace evermill::testing
