// Human tasks and locks.
#include "base/clock.hpp"
#include "server/conversions.hpp"
#include "workflow/conversions.hpp"

namespace evermill::server {

void to_wire(const human_task_summary& from, wire::HumanTask& to) {
  to.set_task_id(from.task_id);
  to.set_workflow_id(from.workflow_id);
  to.set_name(from.name);
  to.set_title(from.title);
  to.set_assignee(from.assignee);
  for (const std::string& group : from.candidate_groups) to.add_candidate_groups(group);
  to.set_created_us(to_micros(from.created_at));
  to.set_due_us(to_micros(from.due_at));
}

human_task_summary from_wire(const wire::HumanTask& from) {
  human_task_summary to;
  to.task_id = from.task_id();
  to.workflow_id = from.workflow_id();
  to.name = from.name();
  to.title = from.title();
  to.assignee = from.assignee();
  to.candidate_groups.assign(from.candidate_groups().begin(), from.candidate_groups().end());
  to.created_at = from_micros(from.created_us());
  to.due_at = from_micros(from.due_us());
  return to;
}

void to_wire(const human_task_description& from, wire::DescribeHumanTaskReply& to) {
  to_wire(static_cast<const human_task_summary&>(from), *to.mutable_task());
  if (from.question) workflow::to_message(*from.question, *to.mutable_question());
  to.set_form_schema(from.form_schema);
}

human_task_description from_wire(const wire::DescribeHumanTaskReply& from) {
  human_task_description to;
  static_cast<human_task_summary&>(to) = from_wire(from.task());
  if (from.has_question()) to.question = workflow::from_message(from.question());
  to.form_schema = from.form_schema();
  return to;
}

void to_wire(const lock_description& from, wire::Lock& to) {
  to.set_id(from.id);
  to.set_name(from.name);
  to.set_semaphore(from.semaphore);
  to.set_permits(from.permits);
  const auto fill = [](const lock_description::user& user, wire::Lock::User* into) {
    into->set_workflow_id(user.workflow_id);
    into->set_run_number(user.run_number);
    into->set_requested_seq(user.requested_seq);
  };
  for (const auto& user : from.holders) fill(user, to.add_holders());
  for (const auto& user : from.waiters) fill(user, to.add_waiters());
}

lock_description from_wire(const wire::Lock& from) {
  lock_description to;
  to.id = from.id();
  to.name = from.name();
  to.semaphore = from.semaphore();
  to.permits = from.permits();
  for (const auto& user : from.holders()) to.holders.push_back({user.workflow_id(), user.run_number(), user.requested_seq()});
  for (const auto& user : from.waiters()) to.waiters.push_back({user.workflow_id(), user.run_number(), user.requested_seq()});
  return to;
}

}  // namespace evermill::server
