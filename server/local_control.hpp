// Control of an engine in this process.
#pragma once

#include "base/namespaces.hpp"
#include "server/control.hpp"

namespace evermill::server {

/// The executions of one namespace: ids are of that namespace, as users know them, and what is of another one is not found. The engine
/// must outlive it, and what it was asked to call back.
class local_control final : public control {
 public:
  /// Throws control_error (invalid_argument) where `name_space` can't be the name of one; whether it is declared is not looked at.
  explicit local_control(engine& engine, std::string_view name_space = {});

  control_status status() override;
  void set_log_level(std::string_view level) override;
  void start(std::string_view workflow_type, payload input, start_options options, start_callback answer) override;
  void signal(std::string_view workflow_id, std::string_view signal_name, payload input, std::string_view request_id,
              done_callback done) override;
  payload query(std::string_view workflow_id, std::string_view query_name, payload input) override;
  void update(std::string_view workflow_id, std::string_view update_name, payload input, std::string_view update_id,
              update_callback answer) override;
  void cancel(std::string_view workflow_id, std::string_view reason, done_callback done) override;
  void terminate(std::string_view workflow_id, std::string_view reason, done_callback done) override;
  void taint(std::string_view workflow_id) override;
  bool report_activity(std::string_view token, activity_report what) override;
  void wait(std::string_view workflow_id, end_callback answer) override;
  /// As engine's function of this name.
  std::shared_ptr<void> on_end(std::string_view workflow_id, end_callback answer);
  execution_description describe(std::string_view workflow_id) override;
  execution_page list(const execution_filter& filter, std::string_view page_token, std::size_t limit) override;
  execution_counts counts(const execution_filter& filter) override;
  std::vector<history_event> history(std::string_view workflow_id, std::uint64_t from_seq, std::size_t limit) override;
  history_page read_history(std::string_view workflow_id, std::uint64_t run_number, std::uint64_t from_seq,
                            std::size_t limit) override;
  std::vector<human_task_summary> human_tasks(const human_task_filter& filter, std::string_view after,
                                              std::size_t limit) override;
  human_task_description describe_human_task(std::string_view task_id) override;
  void claim_human_task(std::string_view task_id, std::string_view by, bool force) override;
  void release_human_task(std::string_view task_id, std::string_view by, bool force) override;
  void delegate_human_task(std::string_view task_id, std::string_view by, std::string_view assignee, bool force) override;
  void complete_human_task(std::string_view task_id, std::string_view by, payload answer, bool force) override;
  std::vector<lock_description> locks(std::string_view after, std::size_t limit) override;
  known_definitions definitions() override;
  std::vector<task_queue_description> task_queues() override;
  std::shared_ptr<void> follow(std::string_view workflow_id,
                               std::function<void(const execution_progress&)> on_progress) override;
  std::vector<running_output> running_outputs(std::string_view workflow_id, std::size_t lines) override {
    return namespaces::plain(workflow_id) == workflow_id ? engine_.running_outputs(prefix_ + std::string(workflow_id), lines)
                                                         : std::vector<running_output>();
  }

  /// The id as the engine takes it. Throws control_error (invalid_argument) for what can't be an id.
  std::string in_engine(std::string_view id) const;

 private:
  std::string kept(std::string_view id) const;  ///< as in_engine, but throws engine_error; "" stays ""
  void show(human_task_summary& of) const;

  engine& engine_;
  const std::string name_space_;
  const std::string prefix_;  ///< of ids as the engine takes them
};

/// The control of a namespace that a caller names; "": the default one. Throws control_error (not_found) where it is not declared, with
/// the words for one that is not open to the caller.
local_control control_of(engine& engine, std::string_view name_space);

/// The same error in the words of this interface.
control_error to_control_error(const engine_error& error);

}  // namespace evermill::server
