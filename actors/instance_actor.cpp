#include "actors/instance_actor.hpp"

#include <chrono>
#include <utility>

#include "base/planted.hpp"

namespace evermill::actors {
namespace {

std::chrono::steady_clock::time_point now_for_measuring() {
  return std::chrono::steady_clock::now();  // style: measured for metrics and traces; nothing is decided by it
}

}  // namespace

instance_actor::instance_actor(caf::actor_config& config, caf::actor partition, turn_watch* watch,
                               const workflow_definition* definition, const turn_name& name)
    : caf::event_based_actor(config),
      partition_(std::move(partition)),
      watch_(watch),
      decider_(std::make_unique<workflow::decider>(*definition, name.run)),
      name_(name) {}

caf::behavior instance_actor::make_behavior() {
  return {[this](const instance_work_ptr& work) {
            const bool replays = work->replay_ends || !work->replay.empty();
            name_.work = work->number;
            const turn_watch::scope watched(watch_, name_);
            auto report = std::make_shared<instance_report>(replays ? replay(*work) : decide(*work));
            send(partition_, std::move(report));
          },
          [this](stop_atom) { quit(); }};
}

void instance_actor::on_exit() {
  decider_.reset();
  partition_ = nullptr;
}

instance_report instance_actor::replay(instance_work& work) {
  instance_report report{.run = name_.run, .generation = name_.generation, .replayed = true};
  if (planted(bug::completions_in_command_order)) {
    for (std::size_t i = 1; i < work.replay.size(); ++i) {
      const event_seq before = activity_closed_by(work.replay[i - 1].events(0));
      const event_seq after = activity_closed_by(work.replay[i].events(0));
      if (after.value != 0 && after < before) std::swap(work.replay[i - 1], work.replay[i]);
    }
  }
  for (messages::TurnRecord& turn : work.replay) {
    report.difference = decider_->replay(std::move(turn));
    if (report.difference) return report;
  }
  if (work.replay_ends) report.unfinished_steps = decider_->unfinished_steps();
  return report;
}

instance_report instance_actor::decide(const instance_work& work) {
  instance_report report{.run = name_.run, .generation = name_.generation};
  report.turns.reserve(work.decisions.size());
  for (const instance_work::decision& decision : work.decisions) {
    if (decider_->closed()) {
      report.unhandled.push_back(decision.event);
      report.turns.emplace_back();
    } else if (auto refused = refusal(decision.event)) {
      report.refusals.emplace(report.turns.size(), std::move(*refused));
      report.turns.emplace_back();
    } else {
      const event_seq next = decider_->last_seq().next();
      const auto began = now_for_measuring();
      auto turn = decider_->handle(decision.event, decision.time);
      if (turn) turn->took = now_for_measuring() - began;
      if (turn && !turn->refused.empty()) {
        report.difference = workflow::divergence{next, std::move(turn->refused)};
        return report;
      }
      report.turns.push_back(std::move(turn));
    }
  }
  for (const instance_query& query : work.queries) report.answers.emplace_back(query.token, answer_to(query));
  return report;
}

std::optional<messages::Failure> instance_actor::refusal(const messages::Event& decision) {
  if (!decision.has_workflow_execution_update_accepted()) return std::nullopt;
  return decider_->refusal(decision.workflow_execution_update_accepted());
}

std::shared_ptr<const code_result> instance_actor::answer_to(const instance_query& query) {
  auto what = decider_->query(query.name, query.input);
  auto given = std::make_shared<code_result>();
  if (auto* value = std::get_if<messages::Payload>(&what)) {
    given->result = std::move(*value);
  } else {
    given->failure = std::move(std::get<messages::Failure>(what));
  }
  return given;
}

}  // namespace evermill::actors
