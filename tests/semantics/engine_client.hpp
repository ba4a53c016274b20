// Runs scripts on a real engine in a data directory, in real time.
#pragma once

#include <filesystem>
#include <memory>

#include "scenario.hpp"

namespace evermill::semantics {

class engine_client final : public client {
 public:
  engine_client(const scenario& what, std::filesystem::path data_directory);

  using client::signal;
  using client::start;
  using client::update;
  void start(std::string_view workflow_type, payload input, const start_options& options) override;
  void signal(const std::string& id, std::string_view name, payload input, const std::string& request_id) override {
    engine_->signal(id, name, std::move(input), request_id);
  }
  payload query(const std::string& id, std::string_view name, payload input) override {
    return engine_->query(id, name, std::move(input));
  }
  std::optional<payload> update(const std::string& id, std::string_view name, payload input,
                                const std::string& update_id) override {
    return engine_->update(id, name, std::move(input), update_id);
  }
  void cancel(const std::string& id) override { engine_->cancel(id); }
  void terminate(const std::string& id) override { engine_->terminate(id); }
  void complete_activity(const std::string& token, payload result) override {
    engine_->complete_activity(token, std::move(result));
  }
  execution_end wait(const std::string& id) override { return engine_->wait(id); }
  execution_description describe(const std::string& id) override { return engine_->describe(id); }
  std::vector<history_event> history(const std::string& id) override { return engine_->history(id); }
  std::vector<human_task_summary> human_tasks() override { return engine_->human_tasks(); }
  void claim(const std::string& task_id, const std::string& by) override { engine_->claim_human_task(task_id, by); }
  void delegate(const std::string& task_id, const std::string& by, const std::string& to) override {
    engine_->delegate_human_task(task_id, by, to);
  }
  void complete(const std::string& task_id, const std::string& by, payload answer) override {
    engine_->complete_human_task(task_id, by, std::move(answer));
  }
  std::vector<lock_description> locks() override { return engine_->locks(); }
  void until(const std::function<bool()>& reached) override;
  void restart() override;
  bool in_virtual_time() const override { return false; }

 private:
  registry definitions_;
  const std::filesystem::path data_directory_;
  std::unique_ptr<engine> engine_;
};

}  // namespace evermill::semantics
