// What an engine says: executions, histories, human tasks (and what is done with these), locks, itself.
#include "base/namespaces.hpp"
#include "base/text.hpp"
#include "engine/engine_impl.hpp"
#include "engine/execution_lists.hpp"
#include "engine/human_tasks.hpp"
#include "engine/locks.hpp"
#include "messages/history_json.hpp"

namespace evermill {

std::string_view to_string(execution_status status) noexcept {
  switch (status) {
    case execution_status::running: return "running";
    case execution_status::completed: return "completed";
    case execution_status::failed: return "failed";
    case execution_status::canceled: return "canceled";
    case execution_status::terminated: return "terminated";
    case execution_status::timed_out: return "timed out";
    case execution_status::continued_as_new: return "continued as new";
  }
  return "unknown";
}

execution_description engine::describe(std::string_view workflow_id) const {
  const auto now = impl_->current();
  const partition_id partition = now->partition_of(workflow_id);
  return inspection::describe(*now->rows(partition), partition, workflow_id);
}

std::vector<listed_execution> engine::list(std::string_view after, std::size_t limit) const {
  const auto now = impl_->current();
  std::vector<listed_execution> found;
  std::uint32_t partition = after.empty() ? 0 : now->partition_of(after).value;
  for (std::string from(after); partition < now->partitions() && found.size() < limit; ++partition, from.clear()) {
    const partition_id id(static_cast<std::uint16_t>(partition));
    for (auto& row : inspection::list(*now->rows(id), id, from, limit - found.size())) found.push_back(std::move(row));
  }
  return found;
}

execution_page engine::list(const execution_filter& filter, std::string_view page_token, std::size_t limit) const {
  const auto now = impl_->current();
  const execution_list wanted(filter, now->store_id(), limit);
  const auto after = wanted.place_of(page_token);
  return wanted.page_of(now->find_executions(wanted.query(), after, wanted.limit()));
}

execution_counts engine::counts(const execution_filter& filter) const {
  const auto now = impl_->current();
  return counts_of(now->count_executions(execution_list(filter, now->store_id(), 1).query()));
}

std::vector<history_event> engine::history(std::string_view workflow_id, std::uint64_t from_seq,
                                           std::size_t limit) const {
  const auto now = impl_->current();
  const partition_id partition = now->partition_of(workflow_id);
  return inspection::history(*now->rows(partition), partition, workflow_id, from_seq, limit);
}

history_page engine::read_history(std::string_view workflow_id, std::uint64_t run_number, std::uint64_t from_seq,
                                  std::size_t limit, std::size_t max_bytes) const {
  const auto now = impl_->current();
  const partition_id partition = now->partition_of(workflow_id);
  return inspection::read_history(*now->rows(partition), partition, workflow_id, {run_number, from_seq, limit, max_bytes});
}

std::shared_ptr<void> engine::notify(std::string_view workflow_id, std::function<void()> on_change) {
  return impl_->notify(std::string(workflow_id), std::move(on_change));
}

std::vector<human_task_summary> engine::human_tasks(const human_task_filter& filter, std::string_view after,
                                                    std::size_t limit) const {
  const auto now = impl_->current();
  const human_task_place last = after.empty() ? human_task_place() : parse_human_task_id(after);
  run_number run = last.run;
  event_seq created = last.created;
  std::vector<human_task_summary> found;
  std::uint32_t partition = after.empty() ? 0 : now->partition_of(last.workflow_id).value;
  for (; partition < now->partitions() && found.size() < limit; ++partition, run = {}, created = {}) {
    const partition_id id(static_cast<std::uint16_t>(partition));
    for (auto& task : inspection::human_tasks(*now->rows(id), id, filter, run, created, limit - found.size())) {
      found.push_back(std::move(task));
    }
  }
  return found;
}

human_task_description engine::describe_human_task(std::string_view task_id) const {
  const auto now = impl_->current();
  const human_task_place task = parse_human_task_id(task_id);
  const partition_id partition = now->partition_of(task.workflow_id);
  return inspection::describe_human_task(*now->rows(partition), partition, task);
}

void engine::claim_human_task(std::string_view task_id, std::string_view by, bool force) {
  impl_->request_and_wait(
      requests::assign(parse_human_task_id(task_id), messages::HumanTaskAssigned::CLAIMED, by, by, force));
}

void engine::release_human_task(std::string_view task_id, std::string_view by, bool force) {
  impl_->request_and_wait(
      requests::assign(parse_human_task_id(task_id), messages::HumanTaskAssigned::RELEASED, by, "", force));
}

void engine::delegate_human_task(std::string_view task_id, std::string_view by, std::string_view assignee, bool force) {
  impl_->request_and_wait(
      requests::assign(parse_human_task_id(task_id), messages::HumanTaskAssigned::DELEGATED, by, assignee, force));
}

void engine::complete_human_task(std::string_view task_id, std::string_view by, payload answer, bool force) {
  check_answer(describe_human_task(task_id).form_schema, answer);
  impl_->request_and_wait(requests::complete(parse_human_task_id(task_id), by, std::move(answer), force));
}

std::vector<lock_description> engine::locks(std::string_view after, std::size_t limit) const {
  const auto now = impl_->current();
  std::vector<lock_description> found;
  const std::string space(namespaces::prefix_in(after));
  std::uint32_t partition = after == space ? 0 : now->partition_of(after).value;
  for (std::string from(after); partition < now->partitions() && found.size() < limit; ++partition, from = space) {
    const partition_id id(static_cast<std::uint16_t>(partition));
    for (auto& lock : inspection::locks(*now->rows(id), id, from, limit - found.size())) found.push_back(std::move(lock));
  }
  return found;
}

std::shared_ptr<void> engine::follow(std::string_view workflow_id,
                                     std::function<void(const execution_progress&)> on_progress) {
  return impl_->waiters_.follow(std::string(workflow_id),
                                [on_progress = std::move(on_progress)](const actors::durable_turn& turn) {
                                  const timestamp time = from_micros(turn.record.time_us());
                                  std::uint64_t seq = turn.first.value;
                                  for (const messages::Event& event : turn.record.events()) {
                                    on_progress({turn.workflow_id,
                                                 {seq, event_type(event), time, event_json(seq, time, event)}});
                                    ++seq;
                                  }
                                });
}

cluster_description engine::cluster() const {
  const auto now = impl_->current();
  if (now->shared() == nullptr) {
    throw engine_error(engine_errc::invalid_argument, "this engine shares its work with nobody: it was given no queue");
  }
  return now->shared()->describe();
}

engine_statistics engine::statistics() const {
  const auto now = impl_->current();
  const actors::partition_statistics partitions = now->statistics();
  const storage::store_statistics store = now->store().statistics();
  return {.turns = partitions.turns,
          .activities_completed = partitions.activities_closed,
          .late_results = partitions.late_results,
          .commits = store.commits,
          .syncs = store.syncs,
          .bytes_written = store.bytes_written,
          .bytes_on_disk = store.bytes_on_disk,
          .live_instances = partitions.live_instances,
          .events_published = now->events_published(),
          .events_lost = partitions.events_lost,
          .durability = now->durability()};
}

std::vector<running_output> engine::running_outputs(std::string_view workflow_id, std::size_t lines) const {
  std::vector<running_output> found;
  for (tasks::output_tail& each : impl_->tails_.of(workflow_id, lines)) {
    for (std::string& line : each.lines) line = to_utf8(std::move(line));
    found.push_back({each.scheduled_seq, each.attempt, std::move(each.lines)});
  }
  return found;
}

std::string engine::metrics() const { return impl_->counts_.shown.text(); }

std::optional<std::string> engine::why_not_ready() const {
  try {
    static_cast<void>(impl_->current());
  } catch (const engine_error& error) {
    return error.what();
  }
  if (auto why = impl_->counts_.cluster.why_not_ready(impl_->clock_->now())) return why;
  const std::vector<partition_id> recovering = impl_->counts_.node.recovering();
  if (recovering.empty()) return std::nullopt;
  std::string names;
  for (const partition_id each : recovering) names += (names.empty() ? "" : ", ") + std::to_string(each.value);
  return "it recovers; partitions that do not know all of their unfinished work yet: " + names;
}

void engine::compact() { must(impl_->current()->store().compact()); }

}  // namespace evermill
