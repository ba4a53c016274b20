#include "actors/activity_actor.hpp"

#include <utility>

namespace evermill::actors {

activity_actor::activity_actor(caf::actor_config& config, std::vector<tasks::task_backend*> backends,
                               tasks::task_queues* queues, tasks::on_attempt_end report)
    : caf::event_based_actor(config), backends_(std::move(backends)), queues_(queues), report_(std::move(report)) {}

caf::behavior activity_actor::make_behavior() {
  return {[this](const dispatch_ptr& what) {
            if (queues_ != nullptr && !what->admitted) queues_->admit(what->tasks);
            run(what->tasks);
            for (const attempt_cancellation& each : what->cancellations) tell(each);
          },
          [this](stop_atom) { quit(); }};
}

tasks::task_backend* activity_actor::backend_for(std::string_view activity_type) const {
  for (tasks::task_backend* backend : backends_) {
    if (backend->serves(activity_type)) return backend;
  }
  return nullptr;
}

void activity_actor::tell(const attempt_cancellation& what) {
  if (queues_ != nullptr) {
    if (auto kept = queues_->drop(what.id)) {
      tasks::outcome how = tasks::canceled{};
      if (what.how == attempt_cancellation::kind::expire) {
        how = tasks::timed_out{tasks::timed_out::limit::schedule_to_start};
      }
      return report_({std::move(kept), 0, std::move(how)});
    }
  }
  for (tasks::task_backend* backend : backends_) {
    if (!what.activity_type.empty() && !backend->serves(what.activity_type)) continue;
    switch (what.how) {
      case attempt_cancellation::kind::cancel: backend->cancel(what.id); break;
      case attempt_cancellation::kind::request_stop: backend->request_stop(what.id); break;
      case attempt_cancellation::kind::expire: backend->expire(what.id); break;
    }
    if (!what.activity_type.empty()) return;
  }
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
