#include "actors/activity_actor.hpp"

#include <utility>

namespace evermill::actors {

activity_actor::activity_actor(caf::actor_config& config, std::vector<tasks::task_backend*> backends,
                               tasks::on_attempt_end report)
    : caf::event_based_actor(config), backends_(std::move(backends)), report_(std::move(report)) {}

caf::behavior activity_actor::make_behavior() {
  return {[this](const dispatch_ptr& what) {
            run(what->tasks);
            for (const attempt_cancellation& cancellation : what->cancellations) {
              if (auto* backend = backend_for(cancellation.activity_type)) backend->cancel(cancellation.id);
            }
          },
          [this](stop_atom) { quit(); }};
}

tasks::task_backend* activity_actor::backend_for(std::string_view activity_type) const {
  for (tasks::task_backend* backend : backends_) {
    if (backend->serves(activity_type)) return backend;
  }
  return nullptr;
}

void activity_actor::run(std::vector<std::shared_ptr<const messages::ActivityTask>>& tasks) {
  std::vector<std::vector<std::shared_ptr<const messages::ActivityTask>>> shares(backends_.size());
  const std::string* last_type = nullptr;
  tasks::task_backend* last_backend = nullptr;
  for (auto& task : tasks) {
    if (last_type == nullptr || *last_type != task->activity_type()) {
      last_backend = backend_for(task->activity_type());
      last_type = &task->activity_type();
    }
    if (last_backend == nullptr) {
      messages::Failure failure;
      failure.set_kind(messages::Failure::NOT_REGISTERED);
      failure.set_type("NotRegistered");
      failure.set_message("no activity named \"" + task->activity_type() + "\" is registered in this process");
      last_type = nullptr;
      report_({std::move(task), 0, tasks::failed{std::move(failure)}});
      continue;
    }
    for (std::size_t i = 0; i < backends_.size(); ++i) {
      if (backends_[i] == last_backend) shares[i].push_back(task);
    }
  }
  for (std::size_t i = 0; i < backends_.size(); ++i) {
    if (!shares[i].empty()) backends_[i]->run(std::move(shares[i]));
  }
}

}  // namespace evermill::actors
