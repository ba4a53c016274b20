#include "actors/partition_actor.hpp"

#include <caf/send.hpp>

#include <utility>

#include "actors/instance_actor.hpp"
#include "actors/remote_instance_actor.hpp"
#include "evermill/log_level.hpp"
#include "evermill/registry.hpp"

namespace evermill::actors {
namespace {

spdlog::level::level_enum level_of(log_level level) noexcept {
  switch (level) {
    case log_level::debug: return spdlog::level::debug;
    case log_level::info: return spdlog::level::info;
    case log_level::warning: return spdlog::level::warn;
    case log_level::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

/// Gives back what it is sent, when its turn among the actors has come.
class pacer final : public caf::event_based_actor {
 public:
  using caf::event_based_actor::event_based_actor;

 protected:
  caf::behavior make_behavior() override {
    return {[](recover_atom next) { return next; }};
  }
};

}  // namespace

partition_actor::partition_actor(caf::actor_config& config, const node_parts* parts, const node_options* node,
                                 partition_id id, boot_number boot, turn_watch* watch, caf::actor committer,
                                 caf::actor activities, partition_promises promises)
    : caf::event_based_actor(config),
      parts_(parts),
      node_(node),
      id_(id),
      watch_(watch),
      committer_(std::move(committer)),
      activities_(std::move(activities)),
      promises_(std::move(promises)) {
  const partition_options options{.id = id,
                                  .boot = boot,
                                  .passivate_after = node->passivate_after,
                                  .max_live_instances = node->live_instances_per_partition,
                                  .recovery_chunk = node->recovery_chunk,
                                  .turn_timeout = node->turn_timeout,
                                  .draining = !node->run_effects,
                                  .publishing = node->publishing,
                                  .publish_limit = node->publish_limit,
                                  .of_partitions = node->partitions,
                                  .open = node->open,
                                  .retention = node->retention,
                                  .metrics = parts->metrics,
                                  .spans = parts->spans};
  std::vector<queue::decision_queue*> queues{parts->queue};
  if (parts->shared_queue != nullptr) queues.push_back(parts->shared_queue);
  partition_.emplace(options, *parts->store, std::move(queues), static_cast<partition_ports&>(*this), parts->lines);
}

caf::behavior partition_actor::make_behavior() {
  recover();
  return {[this](const instance_report_ptr& report) { partition_->on_report(std::move(*report)); },
          [this](const commit_outcome_ptr& outcome) {
            if (!outcome->error) return partition_->on_committed();
            partition_->on_commit_failed(*outcome->error);
          },
          [this](readable_atom) { partition_->poll(); },
          [this](flush_atom) {
            flush_pending_ = false;
            partition_->flush();
          },
          [this](published_atom, std::uint64_t through) { partition_->on_published(through); },
          [this](served_atom) { partition_->on_served(); },
          [this](recover_atom) { partition_->recover_more(); },
          [this](tick_atom) {
            alarm_ = 0;
            partition_->on_tick();
          },
          [this](const overdue_turn_ptr& turn) {
            partition_->on_overdue(turn->what.run, turn->what.generation, turn->what.work);
          },
          [this](const query_request_ptr& query) { partition_->on_query(std::move(*query)); },
          [this](drain_atom) { partition_->drain(); },
          [this](resend_atom) { partition_->send_unacknowledged(); },
          [this](const partition_look_ptr& look) {
            look->answer.set_value({partition_->statistics(), partition_->idle()});
          },
          [this](stop_atom) { quit(); }};
}

/// Whatever happens, the node that waits is told.
void partition_actor::recover() {
  const auto on_readable = [me = caf::actor_cast<caf::actor>(this)] { caf::anon_send(me, readable_atom::value); };
  promises_.recovered->set_value(partition_->recover(on_readable));
  promises_.recovered.reset();
}

void partition_actor::on_exit() {
  if (alarm_ != 0) parts_->time->cancel_alarm(alarm_);
  for (auto& [run, instance] : instances_) caf::anon_send(instance, stop_atom::value);
  instances_.clear();
  pacer_ = nullptr;  // it ends when nobody can send to it any more
  committer_ = nullptr;
  activities_ = nullptr;
  partition_.reset();
  promises_.gone->set_value();
}

timestamp partition_actor::now() { return parts_->time->now(); }
std::uint64_t partition_actor::random() { return parts_->random->next(); }
std::string partition_actor::make_run_id() { return make_uuid(*parts_->random); }
bool partition_actor::serves_queue(const std::string& name) {
  return parts_->task_queues == nullptr || parts_->task_queues->serves(name);
}
bool partition_actor::runs_elsewhere(const std::string& activity_type, const std::string& task_queue) {
  return parts_->remote != nullptr && !parts_->runs_here(activity_type, task_queue);
}
bool partition_actor::has_activity(const std::string& type, const std::string& version) {
  return parts_->definitions->find_activity(type, version) != nullptr;
}
bool partition_actor::has_followers() { return parts_->listener->has_followers(); }

const workflow_definition* partition_actor::find_workflow(std::string_view name_space, const std::string& type, const std::string& version) {
  const workflow_definition* const local = parts_->definitions->find_workflow(type, version);
  return local != nullptr || parts_->deciders == nullptr ? local : parts_->deciders->find(name_space, type, version);
}

bool partition_actor::takes_deciders() { return parts_->deciders != nullptr; }

partition_id partition_actor::partition_of(const std::string& workflow_id) {
  return actors::partition_of(workflow_id, node_->partitions);
}

void partition_actor::start_instance(run_number run, std::uint64_t generation, const workflow_definition& definition) {
  const turn_name name{id_, run, generation, 0};
  const auto me = caf::actor_cast<caf::actor>(this);
  if (deciders::is_remote(definition)) {
    instances_[run] = spawn<remote_instance_actor>(me, parts_->deciders, definition, name);
  } else {
    instances_[run] = spawn<instance_actor>(me, watch_, &definition, name);
  }
}

void partition_actor::give_work(run_number run, std::shared_ptr<instance_work> work) {
  const auto it = instances_.find(run);
  if (it != instances_.end()) send(it->second, std::move(work));
}

void partition_actor::stop_instance(run_number run) {
  const auto it = instances_.find(run);
  if (it == instances_.end()) return;
  send(it->second, stop_atom::value);
  instances_.erase(it);
}

void partition_actor::submit(storage::write_batch&& batch) {
  if (parts_->commits != nullptr) {
    const auto done = [me = caf::actor_cast<caf::actor>(this)](std::optional<storage::storage_error> error) {
      caf::anon_send(me, std::make_shared<commit_outcome>(commit_outcome{std::move(error)}));
    };
    return parts_->commits->submit(id_, std::move(batch), done);
  }
  send(committer_, std::make_shared<commit_request>(commit_request{std::move(batch)}));
}

void partition_actor::request_flush() {
  if (!std::exchange(flush_pending_, true)) send(this, flush_atom::value);
}

void partition_actor::request_poll() { send(this, readable_atom::value); }

/// By way of another actor: while it has messages, an actor keeps its thread, and all that was recovered would wait.
void partition_actor::request_recovery() {
  if (!pacer_) pacer_ = spawn<pacer>();
  send(pacer_, recover_atom::value);
}

void partition_actor::request_tick(timestamp when) {
  if (alarm_ != 0) parts_->time->cancel_alarm(alarm_);
  alarm_ = parts_->time->set_alarm(when, [me = caf::actor_cast<caf::actor>(this)] { caf::anon_send(me, tick_atom::value); });
}

void partition_actor::release(effects&& what) {
  if (!what.tasks.empty() && parts_->on_dispatch) parts_->on_dispatch(what.tasks);
  if (!what.tasks.empty() || !what.cancellations.empty()) {
    auto message = std::make_shared<dispatch>();
    message->tasks = std::move(what.tasks);
    message->cancellations = std::move(what.cancellations);
    send(activities_, std::move(message));
  }
  if (!what.adopted.empty()) parts_->remote->adopt(std::move(what.adopted));
  for (step_effect& step : what.steps) run_step(std::move(step));
  for (auto& [destination, event] : what.outbound) parts_->queue->publish(destination, std::move(event));
  if (!what.spans.empty()) parts_->spans->offer(std::move(what.spans));
  for (const written_line& each : what.log_lines) {
    parts_->lines.write(level_of(each.line.level), {id_, each.workflow_id, each.run}, "{}", each.line.text);
  }
  for (auto& [token, reply] : what.answers) parts_->listener->on_answer(token, std::move(reply));
  for (durable_turn& turn : what.turns) parts_->listener->on_turn(std::move(turn));
  if (what.published && parts_->on_publishable) parts_->on_publishable(id_, *what.published);
  for (ended_update& ended : what.updates) parts_->listener->on_update_ended(std::move(ended));
  for (ended_execution& ended : what.ended) parts_->listener->on_ended(std::move(ended));
}

void partition_actor::on_stopped(const storage::storage_error& why) { parts_->listener->on_failed(id_, why.message); }

void partition_actor::run_step(step_effect&& effect) {
  parts_->run_step([queue = parts_->queue, id = id_, effect = std::make_shared<step_effect>(std::move(effect))] {
    auto event = std::make_shared<messages::DecisionEvent>();
    event->set_workflow_id(effect->workflow_id);
    event->set_run_number(effect->run.value);
    *event->mutable_event()->mutable_marker_recorded() = effect->step.run();
    event->mutable_event()->mutable_marker_recorded()->set_scheduled_seq(effect->step.scheduled.value);
    queue->publish(id, std::move(event));
  });
}

}  // namespace evermill::actors
