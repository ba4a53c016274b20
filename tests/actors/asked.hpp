// One activity "ask" with options of the test's choice, and what can be told of its attempts.
#pragma once

#include <gmock/gmock.h>

#include <string>

#include "partition_rig.hpp"
#include "test_workflows.hpp"

namespace evermill::actors {

class Asked : public testing::Test {
 protected:
  ~Asked() override { ask_options = {}; }

  void start(const activity_options& options, const std::string& type = "asks_as_told") {
    ask_options = options;
    rig.start("w", type, "5");
    rig.settle();
  }
  const messages::ActivityTask& last() const { return *rig.tasks.back(); }

  /// Rings until so many attempts were dispatched in all.
  void tick_until_dispatched(std::size_t count) {
    while (rig.tasks.size() < count && rig.tick()) rig.settle();
    ASSERT_EQ(rig.tasks.size(), count);
  }
  void restart() {
    rig.restart();
    rig.settle();
  }

  template <class End>
  static void fill(End& end, const messages::ActivityTask& task) {
    end.set_scheduled_seq(task.scheduled_seq());
    end.mutable_attempt()->set_number(task.attempt());
    end.mutable_attempt()->set_dispatch_boot(task.dispatch_boot());
  }
  static messages::DecisionEvent about(const messages::ActivityTask& task, std::uint64_t token = 0) {
    messages::DecisionEvent event;
    event.set_workflow_id(task.workflow_id());
    event.set_run_number(task.run_number());
    event.set_reply_token(token);
    return event;
  }

  void fail(const messages::ActivityTask& task, const std::string& type, std::optional<std::int64_t> next_delay_us = {},
            const std::string& details = {}) {
    messages::DecisionEvent event = about(task);
    auto& closed = *event.mutable_activity_attempt_closed();
    fill(*closed.mutable_failed(), task);
    closed.mutable_failed()->mutable_failure()->set_type(type);
    if (next_delay_us) closed.mutable_failed()->mutable_failure()->set_next_retry_delay_us(*next_delay_us);
    if (!details.empty()) closed.mutable_heartbeat_details()->set_data(details);
    publish(event);
  }
  void time_out(const messages::ActivityTask& task, messages::Failure::Kind kind, const std::string& details = {}) {
    messages::DecisionEvent event = about(task);
    auto& closed = *event.mutable_activity_attempt_closed();
    fill(*closed.mutable_timed_out(), task);
    set_timeout(*closed.mutable_timed_out()->mutable_failure(), kind);
    if (!details.empty()) closed.mutable_heartbeat_details()->set_data(details);
    publish(event);
  }
  void cancel_attempt(const messages::ActivityTask& task) {
    messages::DecisionEvent event = about(task);
    fill(*event.mutable_activity_attempt_closed()->mutable_canceled(), task);
    event.mutable_activity_attempt_closed()->mutable_canceled()->mutable_attempt()->set_started_us(1);
    publish(event);
  }
  void complete(const messages::ActivityTask& task, const std::string& json, std::uint64_t token = 0) {
    messages::DecisionEvent event = about(task, token);
    fill(*event.mutable_activity_attempt_closed()->mutable_completed(), task);
    event.mutable_activity_attempt_closed()->mutable_completed()->mutable_result()->set_data(json);
    publish(event);
  }
  void beat(const messages::ActivityTask& task, const std::string& details, std::uint64_t token = 0) {
    messages::DecisionEvent event = about(task, token);
    fill(*event.mutable_activity_heartbeat(), task);
    if (!details.empty()) event.mutable_activity_heartbeat()->mutable_details()->set_data(details);
    publish(event);
  }
  void complete_later(const messages::ActivityTask& task) {
    messages::DecisionEvent event = about(task);
    fill(*event.mutable_activity_completes_later(), task);
    event.mutable_activity_completes_later()->mutable_attempt()->set_started_us(to_micros(rig.now()));
    publish(event);
  }
  void publish(const messages::DecisionEvent& event) {
    rig.publish(event);
    rig.settle();
  }

  /// Why the activity did not complete, as its workflow was told.
  messages::Failure failure() const {
    const auto turns = rig.journal(run_number(1));
    const messages::Event& end = turns.back().record.events(0);
    return end.has_activity_task_timed_out() ? end.activity_task_timed_out().failure()
                                             : end.activity_task_failed().failure();
  }
  std::string closed_by() const {
    const auto turns = rig.journal(run_number(1));
    const messages::Event& end = turns.back().record.events(0);
    return messages::Event::descriptor()->FindFieldByNumber(static_cast<int>(end.event_case()))->name();
  }

  partition_rig rig{test_workflows()};
};

}  // namespace evermill::actors
