// One run's journal as far as it is durable, and what its events mean to each other. Told again here, without the code
// under test.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "messages/decision.pb.h"
#include "messages/journal.pb.h"

namespace evermill::simulation {

struct attempt_id {
  std::uint32_t number = 0;
  std::uint64_t boot = 0;
  friend auto operator<=>(const attempt_id&, const attempt_id&) = default;
};

/// How an attempt ended.
struct attempt_end {
  std::uint64_t seq = 0;  ///< the schedule event of its activity
  attempt_id attempt;
};

struct durable_journal {
  std::string workflow_id;
  std::vector<messages::TurnRecord> turns;
  std::uint64_t last = 0;
  bool ended = false;
  /// Commands without an end: by the number of their event, the first attempt's id where it is an activity.
  std::map<std::uint64_t, attempt_id> open;

  const messages::Event* event(std::uint64_t seq) const;
  const messages::Event& last_event() const { return turns.back().events(turns.back().events_size() - 1); }
  /// Appends, and returns what is wrong with that; "": nothing.
  std::string append(std::uint64_t first, messages::TurnRecord&& turn);
};

/// The command whose end the event is, by its number; 0: it ends none.
std::uint64_t closed_by(const messages::Event& event);

/// Of an event that ends an activity, which attempt that was; seq 0: it ends none.
attempt_end attempt_end_of(const messages::Event& event);
attempt_end attempt_end_of(const messages::ActivityAttemptClosed& closed);

/// Does the event end its run?
bool ends_run(const messages::Event& event);

}  // namespace evermill::simulation
