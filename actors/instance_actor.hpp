// One live run. Resumes its coroutine with what the partition hands it and reports the turns; knows nothing else.
#pragma once

#include <caf/event_based_actor.hpp>

#include <cstdint>

#include "actors/protocol.hpp"
#include "workflow/decider.hpp"

namespace evermill::actors {

/// `definition` outlives the actor: the node's registry holds it. So does `watch`, which may be null. `name` is what the
/// partition calls the instance; its `work` is not looked at.
class instance_actor final : public caf::event_based_actor {
 public:
  instance_actor(caf::actor_config& config, caf::actor partition, turn_watch* watch, const workflow_definition* definition,
                 const turn_name& name);

 protected:
  caf::behavior make_behavior() override;
  void on_exit() override;

 private:
  instance_report replay(instance_work& work);
  instance_report decide(const instance_work& work);
  std::optional<messages::Failure> refusal(const messages::Event& decision);
  std::shared_ptr<const code_result> answer_to(const instance_query& query);

  caf::actor partition_;
  turn_watch* watch_;
  std::unique_ptr<workflow::decider> decider_;
  turn_name name_;
};

}  // namespace evermill::actors
