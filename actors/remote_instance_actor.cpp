#include "actors/remote_instance_actor.hpp"

#include <caf/send.hpp>

#include <utility>

#include "base/namespaces.hpp"
#include "evermill/registry.hpp"

namespace evermill::actors {

remote_instance_actor::remote_instance_actor(caf::actor_config& config, caf::actor partition, deciders::decider_hub* hub,
                                             const workflow_definition& definition, const turn_name& name)
    : caf::event_based_actor(config),
      partition_(std::move(partition)),
      hub_(hub),
      ticket_(hub->open()),
      type_(definition.name),
      version_(definition.version),
      name_(name),
      decider_(definition.name, name.run) {}

caf::behavior remote_instance_actor::make_behavior() {
  return {[this](const instance_work_ptr& work) {
            works_.push_back(work);
            go_on();
          },
          [this](const verdict_ptr& how) {
            asking_ = false;
            on_verdict(std::move(*how));
            go_on();
          },
          [this](stop_atom) { quit(); }};
}

void remote_instance_actor::on_exit() {
  hub_->close(std::exchange(ticket_, 0));
  partition_ = nullptr;
  works_.clear();
}

/// Each work is reported before the next is looked at.
void remote_instance_actor::go_on() {
  while (!asking_ && !of_no_use_ && !works_.empty()) {
    instance_work& work = *works_.front();
    const bool replays = work.replay_ends || !work.replay.empty();
    if (report_.generation == 0) report_ = {.run = name_.run, .generation = name_.generation};
    if (replays) {
      report_ = replay(work);
    } else if (!step(work)) {
      return;
    }
    works_.pop_front();
    send(partition_, std::make_shared<instance_report>(std::exchange(report_, {})));
  }
}

instance_report remote_instance_actor::replay(instance_work& work) {
  instance_report report{.run = name_.run, .generation = name_.generation, .replayed = true};
  for (messages::TurnRecord& turn : work.replay) {
    report.difference = decider_.replay(turn);
    if (report.difference) return report;
    history_events_ += static_cast<std::size_t>(turn.events_size());
    history_.push_back(std::move(turn));
  }
  if (work.replay_ends) report.unfinished_steps = decider_.unfinished_steps();
  return report;
}

/// Is the work done? Otherwise the hub was asked.
bool remote_instance_actor::step(instance_work& work) {
  while (report_.turns.size() < work.decisions.size()) {
    const instance_work::decision& next = work.decisions[report_.turns.size()];
    if (decider_.closed()) {
      report_.unhandled.push_back(next.event);
      report_.turns.emplace_back();
    } else if (!decider_.concerns(next.event)) {
      report_.turns.emplace_back();
    } else {
      ask(&next.event, next.time, nullptr);
      return false;
    }
  }
  if (work.queries.empty() || !report_.answers.empty() || decider_.closed()) return true;
  ask(nullptr, {}, &work.queries);
  return false;
}

void remote_instance_actor::ask(const messages::Event* decision, timestamp time, const std::vector<instance_query>* queries) {
  if (run_id_.empty()) {
    const messages::Event& start = history_.empty() ? *decision : history_.front().events(0);
    const auto [name_space, id] = namespaces::split(start.workflow_execution_started().workflow_id());
    name_space_ = name_space;
    workflow_id_ = id;
    run_id_ = start.workflow_execution_started().run_id();
  }
  auto what = std::make_shared<deciders::question>();
  what->name_space = name_space_;
  what->workflow_id = workflow_id_;
  what->run_id = run_id_;
  what->workflow_type = type_;
  what->version = version_;
  what->from_start = !std::exchange(placed_, true);
  if (what->from_start) {
    what->history = std::exchange(history_, {});
    what->history_events = history_events_;
  }
  what->seq = decider_.last_seq().next();
  what->time = time;
  if (decision != nullptr) what->decision = *decision;
  if (queries != nullptr) {
    for (const instance_query& each : *queries) what->queries.push_back({each.token, each.name, each.input});
  }
  asking_ = true;
  hub_->ask(ticket_, std::move(what), [me = caf::actor_cast<caf::actor>(this)](deciders::verdict&& how) {
    caf::anon_send(me, std::make_shared<deciders::verdict>(std::move(how)));
  });
}

/// On what the first of the works was asked for.
void remote_instance_actor::on_verdict(deciders::verdict&& how) {
  using kind = deciders::verdict::kind;
  const instance_work& work = *works_.front();
  const event_seq next = decider_.last_seq().next();
  switch (how.what) {
    case kind::decided:
    case kind::rejected:
      if (report_.turns.size() == work.decisions.size()) return answer_queries(work, how);
      return on_turn(work.decisions[report_.turns.size()], std::move(how));
    case kind::failed: return set_aside(messages::Blocked::STUCK, next, std::move(how.message));
    case kind::moved: return set_aside(messages::Blocked::NONE, next, "its worker has it no more");
    case kind::unserved: return set_aside(messages::Blocked::UNSERVED, {}, std::move(how.message));
    case kind::timed_out: return set_aside(messages::Blocked::TURN_TIMEOUT, next, std::move(how.message));
  }
}

void remote_instance_actor::on_turn(const instance_work::decision& decided, deciders::verdict&& how) {
  if (how.what == deciders::verdict::kind::rejected) {
    if (!decided.event.has_workflow_execution_update_accepted()) {
      return set_aside(messages::Blocked::STUCK, decider_.last_seq().next(), "its worker has rejected an event that is no update");
    }
    report_.refusals.emplace(report_.turns.size(), std::move(how.why));
    report_.turns.emplace_back();
    return;
  }
  auto turn = decider_.decide(decided.event, decided.time, std::move(how.wanted));
  if (!turn) return set_aside(messages::Blocked::STUCK, turn.error().at, std::move(turn.error().message));
  report_.turns.emplace_back(std::move(*turn));
}

/// Reports what was decided, and that nothing more is until the run is tried anew.
void remote_instance_actor::set_aside(messages::Blocked::Reason why, event_seq at, std::string message) {
  report_.difference = workflow::divergence{at, std::move(message)};
  report_.set_aside_as = why;
  of_no_use_ = true;
  works_.pop_front();
  send(partition_, std::make_shared<instance_report>(std::exchange(report_, {})));
}

/// A question without an answer has failed.
void remote_instance_actor::answer_queries(const instance_work& work, deciders::verdict& how) {
  for (const instance_query& query : work.queries) {
    auto given = std::make_shared<code_result>();
    for (deciders::query_answer& each : how.answers) {
      if (each.id != query.token) continue;
      if (each.failure) {
        given->failure = std::move(each.failure);
      } else {
        given->result = std::move(each.value);
      }
    }
    if (!given->failure && !given->result) {
      given->failure.emplace();
      given->failure->set_type("UnknownQuery");
      given->failure->set_message("the worker that decides the workflow \"" + type_ + "\" has not answered the query \"" + query.name + "\"");
    }
    report_.answers.emplace_back(query.token, std::move(given));
  }
}

}  // namespace evermill::actors
