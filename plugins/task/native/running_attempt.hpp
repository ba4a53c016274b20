// An attempt whose activity is a C++ function: what the function sees of it, and what its end means.
#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "evermill/activity_context.hpp"
#include "evermill/registry.hpp"
#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

failed not_registered(const std::string& activity_type);

class running_attempt : public detail::attempt_host {
 public:
  /// The task outlives it.
  explicit running_attempt(const messages::ActivityTask& task) : task_(task) {}

  /// Calls the function, once.
  outcome run(const activity_definition& activity);

  activity_info info() const override;
  const std::string& workflow_id() const override { return task_.workflow_id(); }
  std::uint32_t attempt() const override { return task_.attempt(); }
  void heartbeat(payload details) override;
  std::optional<payload> heartbeat_details() const override;
  std::string complete_later() override;

 private:
  /// A heartbeat, for the attempt's watch.
  virtual void pass_on(std::optional<messages::Payload> details) = 0;

  const messages::ActivityTask& task_;
  std::atomic<bool> later_ = false;
};

}  // namespace evermill::tasks
