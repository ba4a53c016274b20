#include "actors/activity_actor.hpp"

#include <utility>

namespace evermill::actors {

activity_actor::activity_actor(caf::actor_config& config, const node_parts& parts, tasks::on_attempt_end report)
    : caf::event_based_actor(config),
      backends_(parts.backends),
      remote_(parts.remote),
      runs_here_(parts.runs_here),
      queues_(parts.task_queues),
      report_(std::move(report)) {
  if (remote_ != nullptr) backends_.push_back(remote_);
}

caf::behavior activity_actor::make_behavior() {
  return {[this](const dispatch_ptr& what) {
            if (queues_ != nullptr && !what->admitted) queues_->admit(what->tasks);
            run(what->tasks);
            for (const attempt_cancellation& each : what->cancellations) tell(each);
          },
          [this](stop_atom) { quit(); }};
}

tasks::task_backend* activity_actor::backend_for(const messages::ActivityTask& task) const {
  if (remote_ != nullptr && !runs_here_(task.activity_type(), task.options().task_queue())) return remote_;
  for (tasks::task_backend* backend : backends_) {
    if (backend != remote_ && backend->serves(task.activity_type())) return backend;
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
  const bool may_be_remote = remote_ != nullptr;  // where it runs depends on its queue, which is not said
  for (tasks::task_backend* backend : backends_) {
    if (!may_be_remote && !what.activity_type.empty() && !backend->serves(what.activity_type)) continue;
    switch (what.how) {
      case attempt_cancellation::kind::cancel: backend->cancel(what.id); break;
      case attempt_cancellation::kind::request_stop: backend->request_stop(what.id); break;
      case attempt_cancellation::kind::expire: backend->expire(what.id); break;
    }
    if (!may_be_remote && !what.activity_type.empty()) return;
  }
}

void activity_actor::run(std::vector<std::shared_ptr<const messages::ActivityTask>>& tasks) {
  std::vector<std::vector<std::shared_ptr<const messages::ActivityTask>>> shares(backends_.size());
  const messages::ActivityTask* last = nullptr;
  tasks::task_backend* last_backend = nullptr;
  for (auto& task : tasks) {
    const bool as_before = last != nullptr && last->activity_type() == task->activity_type() &&
                           last->options().task_queue() == task->options().task_queue();
    if (!as_before) last_backend = backend_for(*task);
    last = task.get();
    if (last_backend == nullptr) {
      messages::Failure failure;
      failure.set_kind(messages::Failure::NOT_REGISTERED);
      failure.set_type("NotRegistered");
      failure.set_message("no activity named \"" + task->activity_type() + "\" is registered in this process");
      last = nullptr;
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
