// Drives the task backends: gives each attempt to the backend that serves its type.
#pragma once

#include <caf/event_based_actor.hpp>

#include <functional>
#include <vector>

#include "actors/node.hpp"
#include "actors/protocol.hpp"
#include "plugins/task/task_backend.hpp"
#include "plugins/task/task_queues.hpp"

namespace evermill::actors {

class activity_actor final : public caf::event_based_actor {
 public:
  /// `report` takes the ends of attempts that no backend was
  /// given.
  activity_actor(caf::actor_config& config, const node_parts& parts, tasks::on_attempt_end report);

 protected:
  caf::behavior make_behavior() override;

 private:
  tasks::task_backend* backend_for(const messages::ActivityTask& task) const;
  void tell(const attempt_cancellation& what);
  void run(std::vector<std::shared_ptr<const messages::ActivityTask>>& tasks);

  std::vector<tasks::task_backend*> backends_;
  tasks::remote_backend* const remote_;
  const std::function<bool(const std::string&, const std::string&)> runs_here_;
  tasks::task_queues* const queues_;
  tasks::on_attempt_end report_;
};

}  // namespace evermill::actors
