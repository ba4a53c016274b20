// Writes the commits of all partitions: whatever has come while one write was under way goes into the next, with one sync.
#pragma once

#include <caf/event_based_actor.hpp>

#include <vector>

#include "actors/protocol.hpp"
#include "storage/key_value_store.hpp"

namespace evermill::actors {

/// Blocks in the store, so it is spawned detached; in a simulation it is not.
class committer_actor final : public caf::event_based_actor {
 public:
  committer_actor(caf::actor_config& config, storage::key_value_store* store);

 protected:
  caf::behavior make_behavior() override;

 private:
  void write_all();

  storage::key_value_store* store_;
  storage::write_batch group_;
  std::vector<caf::actor> waiting_;
  bool write_requested_ = false;
};

}  // namespace evermill::actors
