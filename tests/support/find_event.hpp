#pragma once

#include <cstdint>
#include <vector>

#include "messages/journal.pb.h"

namespace evermill::tests {

/// The event of that number in a journal's turns; null where there is none.
inline const messages::Event* find_event(const std::vector<messages::TurnRecord>& turns, std::uint64_t seq) {
  std::uint64_t first = 1;
  for (const messages::TurnRecord& turn : turns) {
    const auto count = static_cast<std::uint64_t>(turn.events_size());
    if (seq < first + count) return seq < first ? nullptr : &turn.events(static_cast<int>(seq - first));
    first += count;
  }
  return nullptr;
}

}  // namespace evermill::tests
