// The `evermill` program: every command, and the built-in workflow "shell".
#include "evermill/main.hpp"
#include "cli/shell_workflow.hpp"

int main(int argc, char** argv) {
  evermill::registry definitions;
  evermill::cli::add_shell_workflow(definitions);
  return evermill::main(argc, argv, definitions);
}
