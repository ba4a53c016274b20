// What a worker that decides answers: read or refused, and a run that takes the answer can be replayed from what it has journaled.
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deciders/remote_decider.hpp"
#include "fuzz_input.hpp"
#include "server/grpc/decider_conversions.hpp"

using namespace evermill;

namespace {

constexpr std::size_t most_turns = 16;

messages::Event started() {
  messages::Event event;
  event.mutable_workflow_execution_started()->set_workflow_id("w");
  event.mutable_workflow_execution_started()->set_run_id("r");
  event.mutable_workflow_execution_started()->set_workflow_type("order");
  return event;
}

/// What has happened: of what lies at `seq`, where it closes something.
messages::Event happened(std::uint8_t kind, std::uint8_t seq) {
  messages::Event event;
  switch (kind % 8) {
    case 0: event.mutable_activity_task_completed()->set_scheduled_seq(seq); break;
    case 1: event.mutable_timer_fired()->set_started_seq(seq); break;
    case 2: event.mutable_child_workflow_execution_completed()->set_initiated_seq(seq); break;
    case 3: event.mutable_marker_recorded()->set_scheduled_seq(seq); break;
    case 4: event.mutable_workflow_execution_signaled()->set_signal_name("go"); break;
    case 5: event.mutable_workflow_execution_cancel_requested()->set_reason("enough"); break;
    case 6: event.mutable_workflow_execution_update_accepted()->set_update_id(std::string(1, static_cast<char>('a' + seq % 26))); break;
    default: event.mutable_activity_task_canceled()->set_scheduled_seq(seq);
  }
  return event;
}

/// Nothing: the answer is refused, or is none.
std::optional<deciders::commands> read(std::string_view bytes) {
  server::wire::Decision answer;
  if (!answer.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  try {
    deciders::verdict how = server::from_wire(answer);
    if (how.what != deciders::verdict::kind::decided) return std::nullopt;
    return std::move(how.wanted);
  } catch (const server::control_error&) {
    return std::nullopt;
  }
}

void expect_told(const messages::TurnRecord& turn, std::uint64_t first) {
  for (const messages::Event& event : turn.events()) {
    server::wire::JournaledEvent told;
    server::to_wire(event, first++, told);
    fuzz::expect(!told.type().empty(), "an event that is told has a type");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::input in(data, size);
  deciders::remote_decider live("order", run_number(1));
  std::vector<messages::TurnRecord> journal;
  messages::Event next = started();
  bool ended = false;
  for (std::size_t n = 0; n < most_turns && !live.closed(); ++n) {
    if (live.concerns(next)) {
      auto wanted = read(in.text());
      if (!wanted) break;
      const std::uint64_t first = live.last_seq().next().value;
      auto turn = live.decide(next, timestamp(std::chrono::seconds(n + 1)), std::move(*wanted));
      if (!turn) break;  // it is of no more use
      ended = live.closed();
      *turn->record.mutable_events(0) = next;
      expect_told(turn->record, first);
      journal.push_back(std::move(turn->record));
    }
    if (in.empty()) break;
    const std::uint8_t kind = in.byte();
    next = happened(kind, in.byte());
  }
  deciders::remote_decider again("order", run_number(1));
  std::uint64_t events = 0;
  for (const messages::TurnRecord& turn : journal) {
    events += static_cast<std::uint64_t>(turn.events_size());
    fuzz::expect(!again.replay(turn), "what was journaled can be replayed");
  }
  fuzz::expect(again.last_seq().value == events, "each event has its number");
  fuzz::expect(again.closed() == ended, "a replay ends where the run has");
  return 0;
}
