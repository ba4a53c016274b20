// Makes the journal of one run as a partition would, without one.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "actors/run.hpp"
#include "engine/exported_journal.hpp"
#include "evermill/registry.hpp"
#include "workflow/conversions.hpp"
#include "workflow/decider.hpp"

namespace evermill::golden {

using namespace std::chrono_literals;

/// Plays a partition for one run, by hand, with times and ids that are always the same.
class player {
 public:
  player(const registry& from, std::string id, const std::string& workflow, run_number run, payload input,
         messages::WorkflowExecutionStarted started = {})
      : definition_(*from.find_workflow(workflow)), decider_(std::make_unique<workflow::decider>(definition_, run)) {
    run_.workflow_id = std::move(id);
    run_.run_id = "00000000-0000-4000-8000-00000000000" + std::to_string(run.value);
    run_.workflow_type = workflow;
    run_.run = run;
    run_.partitions = 4;
    run_.started = time_ + 1s;
    started.set_workflow_id(run_.workflow_id);
    started.set_run_id(run_.run_id);
    started.set_workflow_type(workflow);
    started.set_random_seed(0x123456789abcdef0U + run.value);
    workflow::to_message(std::move(input), *started.mutable_input());
    messages::Event event;
    *event.mutable_workflow_execution_started() = std::move(started);
    give(std::move(event));
  }

  void give(messages::Event event) {
    time_ += 1'000'001us;
    auto turn = decider_->handle(std::move(event), time_);
    if (!turn) throw std::logic_error("the event concerns nothing in " + run_.workflow_id);
    for (messages::Event& made : *turn->record.mutable_events()) {
      if (made.has_activity_task_scheduled()) made.mutable_activity_task_scheduled()->set_dispatch_boot(3);
      if (!made.has_workflow_execution_continued_as_new()) continue;
      made.mutable_workflow_execution_continued_as_new()->set_new_run_number(run_.run.value + 1);
      made.mutable_workflow_execution_continued_as_new()->set_new_run_id("00000000-0000-4000-8000-00000000000" +
                                                                         std::to_string(run_.run.value + 1));
    }
    steps_ = std::move(turn->steps);
    unread_ = std::move(turn->unread_signals);
    append(std::move(turn->record));
  }
  /// As a partition ends a run without asking its code.
  void end_from_outside(messages::Event end) {
    time_ += 1s;
    messages::TurnRecord turn;
    turn.set_time_us(to_micros(time_));
    *turn.add_events() = std::move(end);
    append(std::move(turn));
  }
  template <class Fill>
  void event(Fill&& fill) {
    messages::Event e;
    fill(e);
    give(std::move(e));
  }
  void signal(const std::string& name, const std::string& json) {
    event([&](auto& e) {
      e.mutable_workflow_execution_signaled()->set_signal_name(name);
      if (!json.empty()) e.mutable_workflow_execution_signaled()->mutable_input()->set_data(json);
    });
  }
  void run_step() {
    messages::Event e;
    const workflow::step_run step = steps_.at(0);
    *e.mutable_marker_recorded() = step.run();
    e.mutable_marker_recorded()->set_scheduled_seq(step.scheduled.value);
    give(std::move(e));
  }
  void fire() {
    event([&](auto& e) { e.mutable_timer_fired()->set_started_seq(last_of(messages::Event::kTimerStarted)); });
  }
  std::uint64_t last_of(messages::Event::EventCase kind) const { return last_.at(kind); }
  std::vector<messages::WorkflowExecutionSignaled> unread() const { return unread_; }

  exported_run finished() {
    const auto& last = run_.turns.back().record;
    run_.status = actors::status_after(last.events(last.events_size() - 1));
    if (run_.status != messages::RUNNING) run_.closed = time_;
    return run_;
  }

 private:
  void append(messages::TurnRecord turn) {
    const event_seq first(seq_ + 1);
    for (const messages::Event& e : turn.events()) last_[e.event_case()] = ++seq_;
    run_.turns.push_back({first, std::move(turn)});
  }

  const workflow_definition& definition_;
  std::unique_ptr<workflow::decider> decider_;
  exported_run run_;
  timestamp time_{std::chrono::seconds(1'777'777'777)};
  std::uint64_t seq_ = 0;
  std::map<int, std::uint64_t> last_;
  std::vector<workflow::step_run> steps_;
  std::vector<messages::WorkflowExecutionSignaled> unread_;
};

}  // namespace evermill::golden
