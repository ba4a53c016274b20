#include "engine/declared_namespaces.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/namespaces.hpp"

namespace evermill {
namespace {

using std::chrono::microseconds;

[[noreturn]] void refuse_option(const namespace_options& of, const std::string& why) {
  throw engine_error(engine_errc::invalid_argument, "namespace \"" + of.name + "\" " + why);
}

void check_options(const namespace_options& of) {
  if (const auto why = namespaces::why_no_namespace(of.name)) {
    throw engine_error(engine_errc::invalid_argument, "the name of a namespace " + *why);
  }
  if (!(of.starts_per_second >= 0) || !std::isfinite(of.starts_per_second)) refuse_option(of, "has a rate that can't be");
  if (of.starts_burst == 0) refuse_option(of, "has a burst of 0: with a rate, at least 1 start must be possible");
  if (of.retention.count() < 0) refuse_option(of, "has a negative retention");
}

/// Of all payloads that the request brings.
std::size_t largest_payload(const messages::DecisionEvent& request) {
  std::size_t largest = 0;
  const auto look = [&](const messages::Payload& each) { largest = std::max(largest, each.data().size()); };
  const messages::Event& event = request.event();
  look(event.workflow_execution_started().input());
  look(event.workflow_execution_signaled().input());
  look(event.workflow_execution_update_accepted().input());
  look(event.human_task_completed().answer());
  look(request.with_signal().input());
  look(request.activity_attempt_closed().completed().result());
  look(request.activity_heartbeat().details());
  return largest;
}

}  // namespace

declared_namespaces::declared_namespaces(const std::vector<namespace_options>& options) {
  for (const namespace_options& each : options) {
    check_options(each);
    if (!all_.emplace(each.name, declared{each, {}}).second) refuse_option(each, "is given twice");
    if (each.max_open_executions > 0) open_.limit(each.name, each.max_open_executions);
  }
}

bool declared_namespaces::has(std::string_view name_space) const {
  return namespaces::is_default(name_space) || all_.find(name_space) != all_.end();
}

void declared_namespaces::admit(const messages::DecisionEvent& request, timestamp now) {
  const std::string_view name = namespaces::name_of(request.workflow_id());
  const auto it = all_.find(name);
  if (it == all_.end()) {
    if (namespaces::is_default(name)) return;
    throw engine_error(engine_errc::invalid_argument,
                       "there is no namespace \"" + std::string(name) +
                           "\"; a program declares it in engine_options::namespaces, a server in the file of --config");
  }
  declared& of = it->second;
  const std::size_t bytes = of.limits.max_payload_bytes == 0 ? 0 : largest_payload(request);
  if (bytes > of.limits.max_payload_bytes) {
    throw engine_error(engine_errc::invalid_argument, "a payload has " + std::to_string(bytes) + " bytes; the namespace \"" +
                                                          of.limits.name + "\" takes at most " +
                                                          std::to_string(of.limits.max_payload_bytes));
  }
  if (request.event().has_workflow_execution_started()) admit_start(of, now);
}

void declared_namespaces::admit_start(declared& of, timestamp now) {
  if (of.limits.starts_per_second <= 0) return;
  const microseconds each(static_cast<std::int64_t>(std::max(1.0, 1e6 / of.limits.starts_per_second)));
  const std::lock_guard lock(mutex_);
  const timestamp full = std::max(of.next_start, now);
  const microseconds wait = full + each - now - each * of.limits.starts_burst;
  if (wait.count() > 0) {
    throw engine_error(engine_errc::overloaded,
                       "the namespace \"" + of.limits.name + "\" has started as many executions as it may just now; try again later",
                       std::chrono::ceil<std::chrono::milliseconds>(wait));
  }
  of.next_start = full + each;
}

std::vector<actors::retention_rule> declared_namespaces::retention() const {
  std::vector<actors::retention_rule> rules;
  for (const auto& [name, of] : all_) {
    if (of.limits.retention.count() > 0) rules.push_back({namespaces::prefix_of(name), of.limits.retention});
  }
  return rules;
}

}  // namespace evermill
