// A message of the queue: it is read or refused, can be exported, and a workflow that gets it decides or ignores it.
#include "engine/journal_json.hpp"
#include "fuzz_input.hpp"
#include "messages/decision.pb.h"
#include "tests/golden/golden_workflows.hpp"
#include "workflow/decider.hpp"

using namespace evermill;

namespace {

messages::Event started() {
  messages::Event event;
  event.mutable_workflow_execution_started()->set_workflow_id("w");
  event.mutable_workflow_execution_started()->set_run_id("r");
  event.mutable_workflow_execution_started()->set_workflow_type("is_canceled");
  return event;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  messages::DecisionEvent message;
  if (!message.ParseFromArray(data, static_cast<int>(size))) return 0;
  const auto line = message_json(message);
  messages::DecisionEvent back;
  fuzz::expect(parse_message_json(ordered_json::parse(line.dump()), back).has_value(), "an exported message is read");
  fuzz::expect(back.SerializeAsString() == message.SerializeAsString(), "an exported message comes back");
  if (!message.has_event() || message.event().has_workflow_execution_started()) return 0;
  static const registry definitions = golden::definitions();
  workflow::decider live(*definitions.find_workflow("is_canceled"), run_number(1));
  live.handle(started(), timestamp(std::chrono::seconds(1)));
  const auto turn = live.handle(std::move(*message.mutable_event()), timestamp(std::chrono::seconds(2)));
  fuzz::expect(!turn || turn->record.events_size() > 0, "a turn has its decision event");
  return 0;
}
