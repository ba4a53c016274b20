#include "interpreter/workflows.hpp"

#include "evermill/dsl.hpp"
#include "interpreter/event_bus.hpp"
#include "interpreter/run_definition.hpp"
#include "workflow/built_in.hpp"

namespace evermill::interpreter {

registry with_workflows(const registry& given) {
  return workflow::with_built_in(given, [](registry& to) {
    to.add(dsl_workflow, run_definition);
    to.add(event_bus, pass_events);
  });
}

}  // namespace evermill::interpreter
