#include "cli/standard_phase.hpp"

#include <nlohmann/json.hpp>

#include "evermill/dsl.hpp"

namespace evermill::cli {
namespace {

/// What it says itself: running or waiting.
std::string phase_by_code(server::control& control, const std::string& workflow_id) try {
  const auto status = nlohmann::json::parse(control.query(workflow_id, "status", payload{}).data, nullptr, false);
  return status.is_object() ? status.value("phase", "running") : "running";
} catch (const server::control_error&) {  // nobody is there who could be asked
  return "running";
}

}  // namespace

std::string standard_phase(server::control& control, const execution_description& about) {
  if (about.workflow_type != dsl_workflow.name) return {};
  switch (about.status) {
    case execution_status::completed: return "completed";
    case execution_status::failed:
    case execution_status::timed_out: return "faulted";
    case execution_status::canceled:
    case execution_status::terminated: return "cancelled";
    case execution_status::running:
    case execution_status::continued_as_new: break;
  }
  constexpr std::uint64_t events_of_a_start = 1;
  if (about.blocked == "unserved" && about.events <= events_of_a_start) return "pending";
  if (!about.blocked.empty()) return "suspended";
  return phase_by_code(control, about.workflow_id);
}

}  // namespace evermill::cli
