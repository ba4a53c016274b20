// One live run whose code runs in a worker elsewhere. Asks the hub of deciders, one decision at a time, and reports the turns that the
// answers are; knows nothing else.
#pragma once

#include <caf/event_based_actor.hpp>

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "actors/protocol.hpp"
#include "deciders/decider_hub.hpp"
#include "deciders/remote_decider.hpp"

namespace evermill::actors {

/// `hub` outlives the actor. `name` is what the partition calls the instance; its `work` is not looked at.
class remote_instance_actor final : public caf::event_based_actor {
 public:
  remote_instance_actor(caf::actor_config& config, caf::actor partition, deciders::decider_hub* hub, const workflow_definition& definition,
                        const turn_name& name);

 protected:
  caf::behavior make_behavior() override;
  void on_exit() override;

 private:
  void go_on();
  instance_report replay(instance_work& work);
  bool step(instance_work& work);
  void ask(const messages::Event* decision, timestamp time, const std::vector<instance_query>* queries);
  void on_verdict(deciders::verdict&& how);
  void on_turn(const instance_work::decision& decided, deciders::verdict&& how);
  void set_aside(messages::Blocked::Reason why, event_seq at, std::string message);
  void answer_queries(const instance_work& work, deciders::verdict& how);

  caf::actor partition_;
  deciders::decider_hub* const hub_;
  deciders::decider_hub::ticket ticket_;
  const std::string type_;
  const std::string version_;
  const turn_name name_;
  deciders::remote_decider decider_;
  std::string name_space_;
  std::string workflow_id_;
  std::string run_id_;
  bool placed_ = false;                        // a worker has it, or had it last
  std::vector<messages::TurnRecord> history_;  // until then
  std::size_t history_events_ = 0;
  std::deque<instance_work_ptr> works_;
  instance_report report_;                     // on the first of them
  bool asking_ = false;
  bool of_no_use_ = false;                     // it was set aside
};

}  // namespace evermill::actors
