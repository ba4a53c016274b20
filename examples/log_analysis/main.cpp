// A durable analysis of this machine's package logs and documentation. `log_analysis --help` lists its commands.
#include <evermill/main.hpp>
#include <evermill/registry.hpp>

#include "activities.hpp"
#include "workflow.hpp"

int main(int argc, char** argv) {
  evermill::registry registry;
  log_analysis::add_workflows(registry);
  log_analysis::add_activities(registry);
  return evermill::main(argc, argv, registry);
}
