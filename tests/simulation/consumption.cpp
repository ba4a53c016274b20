#include "consumption.hpp"

#include <algorithm>
#include <vector>

#include "observed_store.hpp"
#include "storage/rows.hpp"

namespace evermill::simulation {
namespace {

constexpr std::string_view lane_prefix = "lane/";

bool contains(const messages::ConsumedPositions& consumed, std::uint64_t position) {
  if (position <= consumed.low_water()) return true;
  for (int i = 0; i + 1 < consumed.handled_ranges_size(); i += 2) {
    if (consumed.handled_ranges(i) <= position && position <= consumed.handled_ranges(i + 1)) return true;
  }
  return false;
}

std::uint64_t closed_by(const messages::DecisionEvent& event) {
  if (event.has_activity_attempt_closed()) return attempt_end_of(event.activity_attempt_closed()).seq;
  return evermill::simulation::closed_by(event.event());
}

std::string name_of(const messages::DecisionEvent& event) {
  return event.ShortDebugString().substr(0, 200);
}

}  // namespace

void consumption::on_delivered(partition_id to, const std::string& source, const queue::item& what) {
  const place where{to.value, source};
  queue::position& through = delivered_through_[where];
  if (what.at <= through) record_.count("fault: event delivered again");
  through = std::max(through, what.at);
  if (contains(consumed_[where], what.at)) return;
  const auto [entry, fresh] = pending_[where].try_emplace(what.at, delivered{what.event});
  if (!fresh || closed_by(*what.event) != 0) return;
  const auto header = storage::find_header(store_.durable_rows(), to, what.event->workflow_id());
  entry->second.concerns_nobody = !header || !*header;
}

void consumption::on_state(partition_id of, const messages::PartitionState& state) {
  for (const messages::ConsumedPositions& consumed : state.consumed()) {
    const place where{of.value, consumed.source()};
    messages::ConsumedPositions& before = consumed_[where];
    if (consumed.low_water() < before.low_water()) {
      record_.finding("consumed positions of " + consumed.source() + " went back");
    }
    before = consumed;
    if (consumed.source().starts_with(lane_prefix)) {
      on_lane(of, static_cast<std::uint16_t>(std::stoi(consumed.source().substr(lane_prefix.size()))), consumed);
      continue;
    }
    const auto found = pending_.find(where);
    if (found != pending_.end()) check_consumed(of, found->second, consumed);
  }
}

void consumption::check_consumed(partition_id at, delivered_items& items,
                                 const messages::ConsumedPositions& consumed) const {
  std::vector<delivered> done;
  std::erase_if(items, [&](auto& entry) {
    if (!contains(consumed, entry.first)) return false;
    done.push_back(std::move(entry.second));
    return true;
  });
  for (const delivered& each : done) {
    // What comes over a lane may come too early, and comes again then: its number tells.
    if (each.event->has_lane()) continue;
    // A repeat has nothing to add while the first one is on its way.
    const bool repeated = std::any_of(items.begin(), items.end(), [&](const auto& other) {
      return other.second.event->run_number() == each.event->run_number() &&
             closed_by(*other.second.event) != 0 && closed_by(*other.second.event) == closed_by(*each.event);
    });
    if (!repeated) check(at, each, "counts as consumed");
  }
}

/// What lies in the outbox until it is acknowledged.
void consumption::on_lane(partition_id to, std::uint16_t source, const messages::ConsumedPositions& consumed) {
  std::uint64_t& through = lanes_through_[{source, to.value}];
  for (; through < consumed.low_water(); ++through) {
    auto row = storage::scan_outbound(store_.durable_rows(), partition_id(source), to, through, 1);
    if (row && !row->empty() && row->front().first == through + 1) {
      auto event = std::make_shared<messages::DecisionEvent>(std::move(row->front().second));
      check(to, {std::move(event)}, "counts as consumed from its lane");
    } else {
      record_.finding("a lane's message " + std::to_string(through + 1) + " was erased before it was consumed");
    }
  }
}

void consumption::check_the_rest() const {
  for (const auto& [where, events] : pending_) {
    for (const auto& [position, each] : events) {
      if (!each.event->has_lane()) check(partition_id(where.first), each, "was delivered");
    }
  }
}

void consumption::check(partition_id at, const delivered& what, const std::string& when) const {
  const messages::DecisionEvent& event = *what.event;
  const bool starts = event.event().has_workflow_execution_started();
  if ((what.concerns_nobody && !starts) || has_left_trace(at, event)) return;
  record_.finding("an event for " + event.workflow_id() + " " + when + " and has left no trace: " + name_of(event));
}

bool consumption::has_left_trace(partition_id at, const messages::DecisionEvent& event) const {
  switch (event.what_case()) {
    case messages::DecisionEvent::kEvent: {
      const std::uint64_t seq = closed_by(event);
      if (seq == 0) return request_has_left_trace(at, event);
      return !store_.is_open(at.value, event.run_number(), seq) || store_.is_parked(at.value, event.run_number(), seq);
    }
    case messages::DecisionEvent::kActivityAttemptClosed: {
      const attempt_end end = attempt_end_of(event.activity_attempt_closed());
      if (!store_.is_open(at.value, event.run_number(), end.seq)) return true;
      if (store_.current_attempt(at.value, event.run_number(), end.seq) != end.attempt) return true;
      return store_.is_parked(at.value, event.run_number(), end.seq);
    }
    case messages::DecisionEvent::kTerminate: return request_has_left_trace(at, event);
    case messages::DecisionEvent::kActivityHeartbeat:  // the next may come in its place
    case messages::DecisionEvent::kActivityCompletesLater:
    case messages::DecisionEvent::kTaint:
    case messages::DecisionEvent::kLaneAcknowledged:
    case messages::DecisionEvent::WHAT_NOT_SET: return true;
  }
  return true;
}

bool consumption::request_has_left_trace(partition_id at, const messages::DecisionEvent& event) const {
  const auto header = storage::find_header(store_.durable_rows(), at, event.workflow_id());
  const bool is_there = header && *header;
  if (event.event().has_workflow_execution_started()) return is_there;
  if (!is_there || (*header)->status() != messages::RUNNING || event.has_parent()) return true;
  return !event.has_terminate() && store_.holds(at.value, event.workflow_id(), event.event());
}

}  // namespace evermill::simulation
