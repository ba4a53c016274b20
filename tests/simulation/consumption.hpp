// Rule 1 of a partition: an event that a commit counts as consumed has left its trace by then, in a journal or in an inbox,
// or there is nobody whom it concerns.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "messages/decision.pb.h"
#include "messages/state.pb.h"
#include "plugins/queue/decision_queue.hpp"
#include "record.hpp"

namespace evermill::simulation {

class observed_store;

class consumption {
 public:
  consumption(const observed_store& store, run_record& record) : store_(store), record_(record) {}

  /// A queue gave the event to the partition.
  void on_delivered(partition_id to, const std::string& source, const queue::item& what);
  /// The partition's state is being made durable, and all rows that come before it in its commit are.
  void on_state(partition_id of, const messages::PartitionState& state);
  /// Whether what was delivered and never counted as consumed, because nothing was left to commit, has left its trace.
  void check_the_rest() const;
  /// A queue that does not outlive its process took its events with it.
  void forget_delivered() { pending_.clear(); }

 private:
  using place = std::pair<std::uint16_t, std::string>;  // partition, source
  struct delivered {
    std::shared_ptr<const messages::DecisionEvent> event;
    bool concerns_nobody = false;  // nothing durable had its workflow id when it came first
  };

  using delivered_items = std::map<queue::position, delivered>;

  void check(partition_id at, const delivered& what, const std::string& when) const;
  void check_consumed(partition_id at, delivered_items& items, const messages::ConsumedPositions& consumed) const;
  bool has_left_trace(partition_id at, const messages::DecisionEvent& event) const;
  bool request_has_left_trace(partition_id at, const messages::DecisionEvent& event) const;
  void on_lane(partition_id to, std::uint16_t source, const messages::ConsumedPositions& consumed);

  const observed_store& store_;
  run_record& record_;
  std::map<place, delivered_items> pending_;
  std::map<place, queue::position> delivered_through_;
  std::map<place, messages::ConsumedPositions> consumed_;  // as durable
  std::map<std::pair<std::uint16_t, std::uint16_t>, std::uint64_t> lanes_through_;  // source, destination
};

}  // namespace evermill::simulation
