#include "server/admission.hpp"

#include <chrono>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace evermill::server {
namespace {

using security::action;

constexpr std::chrono::milliseconds keys_pause{200};  // most are there then

action action_of(operation what) {
  switch (what) {
    case operation::start_workflow: return action::start_workflow;
    case operation::signal_workflow: return action::signal_workflow;
    case operation::query_workflow: return action::query_workflow;
    case operation::update_workflow: return action::update_workflow;
    case operation::cancel_workflow: return action::cancel_workflow;
    case operation::terminate_workflow: return action::terminate_workflow;
    case operation::taint_workflow: return action::taint_workflow;
    case operation::get_result: return action::get_result;
    case operation::describe_workflow: return action::describe_workflow;
    case operation::get_history: return action::read_history;
    case operation::follow_history:
    case operation::watch_events: return action::follow_workflow;
    case operation::list_workflows: return action::list_workflows;
    case operation::count_workflows: return action::count_workflows;
    case operation::list_human_tasks: return action::list_human_tasks;
    case operation::describe_human_task: return action::describe_human_task;
    case operation::assign_human_task: return action::claim_human_task;
    case operation::complete_human_task: return action::complete_human_task;
    case operation::report_activity: return action::complete_activity_by_token;
    case operation::get_status:
    case operation::get_cluster: return action::cluster_status;
    case operation::list_definitions: return action::list_definitions;
    case operation::list_task_queues: return action::list_task_queues;
    case operation::list_locks: return action::list_locks;
    case operation::set_log_level: return action::change_log_level;
    case operation::run_activities: return action::poll_activity_tasks;
    case operation::decide_workflows: return action::poll_workflow_tasks;
  }
  return action::manage_nodes;  // what few may do
}

bool is_stream(operation what) {
  return what == operation::follow_history || what == operation::watch_events || what == operation::run_activities ||
         what == operation::decide_workflows;
}

control_error error_of(const security::refusal& why) {
  const auto after = std::chrono::ceil<std::chrono::milliseconds>(why.retry_after);
  switch (why.what) {
    case security::refusal::kind::unauthenticated: return {control_errc::unauthenticated, why.text};
    case security::refusal::kind::forbidden: return {control_errc::permission_denied, why.text};
    case security::refusal::kind::hidden: return {control_errc::not_found, why.text};
    case security::refusal::kind::rate_limited: return {control_errc::overloaded, why.text, after};
    case security::refusal::kind::unavailable: return {control_errc::stopped, why.text, after};
  }
  return {control_errc::permission_denied, why.text};
}

}  // namespace

/// Copies what its facts are views of: it is finished later.
class admission::call final : public admitted_call {
 public:
  call(security::gatekeeper& keeper, security::shared_principal who, const security::request_facts& facts)
      : keeper_(keeper),
        who_(std::move(who)),
        what_(facts.what),
        name_space_(facts.name_space),
        target_(facts.target),
        address_(facts.address),
        queue_(facts.of.task_queue),
        type_(facts.of.workflow_type) {}

  void finished(std::string_view outcome) override {
    security::request_facts facts;
    facts.what = what_;
    facts.name_space = name_space_;
    facts.target = target_;
    facts.address = address_;
    facts.of.task_queue = queue_;
    facts.of.workflow_type = type_;
    keeper_.finished(*who_, facts, outcome);
  }
  bool still_valid() override {
    const security::shared_principal now = keeper_.still(who_);
    if (!now) return false;
    security::resource of;
    of.task_queue = queue_;
    of.workflow_type = type_;
    return security::allows(*now, what_, name_space_, of) == security::decision::allowed;
  }
  void hold(security::gatekeeper::stream_permit permit) { permit_.emplace(std::move(permit)); }

 private:
  security::gatekeeper& keeper_;
  const security::shared_principal who_;
  const action what_;
  const std::string name_space_;
  const std::string target_;
  const std::string address_;
  const std::string queue_;
  const std::string type_;
  std::optional<security::gatekeeper::stream_permit> permit_;
};

result<std::shared_ptr<admitted_call>, control_error> admission::admit(const call_origin& from, const call_subject& what) {
  const std::string address = security::plain_address(from.peer);
  security::request_facts facts;
  facts.what = action_of(what.what);
  facts.name_space = what.name_space.empty() ? std::string_view("default") : what.name_space;
  facts.target = what.resource;
  facts.address = address;
  if (what.what == operation::run_activities) facts.of.task_queue = what.resource;
  if (what.what == operation::decide_workflows) facts.of.workflow_type = what.resource;
  // What comes later, once keys were fetched, is remembered for the next time.
  const auto answer = std::make_shared<std::optional<security::authenticated>>();
  const auto open = std::make_shared<std::mutex>();
  keeper_.authenticate({from.authorization, from.certificate, address}, facts,
                       [answer, open](security::authenticated is) {
                         const std::lock_guard lock(*open);
                         *answer = std::move(is);
                       });
  std::optional<security::authenticated> known;
  {
    const std::lock_guard lock(*open);
    known = *answer;
  }
  if (!known) {
    return unexpected(control_error(control_errc::stopped, "the keys of the token's issuer are being fetched; try again in a moment",
                                    keys_pause));
  }
  security::authenticated& who = *known;
  if (!who) return unexpected(error_of(who.error()));
  if (const auto why = keeper_.admit(**who, facts)) return unexpected(error_of(*why));
  const auto most = keeper_.max_message_bytes(**who, facts.name_space, std::numeric_limits<std::uint64_t>::max());
  if (what.bytes > most) {
    return unexpected(control_error(control_errc::invalid_argument, "the request has " + std::to_string(what.bytes) +
                                                                        " bytes; at most " + std::to_string(most) + " are allowed here"));
  }
  auto admitted = std::make_shared<call>(keeper_, *who, facts);
  if (is_stream(what.what)) {
    auto permit = keeper_.open_stream(**who, facts.name_space);
    if (!permit) return unexpected(error_of(permit.error()));
    admitted->hold(std::move(*permit));
  }
  return admitted;
}

}  // namespace evermill::server
