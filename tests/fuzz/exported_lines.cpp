// Exported journals: what is accepted comes back as it was written, and can be replayed against some code.
#include <sstream>

#include "engine/exported_journal.hpp"
#include "evermill/engine.hpp"
#include "fuzz_input.hpp"
#include "tests/golden/golden_workflows.hpp"
#include "workflow/decider.hpp"

using namespace evermill;

namespace {

void replay(const exported_run& run) {
  static const registry definitions = golden::definitions();
  const workflow_definition* definition = definitions.find_workflow(run.workflow_type);
  if (definition == nullptr) return;
  workflow::decider fresh(*definition, run.run);
  for (const storage::stored_turn& turn : run.turns) {
    if (fresh.replay(turn.record)) return;
  }
}

std::string written(const exported_run& run) {
  std::ostringstream out;
  journal_writer(out).write(run);
  return out.str();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::istringstream in(std::string(reinterpret_cast<const char*>(data), size));
  exported_journals journals(in, "input");
  try {
    exported_run run;
    while (journals.next(run)) {
      const std::string text = written(run);
      std::istringstream again(text);
      exported_journals second(again, "again");
      exported_run back;
      fuzz::expect(second.next(back), "what was written is read");
      fuzz::expect(written(back) == text, "what was read is written the same way: " + text);
      replay(run);
    }
  } catch (const engine_error& error) {
    fuzz::expect(error.code() == engine_errc::invalid_argument, "bad input is told as such");
    fuzz::expect(std::string_view(error.what()).find(':') != std::string_view::npos, "a refusal names file and line");
  }
  return 0;
}
