// One live run. Resumes its coroutine with what the partition hands it and reports the turns; knows nothing else.
#pragma once

#include <caf/event_based_actor.hpp>

#include <cstdint>

#include "actors/protocol.hpp"
#include "workflow/decider.hpp"

namespace evermill::actors {

/// `definition` outlives the actor: the node's registry holds it.
class instance_actor final : public caf::event_based_actor {
 public:
  instance_actor(caf::actor_config& config, caf::actor partition, const workflow_definition* definition, run_number run,
                 std::uint64_t generation);

 protected:
  caf::behavior make_behavior() override;
  void on_exit() override;

 private:
  instance_report replay(instance_work& work);
  instance_report decide(instance_work& work);
  std::optional<messages::Failure> refusal(const messages::Event& decision);
  std::shared_ptr<const code_result> answer_to(const instance_query& query);

  caf::actor partition_;
  std::unique_ptr<workflow::decider> decider_;
  run_number run_;
  std::uint64_t generation_;
};

}  // namespace evermill::actors
