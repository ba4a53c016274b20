// Human tasks, locks, and the engine itself.
#include "base/clock.hpp"
#include "server/grpc/conversions.hpp"

namespace evermill::server {

void to_wire(const human_task_summary& from, wire::HumanTask& to) {
  to.set_task_id(from.task_id);
  to.set_workflow_id(from.workflow_id);
  to.set_name(from.name);
  to.set_title(from.title);
  to.set_assignee(from.assignee);
  for (const std::string& group : from.candidate_groups) to.add_candidate_groups(group);
  to_wire(from.created_at, *to.mutable_created_at());
  if (to_micros(from.due_at) != 0) to_wire(from.due_at, *to.mutable_due_at());
}

human_task_summary from_wire(const wire::HumanTask& from) {
  human_task_summary to;
  to.task_id = from.task_id();
  to.workflow_id = from.workflow_id();
  to.name = from.name();
  to.title = from.title();
  to.assignee = from.assignee();
  to.candidate_groups.assign(from.candidate_groups().begin(), from.candidate_groups().end());
  to.created_at = from_wire(from.created_at());
  if (from.has_due_at()) to.due_at = from_wire(from.due_at());
  return to;
}

void to_wire(const human_task_description& from, wire::DescribeHumanTaskResponse& to) {
  to_wire(static_cast<const human_task_summary&>(from), *to.mutable_task());
  if (from.question) to_wire(*from.question, *to.mutable_question());
  to.set_form_schema(from.form_schema);
}

human_task_description from_wire(const wire::DescribeHumanTaskResponse& from) {
  human_task_description to;
  static_cast<human_task_summary&>(to) = from_wire(from.task());
  if (from.has_question()) to.question = from_wire(from.question());
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

namespace {

void fill_definition(const known_definition& from, wire::ListDefinitionsResponse::Definition& to) {
  to.set_name(from.name);
  for (const std::string& version : from.versions) to.add_versions(version);
  to.set_default_version(from.default_version);
  to.set_from_file(from.from_file);
}

known_definition read_definition(const wire::ListDefinitionsResponse::Definition& from) {
  known_definition to;
  to.name = from.name();
  to.versions.assign(from.versions().begin(), from.versions().end());
  to.default_version = from.default_version();
  to.from_file = from.from_file();
  return to;
}

}  // namespace

void to_wire(const known_definitions& from, wire::ListDefinitionsResponse& to) {
  for (const known_definition& each : from.workflows) fill_definition(each, *to.add_workflows());
  for (const known_definition& each : from.activities) fill_definition(each, *to.add_activities());
}

known_definitions from_wire(const wire::ListDefinitionsResponse& from) {
  known_definitions to;
  for (const auto& each : from.workflows()) to.workflows.push_back(read_definition(each));
  for (const auto& each : from.activities()) to.activities.push_back(read_definition(each));
  return to;
}

void to_wire(const task_queue_description& from, wire::ListTaskQueuesResponse::TaskQueue& to) {
  to.set_name(from.name);
  to.set_concurrency(from.concurrency);
  to.set_rate_per_second(from.rate_per_second);
  to.set_waiting(from.waiting);
  to.set_running(from.running);
  to.set_workers(from.workers);
}

task_queue_description from_wire(const wire::ListTaskQueuesResponse::TaskQueue& from) {
  task_queue_description to;
  to.name = from.name();
  to.concurrency = from.concurrency();
  to.rate_per_second = from.rate_per_second();
  to.waiting = from.waiting();
  to.running = from.running();
  to.workers = from.workers();
  return to;
}

void to_wire(const control_status& from, wire::GetStatusResponse& to) {
  to.set_version(from.version);
  to.set_process_id(from.process_id);
  to.set_durability(from.counters.durability);
  to.set_live_instances(from.counters.live_instances);
  to.set_not_ready(from.not_ready);
  to.set_log_level(from.log_level);
  for (const std::string& type : from.workflow_types) to.add_workflow_types(type);
  wire::Counters& counters = *to.mutable_counters();
  counters.set_turns(from.counters.turns);
  counters.set_activities_completed(from.counters.activities_completed);
  counters.set_late_results(from.counters.late_results);
  counters.set_commits(from.counters.commits);
  counters.set_syncs(from.counters.syncs);
  counters.set_bytes_written(from.counters.bytes_written);
  counters.set_bytes_on_disk(from.counters.bytes_on_disk);
  counters.set_events_published(from.counters.events_published);
  counters.set_events_lost(from.counters.events_lost);
}

control_status from_wire(const wire::GetStatusResponse& from) {
  control_status to;
  to.version = from.version();
  to.process_id = from.process_id();
  to.workflow_types.assign(from.workflow_types().begin(), from.workflow_types().end());
  to.not_ready = from.not_ready();
  to.log_level = from.log_level();
  to.counters.durability = from.durability();
  to.counters.live_instances = from.live_instances();
  const wire::Counters& counters = from.counters();
  to.counters.turns = counters.turns();
  to.counters.activities_completed = counters.activities_completed();
  to.counters.late_results = counters.late_results();
  to.counters.commits = counters.commits();
  to.counters.syncs = counters.syncs();
  to.counters.bytes_written = counters.bytes_written();
  to.counters.bytes_on_disk = counters.bytes_on_disk();
  to.counters.events_published = counters.events_published();
  to.counters.events_lost = counters.events_lost();
  return to;
}

namespace {

void to_wire_member(const cluster_member& from, wire::ClusterMember& to) {
  to.set_id(from.id);
  to.set_role(from.role);
  to.set_host(from.host);
  to.set_process_id(from.process_id);
  to.set_version(from.version);
  to_wire(from.started_at, *to.mutable_started_at());
  to.set_leaving(from.leaving);
  to.mutable_owned()->Add(from.owned.begin(), from.owned.end());
  to.mutable_standby()->Add(from.standby.begin(), from.standby.end());
  to.mutable_catching_up()->Add(from.catching_up.begin(), from.catching_up.end());
  for (const std::string& queue : from.task_queues) to.add_task_queues(queue);
  to.set_concurrency(from.concurrency);
  for (const std::string& type : from.workflow_types) to.add_workflow_types(type);
  if (!from.load) return;
  to.mutable_load()->set_live_instances(from.load->live_instances);
  to.mutable_load()->set_running_attempts(from.load->running_attempts);
  to.mutable_load()->set_turns(from.load->turns);
  to.mutable_load()->set_ended_attempts(from.load->ended_attempts);
}

cluster_member from_wire_member(const wire::ClusterMember& from) {
  cluster_member to;
  to.id = from.id();
  to.role = from.role();
  to.host = from.host();
  to.process_id = from.process_id();
  to.version = from.version();
  to.started_at = from_wire(from.started_at());
  to.leaving = from.leaving();
  to.owned.assign(from.owned().begin(), from.owned().end());
  to.standby.assign(from.standby().begin(), from.standby().end());
  to.catching_up.assign(from.catching_up().begin(), from.catching_up().end());
  to.task_queues.assign(from.task_queues().begin(), from.task_queues().end());
  to.concurrency = from.concurrency();
  to.workflow_types.assign(from.workflow_types().begin(), from.workflow_types().end());
  if (from.has_load()) {
    to.load = member_load{from.load().live_instances(), from.load().running_attempts(), from.load().turns(),
                          from.load().ended_attempts()};
  }
  return to;
}

}  // namespace

void to_wire(const cluster_description& from, wire::GetClusterResponse& to) {
  to.set_cluster_id(from.cluster_id);
  to.set_address(from.address);
  to.set_durability(from.durability);
  to.set_coordinator(from.coordinator);
  for (const cluster_member& member : from.members) to_wire_member(member, *to.add_members());
  for (const std::string& owner : from.owners) to.add_owners(owner);
}

cluster_description from_wire(const wire::GetClusterResponse& from) {
  cluster_description to;
  to.cluster_id = from.cluster_id();
  to.address = from.address();
  to.durability = from.durability();
  to.coordinator = from.coordinator();
  for (const auto& member : from.members()) to.members.push_back(from_wire_member(member));
  to.owners.assign(from.owners().begin(), from.owners().end());
  return to;
}

}  // namespace evermill::server
