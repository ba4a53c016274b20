// Runs scripts on the test kit, in virtual time, with a crash where it is wanted.
#pragma once

#include <cstdint>

#include "evermill/testing/environment.hpp"
#include "scenario.hpp"

namespace evermill::semantics {

class environment_client final : public client {
 public:
  /// `crash_after`: the process dies right after this commit; 0: it does not.
  environment_client(const scenario& what, testing::environment& in, std::uint64_t crash_after);

  using client::signal;
  using client::start;
  using client::update;
  void start(std::string_view workflow_type, payload input, const start_options& options) override;
  void signal(const std::string& id, std::string_view name, payload input, const std::string& request_id) override {
    in_.signal(id, name, std::move(input), request_id);
  }
  payload query(const std::string& id, std::string_view name, payload input) override {
    return in_.query(id, name, std::move(input));
  }
  std::optional<payload> update(const std::string& id, std::string_view name, payload input,
                                const std::string& update_id) override {
    return in_.update(id, name, std::move(input), update_id);
  }
  void cancel(const std::string& id) override { in_.cancel(id); }
  void terminate(const std::string& id) override { in_.terminate(id); }
  void complete_activity(const std::string& token, payload result) override {
    in_.complete_activity(token, std::move(result));
  }
  execution_end wait(const std::string& id) override { return in_.wait(id); }
  execution_description describe(const std::string& id) override { return in_.describe(id); }
  std::vector<history_event> history(const std::string& id) override { return in_.history(id); }
  std::vector<human_task_summary> human_tasks() override { return in_.human_tasks(); }
  void claim(const std::string& task_id, const std::string& by) override { in_.claim_human_task(task_id, by); }
  void delegate(const std::string& task_id, const std::string& by, const std::string& to) override {
    in_.delegate_human_task(task_id, by, to);
  }
  void complete(const std::string& task_id, const std::string& by, payload answer) override {
    in_.complete_human_task(task_id, by, std::move(answer));
  }
  std::vector<lock_description> locks() override { return in_.locks(); }
  void until(const std::function<bool()>& reached) override;
  void restart() override;
  bool in_virtual_time() const override { return true; }

 private:
  testing::environment& in_;
  const std::uint64_t crash_after_;
};

}  // namespace evermill::semantics
