// Control of an engine in this process.
#pragma once

#include "server/control.hpp"

namespace evermill::server {

/// The engine must outlive it.
class local_control final : public control {
 public:
  explicit local_control(engine& engine) : engine_(engine) {}

  control_status status() override;
  started_execution start(std::string_view workflow_type, payload input, start_options options) override;
  void signal(std::string_view workflow_id, std::string_view signal_name, payload input,
              std::string_view request_id) override;
  payload query(std::string_view workflow_id, std::string_view query_name, payload input) override;
  void update(std::string_view workflow_id, std::string_view update_name, payload input, std::string_view update_id,
              update_callback answer) override;
  void cancel(std::string_view workflow_id, std::string_view reason) override;
  void terminate(std::string_view workflow_id, std::string_view reason) override;
  void taint(std::string_view workflow_id) override;
  bool report_activity(std::string_view token, activity_report what) override;
  void wait(std::string_view workflow_id, end_callback answer) override;
  execution_description describe(std::string_view workflow_id) override;
  std::vector<listed_execution> list(std::string_view after, std::size_t limit) override;
  std::vector<history_event> history(std::string_view workflow_id, std::uint64_t from_seq, std::size_t limit) override;
  std::vector<human_task_summary> human_tasks(const human_task_filter& filter, std::string_view after,
                                              std::size_t limit) override;
  human_task_description describe_human_task(std::string_view task_id) override;
  void claim_human_task(std::string_view task_id, std::string_view by, bool force) override;
  void release_human_task(std::string_view task_id, std::string_view by, bool force) override;
  void delegate_human_task(std::string_view task_id, std::string_view by, std::string_view assignee, bool force) override;
  void complete_human_task(std::string_view task_id, std::string_view by, payload answer, bool force) override;
  std::vector<lock_description> locks(std::string_view after, std::size_t limit) override;
  std::shared_ptr<void> follow(std::string_view workflow_id,
                               std::function<void(const execution_progress&)> on_progress) override;

 private:
  engine& engine_;
};

/// The same error in the words of this interface.
control_error to_control_error(const engine_error& error);

}  // namespace evermill::server
