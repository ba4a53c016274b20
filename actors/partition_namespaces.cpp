// What namespaces limit: how many executions are open, and for how long ended ones are kept.
#include <algorithm>
#include <utility>

#include "actors/partition.hpp"
#include "base/namespaces.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill::actors {
namespace {

using std::chrono::microseconds;

constexpr std::size_t counted_at_once = 100'000;
constexpr std::size_t looked_at_once = 1'000;      // ended executions, for one commit
constexpr std::size_t deleted_turns_at_once = 10'000;
constexpr microseconds between_parts{20'000};      // other work has its turn
constexpr microseconds soonest_look{1'000'000};
constexpr microseconds latest_look{60'000'000};

/// Often enough that nothing is kept much longer than it should be.
microseconds pause_of(const std::vector<retention_rule>& rules) {
  microseconds shortest = latest_look * 20;
  for (const retention_rule& each : rules) shortest = std::min(shortest, each.keep);
  return std::clamp(shortest / 20, soonest_look, latest_look);
}

}  // namespace

// --- quotas

open_executions::count* partition::limit_of(std::string_view workflow_id) const {
  if (options_.open == nullptr || workflow::locks::is_reserved(workflow_id)) return nullptr;
  return options_.open->of(namespaces::name_of(workflow_id));
}

void partition::count_open(std::string_view workflow_id, int by) {
  open_executions::count* const of = limit_of(workflow_id);
  if (of == nullptr) return;
  of->open.fetch_add(by, std::memory_order_relaxed);
  opened_[of] += by;
}

/// Refuses, and returns false, where the namespace has no room for one more.
bool partition::admit_start(const messages::DecisionEvent& event, const origin& from) {
  const open_executions::count* const of = limit_of(event.workflow_id());
  if (of == nullptr || from.lane_source || !of->is_full(options_.of_partitions)) return true;
  refuse(from, event.workflow_id(), answer::outcome::overloaded,
         "the namespace \"" + std::string(namespaces::name_of(event.workflow_id())) + "\" has " + std::to_string(of->most) +
             " open executions, which is its limit; try again when some have ended");
  return false;
}

storage::storage_result<void> partition::recover_open_counts() {
  if (options_.open == nullptr) return {};
  for (auto& [name_space, of] : options_.open->all()) {
    storage::execution_query query;
    query.name_space = namespaces::prefix_of(name_space);
    query.states = {storage::listed_state::running, storage::listed_state::blocked};
    std::int64_t open = 0;
    std::string resume;
    do {
      const auto counts = storage::count_executions(store_, options_.id, query, resume, counted_at_once);
      if (!counts) return unexpected(counts.error());
      for (const storage::executions_count& each : *counts) open += static_cast<std::int64_t>(each.count);
    } while (!resume.empty());
    of.open.fetch_add(open, std::memory_order_relaxed);
    of.partitions.fetch_add(1, std::memory_order_relaxed);
    opened_[&of] = open;
  }
  return {};
}

void partition::forget_open_counts() {
  for (auto& [of, open] : opened_) {
    of->open.fetch_sub(open, std::memory_order_relaxed);
    of->partitions.fetch_sub(1, std::memory_order_relaxed);
  }
  opened_.clear();
}

// --- retention

/// Asked for when nothing that was deleted before waits for its commit: the store says what is there.
void partition::ring_retention(timestamp now) {
  if (options_.retention.empty() || draining_ || gathering_.deleted || writing_.deleted || now < retention_.due) return;
  const bool more = delete_ended(now);
  if (failed_) return;
  const bool held_up = !retention_.waiting.empty() && is_unpublished(retention_.wait_for);
  retention_.due = ports_.now() + (held_up ? soonest_look : more ? between_parts : pause_of(options_.retention));
}

/// What is to be published is read from journals.
bool partition::is_unpublished(std::uint64_t through) const { return outgoing_.on && outgoing_.watermark < through; }

/// True: there may be more.
bool partition::delete_ended(timestamp now) {
  if (retention_.waiting.empty()) {
    const retention_rule& rule = options_.retention[retention_.rule];
    auto ended = storage::find_ended(store_, options_.id, rule.name_space, to_micros(now - rule.keep), retention_.resume, looked_at_once);
    if (!ended) return corrupt(ended.error()), false;
    retention_.waiting = std::move(*ended);
    retention_.wait_for = outgoing_.last;
    if (retention_.resume.empty()) retention_.rule = (retention_.rule + 1) % options_.retention.size();
  }
  const auto more = [&] { return !retention_.waiting.empty() || !retention_.resume.empty() || retention_.rule != 0; };
  if (is_unpublished(retention_.wait_for)) return more();
  for (std::size_t turns = 0; !retention_.waiting.empty() && turns < deleted_turns_at_once;) {
    const auto deleted = delete_execution(retention_.waiting.back(), turns);
    if (!deleted) return corrupt(deleted.error()), false;
    if (*deleted) retention_.waiting.pop_back();
  }
  return more();
}

/// Its runs from the oldest on, and itself with the last one. False: it had too many for one commit. What is left is an execution that
/// has ended, without its first runs.
storage::storage_result<bool> partition::delete_execution(const storage::found_execution& which, std::size_t& turns) {
  if (current_.contains(which.at.workflow_id)) return true;  // something is on its way to it: another look finds it
  const auto header = storage::find_header(store_, options_.id, which.at.workflow_id);
  if (!header) return unexpected(header.error());
  if (!*header || (*header)->run_number() != which.header.run_number()) return true;  // the id was used again
  std::vector<run_number> runs;  // the newest first
  for (run_number next(which.header.run_number()); next.value != 0;) {
    const auto there = storage::has_journal(store_, options_.id, next);
    if (!there) return unexpected(there.error());
    if (!*there) break;
    runs.push_back(next);
    const auto first = storage::read_turn(store_, options_.id, next, start_seq);
    if (!first) return unexpected(first.error());
    const auto& started = first->record.events(0).workflow_execution_started();
    next = run_number(started.continued_from_run_number() != 0 ? started.continued_from_run_number() : started.replaced_run_number());
  }
  gathering_.deleted = true;
  ports_.request_flush();
  for (; !runs.empty(); runs.pop_back()) {
    if (turns >= deleted_turns_at_once) return false;
    const auto erased = storage::erase_journal(gathering_.batch, store_, options_.id, runs.back());
    if (!erased) return unexpected(erased.error());
    turns += *erased;
  }
  storage::erase_header(gathering_.batch, options_.id, which.at.workflow_id);
  storage::erase_execution(gathering_.batch, storage::execution_row_of(options_.id, which.at.workflow_id, which.header));
  counts_.executions_deleted.add();
  return true;
}

}  // namespace evermill::actors
